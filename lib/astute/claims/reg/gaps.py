"""Claims on gaps, losses and accuracies against strength, depth and spectral norm."""

from itertools import pairwise

from ...runs import reg
from .. import Incomplete, Unplanned, claim
from .curves import (
    CLIPPED,
    FEW,
    PGD,
    STRENGTHS,
    against_strength,
    curves_of,
    falls,
    regimes,
    rises,
    words,
)

REGIMES = regimes(reg.table)
#: Clipped networks have learnt the larger of the small sets only.
CLIPPED_REGIMES = regimes(reg.table, reg.FEW[:1], controlled=True)


def _gaps(rows, gap):
    """{network: {strength: gap}}: from the two splits where both are there, paired by draws."""
    ends = ("train_acc", "test_acc") if gap == "delta_acc" else ("test_loss", "train_loss")
    try:
        pairs = against_strength(rows, *ends)
    except Incomplete:
        return curves_of(rows, gap)
    first, second = ends
    return {
        name: {a: v - found[second][a] for a, v in found[first].items() if a in found[second]}
        for name, found in pairs.items()
    }


def tables(name):
    """A claim on the networks of tables 3 and 4, and on those of few images."""
    return claim(f"reg/claim-{name}", (*PGD, FEW), REGIMES["the tables' networks"], REGIMES)


def clipped(name):
    """A claim on networks with and without spectral control."""
    studies, rows = (*CLIPPED, FEW), CLIPPED_REGIMES["the tables' networks"]
    return claim(f"reg/claim-{name}", studies, rows, CLIPPED_REGIMES)


@tables("01")
def the_loss_gap_falls(rows):
    """The gap of losses is strictly decreasing in strength, in every network's block."""
    gaps = _gaps(rows, "delta_loss")
    return all(map(falls, gaps.values())), words(gaps)


@tables("02")
def training_loss_grows(rows):
    """Training loss is strictly increasing in strength."""
    curves = curves_of(rows, "train_loss")
    return all(map(rises, curves.values())), words(curves)


@tables("03")
def test_accuracy_falls(rows):
    """Test accuracy is strictly decreasing in strength."""
    curves = curves_of(rows, "test_acc")
    return all(map(falls, curves.values())), words(curves, 1)


@tables("04")
def test_loss_ends_lower(rows):
    """Test loss at the greatest strength is below that at the least (PGD, no spectral control)."""
    curves = curves_of(rows, "test_loss")
    return all(c[max(c)] < c[min(c)] for c in curves.values()), words(curves)


@claim("reg/claim-05", (), lambda found: [])
def tiny_imagenet_pays_in_loss(rows):
    """On Tiny-ImageNet test loss increases with strength."""
    if not rows:
        raise Unplanned("the wide residual network on Tiny-ImageNet: no study of ours trains it")
    curves = curves_of(rows, "test_loss")
    return all(map(rises, curves.values())), words(curves)


@tables("06")
def the_error_gap_grows_on_cifar10_alone(rows):
    """The gap of accuracies increases in strength on CIFAR-10 and decreases elsewhere."""
    gaps = _gaps(rows, "delta_acc")
    holds = all(
        (falls if "100" in name.split(" ")[0] or "Wide" in name else rises)(gap)
        for name, gap in gaps.items()
    )
    return holds, words(gaps, 1)


def _second_look(found):
    """Of networks trained by PGD what a stronger attack leaves."""
    again = [one for one in found if not isinstance(one[0], reg.networks.Regularised)]
    return [row for row in reg.second_look(again) if row["training"] == "PGD"]


@claim(
    "reg/claim-07",
    (*PGD, FEW, "reg/second-look"),
    REGIMES["the tables' networks"],
    REGIMES | {"a stronger attack": _second_look},
)
def conditional_pgd_accuracy_grows(rows):
    """Conditional PGD accuracy is strictly increasing in strength."""
    curves = curves_of(rows, "pgd_acc")
    return all(map(rises, curves.values())), words(curves, 1)


@claim("reg/claim-08", (*PGD, "reg/depth"), reg.table)
def depth_changes_no_sign(rows):
    """From the least to the greatest strength every metric moves alike in both depths."""
    metrics = ("train_acc", "test_acc", "delta_acc", "train_loss", "test_loss", "delta_loss")
    found, same, parts = {}, True, []
    for name, curves in against_strength(rows, *metrics).items():
        data, model = name.split(" ")[:2] if "CIFAR" in name else ("", name.split(" ")[0])
        found.setdefault(data, {})[model] = {
            metric: c[max(c)] > c[min(c)] for metric, c in curves.items()
        }
    found = {data: depths for data, depths in found.items() if len(depths) > 1}
    if not found:
        raise Incomplete("a second depth")
    for data, depths in found.items():
        first, *others = depths.values()
        differ = [m for m in metrics if any(other[m] != first[m] for other in others)]
        same &= not differ
        parts.append(f"{data or 'all'}: {', '.join(differ) or 'none'} differ")
    return same, "; ".join(parts)


