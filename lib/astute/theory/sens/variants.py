"""Checks of Ding et al., sections 3 and 4 and the tables: data variants, and what is printed."""

from itertools import pairwise

import numpy as np
import torch

from ... import data, intervals, transforms
from ...papers import printed
from .. import Evidence, check

LEVELS = torch.arange(256, dtype=torch.float64) / 255  # what an 8-bit pixel can be
INF = float("inf")


def two_dark_pixels(upper, lower):
    """A white 5 x 5 image with two dark pixels, one above the other: (1, 1, 5, 5)."""
    x = torch.ones(1, 1, 5, 5, dtype=torch.float64)
    x[..., 2, 2], x[..., 3, 2] = upper, lower
    return x


@check("sens/smoothing")
def smoothing():
    """x~ = max(x, mean of x over the kernel) stays in [0, 1], brightens, grows with x; s = 1: x.

    Weights of a mean are non-negative and add up to at most 1, whatever the border rule, so this
    holds for the square kernel of the text and for the column that the printed numbers follow.
    Control: that x~ also grows with the kernel, which a single white pixel refutes.
    """
    x = data.load("digits", "test", limit=60).x
    rng = torch.Generator().manual_seed(0)
    more = x + torch.rand(x.shape, generator=rng) * (1 - x)
    kinds = [(s, kind) for s in range(2, 9) for kind in ("square", "column")]
    good = 0
    for s, kind in kinds:
        smooth = transforms.Smooth(size=s, kind=kind)
        y = smooth(x)
        good += bool(
            (y >= x).all() and y.max() <= 1 and (smooth(more) >= y - 1e-6).all() and y.min() >= 0
        )
    same = all(torch.equal(transforms.Smooth(size=1, kind=k)(x), x) for k in ("square", "column"))
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    two, three = (transforms.Smooth(size=s)(point)[..., 3, 2].item() for s in (2, 3))
    return Evidence(
        holds=good == len(kinds) and same,
        control=three < two,
        margin=float(two - three),
        found=f"range, x̃ ≥ x and monotony in x on 60 digits for {good} of {len(kinds)} kernels, "
        f"s = 1 the identity; next to one white pixel size 2 gives {two:.2f}, size 3 {three:.2f} "
        "(control: not monotone in s)",
        reference={"size 2": two, "size 3": three},
    )


@check("sens/smoothing-lossless")
def smoothing_lossless():
    """Smoothing is semantically lossless.

    What people see is no computation. What can be decided is whether the image can be got back: of
    black and white images it can (x = 1 where x~ = 1), of grey ones not always: two neighbouring
    dark pixels show only their sum. Control: that such images stay apart without smoothing.
    """
    first, second = two_dark_pixels(0.2, 0.0), two_dark_pixels(0.0, 0.2)
    merge = [
        bool(
            (transforms.Smooth(size=3, kind=k)(first) - transforms.Smooth(size=3, kind=k)(second))
            .abs()
            .max()
            < 1e-12
        )
        for k in ("square", "column")
    ]
    binary = transforms.Binarize()(data.load("digits", "test", limit=200).x)
    back = all(
        torch.equal((transforms.Smooth(size=s, kind=k)(binary) > 1 - 1e-6).float(), binary)
        for s in (2, 5, 8)
        for k in ("square", "column")
    )
    value = transforms.Smooth(size=3)(first)[..., 2, 2].item()
    return Evidence(
        holds=None,
        control=not torch.equal(first, second) and all(merge) and back,
        margin=0.0,
        found=f"satisfies it: 200 binarised digits, recovered pixel by pixel at sizes 2, 5, 8. "
        f"Does not: a white image with dark neighbours (0.2, 0) or (0, 0.2): both become "
        f"{value:.1f} and {value:.1f} (column of 3), so labels that differ are lost",
        reference={"both pixels": value},
    )


