"""Claims of `sens` on table 2, on perturbable volume and on the distance of classes."""

import math
from itertools import pairwise

from scipy.stats import spearmanr

from ...runs import sens
from .. import Incomplete, cell, claim, column


def table2(name):
    """A claim on table 2: the nine MNIST variants."""
    return claim(f"sens/claim-{name}", "sens/table2", sens.table2)


def spread(values):
    """Greatest number less the least."""
    return max(values) - min(values)


def by_size(rows, training, variant, name):
    """A column of figure 4's half about numbers of images, in the order of these."""
    part = [r for r in rows if r["training"] == training and r["variant"] == variant]
    return column(sorted(part, key=lambda row: row["size"]), name)


def arrows(values):
    """Numbers in their order, in words."""
    return ", ".join(f"{v:.1f}" for v in values)


@table2("01")
def standard_accuracy_is_stable(rows):
    """The range of standard test accuracy over the nine variants is at most 1."""
    found = spread(column(rows, "std_test_acc"))
    return found <= 1, f"range {found:.2f}"


@table2("02")
def clean_accuracy_of_pgd_is_stable(rows):
    """The range of PGD-trained clean accuracy is at most 1.5."""
    found = spread(column(rows, "pgd_test_acc"))
    return found <= 1.5, f"range {found:.2f}"


@table2("03")
def robust_accuracy_falls_with_smoothing(rows):
    """Spearman correlation of smoothing level and robust accuracy is at most -0.9."""
    rows = [row for row in rows if row["variant"].startswith(("original", "smooth"))]
    level = [int(row["variant"].removeprefix("smooth ").replace("original", "1")) for row in rows]
    rho = spearmanr(level, column(rows, "robust_acc")).statistic
    return rho <= -0.9, f"ρ = {rho:.2f}"


@table2("04")
def smoothing_costs_ten_points(rows):
    """Robust accuracy falls by at least 10 from the original to smoothing 8."""
    fall = cell(rows, "robust_acc", variant="original") - cell(
        rows, "robust_acc", variant="smooth 8"
    )
    return fall >= 10, f"falls by {fall:.1f}"


@table2("05")
def drops_are_vulnerability(rows):
    """Robustness wrt predictions exceeds robust accuracy by at most 0.5 everywhere."""
    wrt, robust = column(rows, "robustness_wrt_predictions"), column(rows, "robust_acc")
    most = max(a - b for a, b in zip(wrt, robust, strict=True))
    return most <= 0.5, f"at most {most:.2f}"


@table2("06")
def binarized_is_most_robust(rows):
    """Binarised beats the original, and loses at most 1 to the attack."""
    binarized = cell(rows, "robust_acc", variant="binarized")
    original = cell(rows, "robust_acc", variant="original")
    lost = cell(rows, "pgd_test_acc", variant="binarized") - binarized
    text = f"{binarized:.1f} against {original:.1f}, {lost:.1f} lost to the attack"
    return binarized > original and lost <= 1, text


@table2("07")
def robust_accuracy_varies_more(rows):
    """Robust accuracy ranges over more than 5 times what standard accuracy does."""
    robust, standard = spread(column(rows, "robust_acc")), spread(column(rows, "std_test_acc"))
    return robust > 5 * standard, f"{robust:.1f} against {standard:.2f}"


@claim("sens/claim-21", "sens/table6", sens.table6)
def volume_follows_the_variant(rows):
    """Volume rises with smoothing and falls with saturation; binarised it is d log2 eps."""
    rows = [row for row in rows if row.get("kind", "") != "square"]
    mnist = {r["variant"]: r["avg_log2_volume"] for r in rows if r["dataset"] == "MNIST"}
    cifar = [r["avg_log2_volume"] for r in rows if r["dataset"] == "CIFAR10"]
    if None in (*mnist.values(), *cifar) or not mnist or not cifar:
        raise Incomplete("a volume")
    order = [v for name, v in mnist.items() if name.startswith("smooth")]
    rises = all(a < b for a, b in pairwise([mnist["original"], *order]))
    falls = all(a > b for a, b in pairwise(cifar))
    exact = 784 * math.log2(0.3)
    off = abs(mnist["binarized"] - exact)
    text = f"binarised {mnist['binarized']:.2f} against {exact:.2f}; rises {rises}, falls {falls}"
    return rises and falls and off < 1, text  # the paper cuts off the decimals


@claim("sens/claim-22", "sens/table6", sens.table6)
def the_box_costs_84_bits(rows):
    """The box takes 84 bits, within 1, from the volume of original CIFAR-10."""
    volume = cell(rows, "avg_log2_volume", dataset="CIFAR10", variant="original")
    lost = 3072 * math.log2(16 / 255) - volume
    return abs(lost - 84) <= 1, f"{lost:.1f} bits"


@claim("sens/claim-24", "sens/fig5", sens.inter_class)
def distance_grows_with_saturation(rows):
    """Inter-class distance increases strictly with the level of saturation."""
    found = column([r for r in rows if r["dataset"] == "CIFAR10"], "distance")
    return all(a < b for a, b in pairwise(found)), f"from {found[0]:.2f} to {found[-1]:.2f}"


@claim("sens/claim-25", "sens/fig5", sens.inter_class)
def binarized_is_farthest(rows):
    """Binarised MNIST has the greatest distance; from smoothing 2 on it falls."""
    rows = [r for r in rows if r["dataset"] == "MNIST" and r["kind"] != "square"]
    binarized = cell(rows, "distance", variant="binarized")
    others = column([r for r in rows if r["variant"] != "binarized"], "distance")
    smooth = column([r for r in rows if r["variant"].startswith("smooth")], "distance")
    falls = all(a > b for a, b in pairwise(smooth))
    text = f"{binarized:.2f} against {max(others):.2f} or less; smoothed {smooth[0]:.2f} to "
    return binarized > max(others) and falls, text + f"{smooth[-1]:.2f}"


@claim("sens/claim-26", ("sens/fig5", "sens/table2"), sens.figure5)
def nearer_and_more_robust(rows):
    """The original's classes are nearer than those of smooth 2, and it is more robust."""
    nearer = [cell(rows, "distance", variant=v) for v in ("original", "smooth 2")]
    robust = [cell(rows, "robust_acc", variant=v) for v in ("original", "smooth 2")]
    text = (
        f"distance {nearer[0]:.2f} and {nearer[1]:.2f}, robust {robust[0]:.1f} and {robust[1]:.1f}"
    )
    return nearer[0] < nearer[1] and robust[0] > robust[1], text