def _bounds(curves):
    """{bound: curve}, rising, infinity for no control; `Incomplete` without both kinds."""
    found = {}
    for name, curve in curves.items():
        bound = name.split(" ")[-1]
        found[float("inf") if bound == "uncontrolled" else float(bound)] = curve
    if len(found) < 2 or float("inf") not in found:
        raise Incomplete("networks with and without spectral control")
    return dict(sorted(found.items()))


def _sp(bound):
    return "none" if bound == float("inf") else f"SP {bound:g}"


@clipped("09")
def control_turns_the_error_gap(rows):
    """Over strengths the error gap falls at SP 1 and rises at every other bound and at none."""
    gaps = _bounds(_gaps(rows, "delta_acc"))
    slopes = {bound: c[max(c)] - c[min(c)] for bound, c in gaps.items()}
    holds = all(slope < 0 if bound == 1 else slope > 0 for bound, slope in slopes.items())
    return holds, ", ".join(f"{_sp(b)} {s:+.1f}" for b, s in slopes.items()) + " points"


@clipped("10")
def the_loss_gap_falls_at_every_bound(rows):
    """The loss gap decreases in strength under every spectral norm."""
    gaps = _bounds(_gaps(rows, "delta_loss"))
    return all(map(falls, gaps.values())), words({_sp(b): c for b, c in gaps.items()})


@clipped("11")
def control_narrows_the_loss_gap(rows):
    """At each strength the loss gap grows from bound to bound, and to none."""
    gaps = list(_bounds(_gaps(rows, "delta_loss")).items())
    holds, parts = True, []
    for (low, tight), (high, loose) in pairwise(gaps):
        for a in sorted(set(tight) & set(loose)):
            holds &= tight[a] < loose[a]
            parts.append(f"a = {a}: {_sp(low)} {tight[a]:.2f}, {_sp(high)} {loose[a]:.2f}")
    return holds, "; ".join(parts)


@clipped("12")
def control_raises_training_loss(rows):
    """At each strength training loss at the least bound, SP 1, is above that without control."""
    curves = _bounds(curves_of(rows, "train_loss"))
    tight, loose = curves[min(curves)], curves[float("inf")]
    shared = sorted(set(tight) & set(loose))
    text = "; ".join(f"a = {a}: {tight[a]:.2f} against {loose[a]:.2f}" for a in shared)
    return all(tight[a] > loose[a] for a in shared), f"{_sp(min(curves))}, {text}"


@clipped("26")
def control_costs_no_accuracy(rows):
    """At each strength test accuracy at the least bound, SP 1, is at least that without control."""
    curves = _bounds(curves_of(rows, "test_acc"))
    tight, loose = curves[min(curves)], curves[float("inf")]
    gains = {a: tight[a] - loose[a] for a in sorted(set(tight) & set(loose))}
    text = ", ".join(f"a = {a}: {g:+.1f}" for a, g in gains.items())
    return min(gains.values()) >= 0, f"{_sp(min(curves))}, {text}"


@claim("reg/claim-24", "reg/table2", reg.table)
def fgsm_training_does_alike(rows):
    """Trained by FGSM: loss gap and test accuracy fall with strength, training loss rises."""
    gaps = _gaps(rows, "delta_loss")
    found = against_strength(rows, "test_acc", "train_loss")
    holds = all(map(falls, gaps.values())) and all(
        falls(curves["test_acc"]) and rises(curves["train_loss"]) for curves in found.values()
    )
    return holds, "gap " + words(gaps)


@claim("reg/claim-25", CLIPPED, reg.spreads)
def clipping_meets_its_bound(rows):
    """Clipped layers meet the bound, and the product of norms falls with it."""
    products, above, worst = {}, 0, 0.0
    for row in rows:
        if row["training"] != "PGD":
            continue
        bound = row["spectral_norm"]
        limit = float("inf") if bound == "uncontrolled" else float(bound)
        for a in STRENGTHS:
            norm = row.get(f"norm{a}")
            if norm is None:
                continue
            at = products.setdefault(a, {})
            at[limit] = at.get(limit, 1.0) * norm
            if limit < float("inf"):
                worst = max(worst, norm / limit)
                above += norm > limit * (1 + 1e-3)
    products = {a: dict(sorted(at.items())) for a, at in products.items() if len(at) > 1}
    if not products:
        raise Incomplete("networks with and without spectral control at one strength")
    parts = [
        f"a = {a}: " + ", ".join(f"{_sp(bound)} {value:.2g}" for bound, value in at.items())
        for a, at in products.items()
    ]
    text = f"greatest norm {worst:.4f} times the bound, {above} layers above it; products "
    falling = all(rises(at) for at in products.values())
    return falling and not above, text + "; ".join(parts)