@check("sens/saturation")
def saturation():
    """sign(2v-1) |2v-1|^(2/p) / 2 + 1/2: in [0, 1]; outward for p >= 2; binary at p = inf.

    A bijection of [0, 1] for every finite p, inverse to the level 4/p. At p = inf the formula
    leaves v = 1/2 where it is, as sign(0) = 0; 8-bit pixels never are 1/2. Control: that p < 2
    pushes outward too.
    """
    middle = float(np.sign(0.0) * abs(0.0) ** 0 / 2 + 0.5)
    side = (LEVELS - 0.5).sign()
    outward, inverse = [], []
    for p in (0.5, 1, 1.5, 2, 3, 8, 64):
        y = transforms.Saturate(level=p)(LEVELS)
        moved = side * (y - LEVELS)
        outward.append((p, bool((moved >= -1e-12).all()), bool((moved <= 1e-12).all())))
        assert bool((y.diff() > 0).all() and y.min() == 0 and y.max() == 1)
        inverse.append(float((transforms.Saturate(level=4 / p)(y) - LEVELS).abs().max()))
    binary = transforms.Saturate(level=INF)(LEVELS)
    return Evidence(
        holds=middle in (0.0, 1.0),
        corrected=all(out == (p >= 2) and inward == (p <= 2) for p, out, inward in outward)
        and max(inverse) < 1e-9
        and torch.equal(binary, transforms.Binarize()(LEVELS))
        and not bool((LEVELS == 0.5).any()),
        control=any(not out for p, out, _ in outward if p < 2),
        margin=0.5,
        found=f"p = ∞ sends ½ to {middle}. All 256 pixel levels: increasing, range [0, 1], outward "
        "for p ≥ 2, inward for p ≤ 2 (control), undone by level 4/p, and binary at p = ∞",
        reference={"at one half": middle},
    )


@check("sens/saturation-info-loss")
def information_loss():
    """Beyond level 64 accuracy drops, likely by "information loss".

    At a finite level saturation is a bijection: 256 pixel levels stay 256 numbers in single
    precision and can be got back, so by section 2.1 the Bayes error is what it was. Only p = inf
    loses anything. (Rounding to 8 bits after saturation would; the volumes of table 6 show that
    it was not done.) Control: that p = inf loses nothing.
    """
    kept, rounded = {}, {}
    for p in (16, 64, 128, 256, 512, INF):
        y = transforms.Saturate(level=p)(LEVELS.float())
        kept[p] = len(torch.unique(y))
        rounded[p] = len(torch.unique((y * 255).round()))
    back = transforms.Saturate(level=4 / 256)(transforms.Saturate(level=256)(LEVELS))
    exact = bool(((back * 255).round() == torch.arange(256)).all())
    rows = {row["variant"]: float(row["std_test_acc"]) for row in printed("sens_table3")}
    drop = rows["saturate 16"] - rows["saturate 256"]
    return Evidence(
        holds=drop > 0 and kept[256] < 256,
        control=kept[INF] < 256 and exact,
        margin=float(kept[256] - rounded[256]),
        found=f"levels 16 to 512 keep all {kept[512]} pixel values apart in single precision, and "
        f"level 256 is undone exactly; p = ∞ (control) keeps {kept[INF]}. Rounded to 8 bits level "
        f"64 would keep {rounded[64]}, 256 {rounded[256]}. From 16 to 256 accuracy falls by "
        f"{drop:.1f} points",
        reference={f"rounded, level {p:g}": float(k) for p, k in rounded.items()},
    )


