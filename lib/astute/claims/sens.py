"""Claims of "On the Sensitivity of Adversarial Robustness to Input Data Distributions"."""

from scipy.stats import spearmanr

from ..runs import sens
from . import cell, claim, column


def table2(name):
    """A claim on table 2: the nine MNIST variants."""
    return claim(f"sens/claim-{name}", "sens/table2", sens.table2)


def _spread(values):
    return max(values) - min(values)


@table2("01")
def standard_accuracy_is_stable(rows):
    """The range of standard test accuracy over the nine variants is at most 1."""
    spread = _spread(column(rows, "std_test_acc"))
    return spread <= 1, f"range {spread:.2f}"


@table2("02")
def clean_accuracy_of_pgd_is_stable(rows):
    """The range of PGD-trained clean accuracy is at most 1.5."""
    spread = _spread(column(rows, "pgd_test_acc"))
    return spread <= 1.5, f"range {spread:.2f}"


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
    robust, standard = _spread(column(rows, "robust_acc")), _spread(column(rows, "std_test_acc"))
    return robust > 5 * standard, f"{robust:.1f} against {standard:.2f}"
