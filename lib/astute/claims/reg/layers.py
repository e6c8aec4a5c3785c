"""Claims on singular values of layers."""

from functools import partial
from statistics import median

from ...runs import reg
from .. import Incomplete, claim
from .curves import FEW, PGD, regimes

#: The three definitions of a layer's singular values, of the tables' networks.
READINGS = {name: partial(reg.spreads, reading=name) for name in ("circular", "reshaped", "exact")}
CIRCULAR = regimes(READINGS["circular"])
#: By the first definition also of networks that have come to know their images.
ALL_READINGS = {
    **{name: regimes(rows)["the tables' networks"] for name, rows in READINGS.items()},
    **{f"circular, {name}": rows for name, rows in list(CIRCULAR.items())[1:]},
}


def singular(name):
    """A claim on the layers' singular values, under each reading."""
    return claim(f"reg/claim-{name}", (*PGD, FEW), ALL_READINGS["circular"], ALL_READINGS)


def _differences(rows):
    """{data set: (positive, negative differences of spreads at 4 and 16: sum, count)}.

    From layers of networks trained by PGD without control, or from the sums that the paper prints.
    """
    found = {}
    for row in rows:
        if "sum_std_difference" in row:
            sums = found.setdefault(row["dataset"], [(0.0, 0), (0.0, 0)])
            total, average = row["sum_std_difference"], row["mean_std_difference"]
            sums[row["group"] != "std4_gt_std16"] = total, round(total / average)
            continue
        usual = row["training"] == "PGD" and row["spectral_norm"] == "uncontrolled"
        if not usual or row["kind"] != "convolution":  # the paper counts 55: no dense layer
            continue
        if row.get("std4") is None or row.get("std16") is None:
            continue
        sums = found.setdefault(row["dataset"], [(0.0, 0), (0.0, 0)])
        change = row["std4"] - row["std16"]
        total, count = sums[change < 0]
        sums[change < 0] = total + abs(change), count + 1
    if not found:
        raise Incomplete("layers at strengths 4 and 16")
    return found


@singular("18")
def most_layers_draw_together(rows):
    """Singular values of at least 60 % of the layers spread less at strength 16 than at 4."""
    found = _differences(rows)
    shares = {name: up[1] / (up[1] + down[1]) for name, (up, down) in found.items()}
    text = ", ".join(f"{n} {f[0][1]} of {f[0][1] + f[1][1]} layers" for n, f in found.items())
    return min(shares.values()) >= 0.6, text


@singular("19")
def what_draws_together_outweighs(rows):
    """On CIFAR-10 the spreads fall by at least five times as much in sum as others rise."""
    found = _differences(rows)
    if "CIFAR10" not in found:
        raise Incomplete("layers of CIFAR-10 networks")
    (up, _), (down, _) = found["CIFAR10"]
    return up >= 5 * down, f"falls by {up:.3f} in sum, rises by {down:.3f}"


@claim("reg/claim-20", PGD, READINGS["circular"], READINGS)
def cifar100_changes_less(rows):
    """The falling spreads fall by less in sum on CIFAR-100 than on CIFAR-10."""
    found = _differences(rows)
    for name in ("CIFAR10", "CIFAR100"):
        if name not in found:
            raise Incomplete(f"layers of {name.replace('R1', 'R-1')} networks")
    ten, hundred = found["CIFAR10"][0][0], found["CIFAR100"][0][0]
    return hundred < ten, f"CIFAR-100 {hundred:.3f}, CIFAR-10 {ten:.3f}"


@singular("21")
def spreads_are_around_one(rows):
    """The median spread over the layers lies between 0.5 and 2, at either strength."""
    chosen = [
        row for row in rows if row["training"] == "PGD" and row["spectral_norm"] == "uncontrolled"
    ]
    medians = {}
    for name in ("std4", "std16"):
        values = [row[name] for row in chosen if row.get(name) is not None]
        if not values:
            raise Incomplete(f"layers at strength {name[3:]}")
        medians[name[3:]] = median(values)
    text = ", ".join(f"a = {a}: {m:.2f}" for a, m in medians.items())
    return all(0.5 <= m <= 2 for m in medians.values()), f"medians: {text}"
