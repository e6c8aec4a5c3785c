"""Claims of the idiosyncrasy paper that no image decides: norms, the score's range, cost."""

from ...runs import idio
from .. import Incomplete, cell, claim


def numbers(name):
    """A claim on figure 1 that no image decides: rows without outcomes, so nothing is resampled."""

    def rows(found):
        return [
            {k: v for k, v in row.items() if k not in ("clean", "adv")} for row in idio.fig1(found)
        ]

    return claim(f"idio/claim-{name}", "idio/fig1", rows)


def _curve(rows, method, name):
    """{p: per cent} of a method; `Incomplete` if a point is missing."""
    curve = {row["p"]: row.get(name) for row in rows if row["method"] == method}
    if not curve or None in curve.values():
        raise Incomplete(f"{name} of {method}")
    return curve


@numbers("17")
def methods_shrink_their_norms(rows):
    """M2 lowers the Frobenius norm and M1 the element-wise l1 norm, at every p above 0."""
    grown = []
    for method, norm in (("M1 quantile", "l1"), ("M2", "frobenius")):
        curve = _curve(rows, method, norm)
        grown += [f"{method} {p}" for p in curve if p > 0 and not curve[p] < curve[0]]
    m1, m2 = _curve(rows, "M1 quantile", "l1"), _curve(rows, "M2", "frobenius")
    text = f"{100 * m1[90] / m1[0]:.0f} % of the l1 norm, M2 {100 * m2[90] / m2[0]:.0f} % of the"
    return not grown, f"at p = 90 M1 leaves {text} Frobenius norm"


@numbers("18")
def score_lies_between_minus_one_and_zero(rows):
    """Equation 4 of the attacked network itself lies in [-1, 0] at every bound."""
    low, high = (cell(rows, k, method="M2", p=0) for k in ("score_low", "score_high"))
    above = max(row["score_high"] for row in rows if row.get("score_high") is not None)
    text = f"{low:.2f} to {high + 0:.2f}; up to {above:+.2f} for a network that was not attacked"
    return low >= -1 and high <= 0, text


@numbers("19")
def methods_cost_next_to_nothing(rows):
    """M1 and M2 cost less than 1 % of the training, in floating-point operations."""
    m1, m2 = (100 * cell(rows, k, method="M3", p=0) for k in ("cost_M1", "cost_M2"))
    text = f"M1 {m1:.2f} %, M2 {m2:.2f} % of the training's operations (M3: the sum)"
    return m1 + m2 < 1, text