@check("sens/gamma")
def gamma():
    """x^gamma is brighter for gamma < 1 and darker for gamma > 1, on [0, 1].

    x^gamma falls in gamma for 0 < x < 1 and is fixed at 0 and 1; it is undone by 1/gamma. Control:
    that the same holds for pixels above 1, as before division by 255.
    """
    inner = LEVELS[1:-1]
    gammas = (0.3, 0.6, 0.8, 1.0, 1.2, 1.4, 3.0)
    images = [transforms.Gamma(gamma=g)(LEVELS) for g in gammas]
    falls = all(bool((a[1:-1] > b[1:-1]).all()) for a, b in pairwise(images))
    sides = all(
        bool(((y[1:-1] > inner) if g < 1 else (y[1:-1] < inner)).all())
        for g, y in zip(gammas, images, strict=True)
        if g != 1
    )
    undone = max(
        float((transforms.Gamma(gamma=1 / g)(y) - LEVELS).abs().max())
        for g, y in zip(gammas, images, strict=True)
    )
    fixed = all(y[0] == 0 and y[-1] == 1 for y in images)
    return Evidence(
        holds=falls and sides and fixed and undone < 1e-9,
        control=200.0**0.8 < 200.0,
        margin=float(min((a[1:-1] - b[1:-1]).min() for a, b in pairwise(images))),
        found="254 grey levels and seven values of γ: brighter below 1, darker above, black and "
        f"white fixed, undone by 1/γ; at 200 of 255 (control) γ = 0.8 gives {200**0.8:.0f}, darker",
        reference={"0.5^0.6": 0.5**0.6},
    )


@check("sens/scaling")
def scaling():
    """alpha (x - 1/2) + 1/2 pulls every pixel to the centre at one rate: all distances times alpha.

    So a radius eps after scaling is a radius eps / alpha before, and the inter-class distances
    behind table 1 follow from three quotients, which must agree within rounding. Control: gamma
    mapping, which has no one rate.
    """
    rng = torch.Generator().manual_seed(1)
    x = torch.rand(40, 1, 4, 4, generator=rng, dtype=torch.float64)
    before = torch.cdist(x.flatten(1), x.flatten(1))

    def rates(change):
        after = torch.cdist(change(x).flatten(1), change(x).flatten(1))
        off = ~torch.eye(40, dtype=torch.bool)
        return (after[off] / before[off]).min().item(), (after[off] / before[off]).max().item()

    low, high = rates(transforms.Scale(factor=0.79))
    uneven = rates(transforms.Gamma(gamma=0.8))
    base = {}
    for name in ("scale_original", "scale_binarized"):
        ranges = [
            [
                (float(row["inter_class_distance"]) + s * 0.005) / (float(row[name]) - s * 0.0005)
                for s in (-1, 1)
            ]
            for row in printed("sens_table1")
        ]
        base[name] = max(a for a, _ in ranges), min(b for _, b in ranges)
    agree = all(a <= b for a, b in base.values())
    return Evidence(
        holds=high - low < 1e-9 and abs(low - 0.79) < 1e-9 and agree,
        control=uneven[1] - uneven[0] > 0.01,
        margin=high - low,
        found=f"all distances times 0.79; table 1's quotients agree on an inter-class distance of "
        f"{base['scale_original'][0]:.3f} to {base['scale_original'][1]:.3f} for original, "
        f"{base['scale_binarized'][0]:.3f} to {base['scale_binarized'][1]:.3f} for binarised; "
        f"gamma 0.8 (control) has rates {uneven[0]:.2f} to {uneven[1]:.2f}",
        reference={f"{name} {k}": v for name, pair in base.items() for k, v in enumerate(pair)},
    )


def numbers(name, *columns):
    """{variant: its numbers in these columns} of a printed table with one row a variant."""
    return {row["variant"]: [float(row[c]) for c in columns] for row in printed(name)}


def repetitions():
    """Pairs of printed numbers that have to be equal: (where, first, second)."""
    for wide, narrow, w in (
        ("sens_table4", "sens_table2", "w1"),
        ("sens_table5", "sens_table3", "w4"),
    ):
        rows = {row["variant"]: row for row in printed(narrow)}
        column = {
            ("standard", "accuracy"): "std_test_acc",
            ("pgd", "accuracy"): "pgd_test_acc",
            ("pgd", "robust_accuracy"): "robust_acc",
        }
        for row in printed(wide):
            key = column[row["training"], row["metric"]]
            yield f"{wide} {row['variant']}", row[f"test_{w}"], rows[row["variant"]][key]
    robust = {
        (data, row["variant"]): row["robust_acc"]
        for data, name in (("MNIST", "sens_table2"), ("CIFAR10", "sens_table3"))
        for row in printed(name)
    }
    for row in printed("sens_table7"):
        yield "sens_table7", row["robust_acc_with_bound"], robust[row["dataset"], row["variant"]]
    for row in printed("sens_table1"):
        smooth = robust["MNIST", f"smooth {row['smooth_level']}"]
        yield "sens_table1", row["robust_acc_smoothed"], smooth


