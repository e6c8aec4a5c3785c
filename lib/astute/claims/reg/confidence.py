"""Claims on margins, probabilities, losses and their change under attack."""

from functools import partial

from ...runs import reg
from .. import Incomplete, claim
from .curves import FEW, PGD, STRENGTHS, against_strength, falls, regimes, rises, words

REGIMES = regimes(reg.blocks)


def networks(name):
    """A claim on the margins, probabilities and losses of the networks."""
    return claim(f"reg/claim-{name}", (*PGD, FEW), REGIMES["the tables' networks"], REGIMES)


def _by_strength(rows, *columns):
    """{network: {column: {strength: value}}} of rows that are one network each."""
    found = {}
    for row in rows:
        if row["strength"] in STRENGTHS and row["training"] == "PGD":
            for name in columns:
                if row.get(name) is not None:
                    curve = found.setdefault(f"{row['dataset']} {row['model']}", {})
                    curve.setdefault(name, {})[row["strength"]] = row[name]
    whole = {
        name: curves
        for name, curves in found.items()
        if len(curves) == len(columns) and all(len(c) > 1 for c in curves.values())
    }
    if not whole:
        raise Incomplete(f"{' and '.join(columns)} at two strengths")
    return whole


@networks("13")
def margins_concentrate(rows):
    """Standard deviation and inter-decile range of margins fall with strength, on both splits."""
    columns = [
        f"{split}_{m}" for split in ("train", "test") for m in ("margin_std", "inter_decile")
    ]
    found = _by_strength(rows, *columns)
    holds = all(falls(curve) for curves in found.values() for curve in curves.values())
    return holds, "standard deviation, test: " + words(
        {name: curves["test_margin_std"] for name, curves in found.items()}
    )


@networks("14")
def margins_move_towards_zero(rows):
    """The mode of the test margins moves towards 0 as strength grows."""
    found = {name: c["test_mode"] for name, c in _by_strength(rows, "test_mode").items()}
    near = {name: {a: abs(v) for a, v in c.items()} for name, c in found.items()}
    return all(map(falls, near.values())), words(found)


@networks("15")
def networks_get_less_sure(rows):
    """The share of test images with a probability in [.1, .9] grows with strength."""
    found = {name: c["middle"] for name, c in _by_strength(rows, "middle").items()}
    return all(map(rises, found.values())), words(found, 1)


@networks("16")
def large_losses_get_rarer(rows):
    """The share of test losses above 5 falls with strength."""
    found = {name: c["above_5"] for name, c in _by_strength(rows, "above_5").items()}
    return all(map(falls, found.values())), words(found, 1)


@claim("reg/claim-17", PGD, reg.blocks)
def cifar10_margins_are_more_skewed(rows):
    """At every strength training margins are more skewed on CIFAR-10 than on CIFAR-100."""
    found = _by_strength(rows, "train_skewness")
    names = [
        next((n for n in found if n.startswith(f"{d} ")), None) for d in ("CIFAR10", "CIFAR100")
    ]
    if None in names:
        raise Incomplete("train_skewness of both data sets")
    ten, hundred = (found[name]["train_skewness"] for name in names)
    shared = sorted(set(ten) & set(hundred))
    text = "; ".join(f"a = {a}: {ten[a]:+.2f} against {hundred[a]:+.2f}" for a in shared)
    return all(abs(ten[a]) > abs(hundred[a]) for a in shared), text


#: Table 1's numbers may be of losses or of probabilities.
VARIATIONS = {
    f"change of {what}" + f", {regime}" * (k > 0): rows
    for what in ("loss", "probability")
    for k, (regime, rows) in enumerate(regimes(partial(reg.variation, what=what)).items())
}


def variations(name):
    """A claim on table 1."""
    return claim(f"reg/claim-{name}", (*PGD, FEW), VARIATIONS["change of loss"], VARIATIONS)


@variations("22")
def changes_shrink(rows):
    """Mean and standard deviation of the change fall with strength, at every radius."""
    found = against_strength(rows, "mean", "std")
    holds = all(falls(curve) for curves in found.values() for curve in curves.values())
    return holds, "means: " + words({name: curves["mean"] for name, curves in found.items()}, 4)


@variations("23")
def changes_scatter(rows):
    """The change's standard deviation exceeds its mean in every cell."""
    found = against_strength(rows, "mean", "std")
    ratios = [f["std"][a] / m for f in found.values() for a, m in f["mean"].items()]
    text = f"standard deviation over mean: {min(ratios):.2f} or more in {len(ratios)} cells"
    return min(ratios) > 1, text
