"""What tables of networks against strength have in common: curves, and in words."""

from functools import partial
from itertools import pairwise

from ...runs import reg
from .. import Incomplete

#: The paper's strengths, in 255ths.
STRENGTHS = (4, 8, 16)
#: Columns that tell one network of a table from another.
NAMES = ("dataset", "model", "training", "spectral_norm", "attack_eps_255")
PGD = ("reg/table3", "reg/table4")
CLIPPED = ("reg/table3", "reg/table6")
FEW = "reg/few-images"


def _among(found, rows, images, controlled):
    """Rows of networks trained on so many images; None: on any number but the few."""
    keep = (lambda n: n not in reg.FEW) if images is None else (lambda n: n == images)
    return rows(
        [
            (run, record)
            for run, record in found
            if isinstance(run, reg.networks.Regularised)
            and keep(run.trained.train_size)
            and (controlled or run.bound is None)
        ]
    )


def regimes(rows, few=reg.FEW, controlled=False):
    """The tables' networks, and those of few images, which a network may learn by heart.

    Parameters
    ----------
    rows : callable
        Makes rows of runs and records.
    few : tuple of int
    controlled : bool
        Whether networks with clipped spectral norms are among them.
    """
    sizes = {"the tables' networks": None} | {f"{n:,} images for longer": n for n in few}
    return {
        name: partial(_among, rows=rows, images=size, controlled=controlled)
        for name, size in sizes.items()
    }


def against_strength(rows, *metrics):
    """{network: {metric: {strength: value}}}, of networks with two strengths or more.

    Rows are the paper's, one a metric with a column a strength. Natural training (0) is left out:
    the claims are on adversarial training.
    """
    curves = {}
    for row in rows:
        if row.get("training") in ("natural", "TRADES"):
            continue
        name = " ".join(str(row[key]) for key in NAMES if row.get(key) is not None)
        for metric in metrics:
            if row.get("metric", metric) != metric:
                continue
            prefix = "" if "metric" in row else f"{metric}_"
            values = {a: row.get(f"{prefix}ar{a}") for a in STRENGTHS}
            values = {a: value for a, value in values.items() if value is not None}
            if len(values) > 1:
                curves.setdefault(name, {})[metric] = values
    whole = {name: found for name, found in curves.items() if len(found) == len(metrics)}
    if not whole:
        raise Incomplete(f"{' and '.join(metrics)} at two strengths")
    return whole


def curves_of(rows, metric):
    """{network: {strength: value}} of one metric."""
    return {name: found[metric] for name, found in against_strength(rows, metric).items()}


def falls(curve):
    """Whether every step to a greater strength goes down."""
    return all(b < a for a, b in pairwise(curve[k] for k in sorted(curve)))


def rises(curve):
    """Whether every step to a greater strength goes up."""
    return all(b > a for a, b in pairwise(curve[k] for k in sorted(curve)))


def words(curves, digits=2):
    """The curves as they are read: "ResNet-20: 0.61, 0.55, 0.48 (a = 4, 8, 16)".

    Training by PGD without spectral control is the rule and goes without saying.
    """
    parts = []
    for name, curve in curves.items():
        strengths = sorted(curve)
        values = ", ".join(f"{curve[a]:.{digits}f}" for a in strengths)
        name = name.removesuffix(" uncontrolled").removesuffix(" PGD")
        parts.append(f"{name}: {values} (a = {', '.join(map(str, strengths))})")
    return "; ".join(parts)