@check("sens/tables-cross")
def tables_cross():
    """Numbers printed twice agree: tables 4 and 2, 5 and 3, 1 and 2, 7 and 2 or 3.

    The default networks are width 1 (LeNet) and 4 (wide ResNet), so one column of tables 4 and 5
    repeats tables 2 and 3. Control: table 4's next width instead.
    """
    pairs = list(repetitions())
    equal = sum(float(a) == float(b) for _, a, b in pairs)
    twice = {row["variant"]: row for row in printed("sens_table2")}
    other = sum(
        float(row["test_w2"]) == float(twice[row["variant"]]["robust_acc"])
        for row in printed("sens_table4")
        if row["metric"] == "robust_accuracy"
    )
    return Evidence(
        holds=equal == len(pairs),
        control=other < len(twice),
        margin=0.0,
        found=f"{equal} of {len(pairs)} repeated numbers agree; of nine robust accuracies at width "
        f"2 (control) {other}",
        reference={"pairs": float(len(pairs)), "width 2": float(other)},
    )


@check("sens/tables-inclusion")
def tables_inclusion():
    """Robust accuracy, robustness wrt predictions and accuracy of a row fit together.

    A robust right answer is a right answer and a prediction that stands: robust <= accuracy,
    robust <= wrt; and one that stands and is right is robust: wrt <= robust + 1 - accuracy. Each
    within rounding. A certified error is at least the clean error. Control: wrt <= accuracy.
    """
    rows = [
        values
        for name in ("sens_table2", "sens_table3")
        for values in numbers(
            name, "pgd_test_acc", "robust_acc", "robustness_wrt_predictions"
        ).values()
    ]
    rounding = 0.15  # three numbers, each off by 0.05 at most
    fits = sum(
        robust <= acc and robust <= wrt and wrt <= robust + 100 - acc + rounding
        for acc, robust, wrt in rows
    )
    control = sum(wrt <= acc for acc, _, wrt in rows)
    prose = {row["id"]: float(row["value"]) for row in printed("sens_prose")}
    certified = prose["sens/p3"] >= 100 - prose["sens/p4"]
    slack = min(robust + 100 - acc + rounding - wrt for acc, robust, wrt in rows)
    return Evidence(
        holds=fits == len(rows) and certified,
        control=control < len(rows),
        margin=slack,
        found=f"{fits} of {len(rows)} rows fit; certified error {prose['sens/p3']:g} % ≥ clean "
        f"error {100 - prose['sens/p4']:.2f} %; wrt ≤ accuracy (control) in {control} rows only",
        reference={"rows": float(len(rows)), "control": float(control)},
    )


@check("sens/text-level16")
def level_16():
    """Before level 16 robust accuracy rises from 43.2 to 79.7, accuracy falls from 85.4 to 80.0.

    Table 3 has 79.4 and 79.9 at level 16; 79.7 and 80.0 stand at level 256 and at infinity.
    Control: that level 8 has them.
    """
    rows = numbers("sens_table3", "robust_acc", "pgd_test_acc")
    at = [name for name, pair in rows.items() if pair == [79.7, 80.0]]
    return Evidence(
        holds=rows["saturate 16"] == [79.7, 80.0],
        corrected=rows["original"] == [43.2, 85.4] and rows["saturate 16"] == [79.4, 79.9],
        control="saturate 8" not in at and len(at) > 0,
        margin=79.7 - rows["saturate 16"][0],
        found=f"table 3 at level 16: {rows['saturate 16'][0]} and {rows['saturate 16'][1]}; 79.7 "
        f"and 80.0 stand at {' and '.join(at)}",
        reference={"robust at 16": rows["saturate 16"][0], "clean at 16": rows["saturate 16"][1]},
    )


def apart(first, second, n=10_000):
    """Whether two printed accuracies of n images have disjoint 95 % intervals (Clopper-Pearson)."""
    low, high = sorted((first, second))
    upper = intervals.proportion(np.arange(n) < round(n * low / 100))["high"]
    lower = intervals.proportion(np.arange(n) < round(n * high / 100))["low"]
    return upper < lower


@check("sens/text-table7")
def leaving_the_domain():
    """Perturbing out of bound does not reduce accuracy under attack, even for binarised MNIST.

    Table 7 has 98.1 and 96.1 for binarised MNIST: the errors double, with disjoint exact intervals
    for 10,000 images. In all other rows they overlap. A wider set of attacks can't help the
    defender: rises are misses of the attack. Control: the row next to it, original MNIST.
    """
    rows = {
        (row["dataset"], row["variant"]): (
            float(row["robust_acc_with_bound"]),
            float(row["robust_acc_without_bound"]),
        )
        for row in printed("sens_table7")
    }
    fell = [name for name, (inside, free) in rows.items() if free < inside and apart(inside, free)]
    rose = [name for name, (inside, free) in rows.items() if free > inside]
    inside, free = rows["MNIST", "binarized"]
    others = max(abs(a - b) for name, (a, b) in rows.items() if name not in fell)
    return Evidence(
        holds=not fell,
        control=("MNIST", "original") not in fell,
        margin=inside - free,
        found=f"binarised MNIST {inside} → {free} %: errors {100 - inside:.1f} → {100 - free:.1f}, "
        f"exact 95 % intervals disjoint for n = 10,000; no other of {len(rows)} rows moves by more "
        f"than {others:.1f}; {len(rose)} rise, which an exact attack could not",
        reference={"fall": inside - free, "other rows": others},
    )


@check("sens/text-trends")
def trends():
    """Robust accuracy falls with smoothing, rises with saturation; standard accuracy moves little.

    MNIST: strictly, and by 0.8 points. CIFAR-10: strictly up to level 16, and standard accuracy by
    2.1 points; beyond, robust accuracy stands still within 0.6 and standard accuracy falls by
    another 12.6. Control: that robust accuracy falls with saturation.
    """
    mnist = numbers("sens_table2", "robust_acc", "std_test_acc")
    cifar = numbers("sens_table3", "robust_acc", "std_test_acc")
    smooth = [robust for robust, _ in mnist.values()]
    rises = [robust for robust, _ in cifar.values()]
    names = list(cifar)
    to16, original = names.index("saturate 16") + 1, names.index("original")
    spread = {
        "mnist": np.ptp([std for _, std in mnist.values()]),
        "cifar": np.ptp([std for _, std in cifar.values()]),
        "cifar to 16": np.ptp([cifar[n][1] for n in names[original:to16]]),
        "robust beyond": np.ptp(rises[to16 - 1 :]),
    }

    def strictly(values, sign):
        return all(sign * (b - a) > 0 for a, b in pairwise(values))

    return Evidence(
        holds=strictly(smooth, -1) and strictly(rises, 1) and spread["cifar"] < 3,
        corrected=bool(
            strictly(smooth, -1)
            and strictly(rises[:to16], 1)
            and spread["mnist"] < 1
            and spread["cifar to 16"] < 2.5
            and spread["robust beyond"] < 1
        ),
        control=not strictly(rises[:to16], -1),
        margin=float(spread["cifar"] - 3),
        found=f"standard accuracy spans {spread['mnist']:.1f} points on MNIST, "
        f"{spread['cifar to 16']:.1f} on CIFAR-10 from the original to level 16, "
        f"{spread['cifar']:.1f} over all levels; robust accuracy is strictly monotone up to level "
        f"16 and within {spread['robust beyond']:.1f} beyond",
        reference={name: float(value) for name, value in spread.items()},
    )
