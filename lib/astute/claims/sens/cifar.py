"""Claims of Ding et al. on colour images, and those that span both data sets."""

import math
from itertools import pairwise

from scipy.stats import pearsonr, spearmanr

from ...runs import sens
from .. import Incomplete, Unplanned, cell, claim, column
from .variants import arrows, by_size, spread

#: Where the register names levels that a scale leaves out, a claim waits for them; or is judged
#: on those there are.
READINGS = {"all levels": sens.cifar.table3, "levels measured": sens.cifar.measured}


def table3(name, readings=None):
    """A claim on table 3: levels of saturation of CIFAR-10."""
    return claim(f"sens/claim-{name}", "sens/table3", sens.cifar.table3, readings)


def _level(row):
    """Saturation level of a row: 2 is the original."""
    name = row["variant"]
    return 2.0 if name == "original" else float(name.removeprefix("saturate "))


def _between(rows, low, high=math.inf):
    return [row for row in rows if low <= _level(row) <= high]


@table3("08", READINGS)
def standard_accuracy_survives_saturation(rows):
    """Standard accuracy from level 2 to 16 is at least the original's less 2.5."""
    original = cell(rows, "std_test_acc", variant="original")
    least = min(column(_between(rows, 2, 16), "std_test_acc"))
    return least >= original - 2.5, f"{least:.1f} or more against {original:.1f}"


@table3("09")
def saturation_makes_robust(rows):
    """From the original to level 16 robust accuracy rises by 30, clean falls by 6 at most."""
    change = {
        key: cell(rows, key, variant="saturate 16") - cell(rows, key, variant="original")
        for key in ("robust_acc", "pgd_test_acc")
    }
    text = f"robust {change['robust_acc']:+.1f}, clean {change['pgd_test_acc']:+.1f}"
    return change["robust_acc"] >= 30 and change["pgd_test_acc"] >= -6, text


@table3("10", READINGS)
def nothing_is_lost_to_the_attack(rows):
    """From level 16 on the attack costs at most 1."""
    rows = _between(rows, 16)
    clean, robust = column(rows, "pgd_test_acc"), column(rows, "robust_acc")
    most = max(a - b for a, b in zip(clean, robust, strict=True))
    return most <= 1, f"at most {most:.2f}"


@table3("11", READINGS)
def predictions_become_stable(rows):
    """Robustness wrt predictions never falls from one level to the next."""
    found = column(rows, "robustness_wrt_predictions")
    least = min(b - a for a, b in pairwise(found))
    return least >= 0, f"{len(found)} levels, least step {least:+.1f}"


@table3("12")
def binary_images_lack_accuracy_not_robustness(rows):
    """At level inf predictions are stable to 98, and 15 above the robust accuracy."""
    wrt = cell(rows, "robustness_wrt_predictions", variant="saturate inf")
    gap = wrt - cell(rows, "robust_acc", variant="saturate inf")
    return wrt >= 98 and gap >= 15, f"{wrt:.1f}, {gap:.1f} above robust accuracy"


@table3("13", READINGS)
def less_contrast_is_less_robust(rows):
    """Robust accuracy rises at every step from level 1 to the original."""
    found = column(_between(rows, 1, 2), "robust_acc")
    return all(a < b for a, b in pairwise(found)), ", ".join(f"{v:.1f}" for v in found)


@table3("14")
def information_is_lost_at_the_end(rows):
    """Standard accuracy falls by at least 5 from level 64 to inf."""
    fall = cell(rows, "std_test_acc", variant="saturate 64")
    fall -= cell(rows, "std_test_acc", variant="saturate inf")
    return fall >= 5, f"falls by {fall:.1f}"


@table3("15", READINGS)
def robust_accuracy_follows_the_level(rows):
    """Spearman correlation of level and robust accuracy is at least 0.9."""
    rho = spearmanr(list(map(_level, rows)), column(rows, "robust_acc")).statistic
    return rho >= 0.9, f"ρ = {rho:.2f} over {len(rows)} levels"


@table3("16", READINGS)
def standard_training_ignores_low_contrast(rows):
    """Below level 2 standard accuracy is within 1.5 of the original's."""
    original = cell(rows, "std_test_acc", variant="original")
    change = [v - original for v in column(_between(rows, 0, 1.99), "std_test_acc")]
    most = max(change, key=abs)
    return abs(most) <= 1.5, f"changes by {most:+.1f} at most"


def gammas_measured(found):
    """Rows of figure 3a that have their numbers: with fewer values ranges can only be smaller."""
    kept = ("std_test_acc", "pgd_test_acc", "robust_acc")
    return [row for row in sens.cifar.figure3a(found) if all(row[key] for key in kept)]


GAMMAS = {"all values": sens.cifar.figure3a, "values measured": gammas_measured}


@claim("sens/claim-17", ("sens/fig3a", "sens/table3"), sens.cifar.figure3a, GAMMAS)
def gamma_moves_robust_accuracy(rows):
    """Over gamma standard accuracy ranges over 2 at most, robust over 5, clean PGD over 3."""
    standard, robust, clean = (
        spread(column(rows, key)) for key in ("std_test_acc", "robust_acc", "pgd_test_acc")
    )
    text = f"ranges over {len(rows)} values: standard {standard:.1f}, robust {robust:.1f}, "
    text += f"PGD clean {clean:.1f}"
    return standard <= 2 and robust >= 5 and clean >= 3, text


def robust(found):
    """Robust accuracies of both data sets' variants, as far as they are planned at that scale.

    Parameters
    ----------
    found : list of (run, record or None)
        Of `sens/table2` and `sens/table3`; other runs play no part.

    Returns
    -------
    list of dict
        ``dataset``, ``variant``, ``robust_acc``.
    """
    tested = [one for one in found if isinstance(one[0], sens.Robustness)]
    grey, colour = (
        [one for one in tested if (one[0].trained.data == "cifar10") == coloured]
        for coloured in (False, True)
    )
    tables = {"MNIST": sens.table2(grey), "CIFAR10": sens.cifar.measured(colour)}
    return [
        {"dataset": name, "variant": row["variant"], "robust_acc": row["robust_acc"]}
        for name, rows in tables.items()
        for row in rows
    ]


def distance_and_robustness(found):
    """`robust` with every variant's ``distance`` from `sens/fig5`, smoothing by columns."""
    distance = {
        (row["dataset"], row["variant"]): row["distance"]
        for row in sens.inter_class(found)
        if row["kind"] != "square"
    }
    rows = robust(found)
    return [row | {"distance": distance.get((row["dataset"], row["variant"]))} for row in rows]


@claim("sens/claim-27", ("sens/fig5", "sens/table2", "sens/table3"), distance_and_robustness)
def distance_predicts_robustness(rows):
    """Correlation of distance and robust accuracy is at least 0.8 within either data set."""
    found = {}
    for dataset in ("MNIST", "CIFAR10"):
        part = [row for row in rows if row["dataset"] == dataset]
        if len(part) < 3:
            raise Incomplete(f"robust accuracy of {dataset} variants")
        found[dataset] = pearsonr(column(part, "distance"), column(part, "robust_acc")).statistic
    text = ", ".join(f"{name} r = {r:.2f}" for name, r in found.items())
    return min(found.values()) >= 0.8, text


@claim("sens/claim-42", ("sens/table2", "sens/table3"), robust)
def mnist_is_easier_to_defend(rows):
    """Robust accuracy of original MNIST exceeds that of original CIFAR-10 by at least 40."""
    grey, colour = (
        cell(rows, "robust_acc", variant="original", dataset=dataset)
        for dataset in ("MNIST", "CIFAR10")
    )
    return grey - colour >= 40, f"{grey:.1f} against {colour:.1f}"


def widths_measured(found):
    """Table 5's rows of the levels planned, to be judged at the widest network there is."""
    return [row | {"widest": "measured"} for row in sens.capacity.table5(found)]


#: The register's predicates are about every level of table 5, and width 4 against 1.
CAPACITY = {
    "all levels, width 4 against 1": sens.capacity.every_level,
    "levels measured, the widest against 1": widths_measured,
}


def _gains(rows, split):
    """The widest's name, and {variant: robust accuracy of PGD training there minus at width 1}."""
    rows = [row for row in rows if (row["training"], row["metric"]) == ("pgd", "robust_accuracy")]
    if not rows:
        raise Incomplete("robust accuracy of PGD training at several widths")
    widest = "4"
    if rows[0].get("widest") == "measured":
        widest = max((c.split("_w")[1] for c in rows[0] if c.startswith("test_w")), key=float)
    names = f"{split}_w{widest}", f"{split}_w1"
    if lacking := [row["variant"] for row in rows if not set(names) <= set(row)]:
        raise Unplanned(
            f"width {widest} or 1 of {len(lacking)} of {len(rows)} levels: not at this scale"
        )
    gains = {}
    for variant in (row["variant"] for row in rows):
        wide, one = (cell(rows, name, variant=variant) for name in names)
        gains[variant] = wide - one
    return widest, gains


@claim("sens/claim-33", "sens/table5", sens.capacity.every_level, CAPACITY)
def width_fits_the_training_images(rows):
    """Robust accuracy on training images grows by at least 3 from width 1 to 4, everywhere."""
    widest, gains = _gains(rows, "train")
    least = min(gains, key=gains.get)
    text = f"{len(gains)} levels, width 1 to {widest}: {gains[least]:+.1f} ({least}) or more"
    return gains[least] >= 3 - 1e-9, text


@claim("sens/claim-34", "sens/table5", sens.capacity.every_level, CAPACITY)
def width_does_not_help_new_images(rows):
    """On test images it grows by at most 4, and falls for levels up to 3."""
    widest, gains = _gains(rows, "test")
    low = max(gains[name] for name in gains if _level({"variant": name}) <= 3)
    most = max(gains.values())
    text = f"{len(gains)} levels, width 1 to {widest}: at most {most:+.1f}; "
    return most <= 4 + 1e-9 and low < 0, text + f"for levels up to 3 at most {low:+.1f}"


def sizes_measured(found):
    """Figure 4's rows on CIFAR-10, whatever the greatest sizes are."""
    return [row | {"sizes": "some"} for row in sens.capacity.samples(found)]


@claim(
    "sens/claim-37",
    "sens/fig4-cifar",
    sens.capacity.samples,
    readings={"up to all 50,000": sens.capacity.samples, "sizes measured": sizes_measured},
)
def colour_wants_more_images(rows):
    """Robust accuracy falls on training images; on test images the last step still adds 2."""
    sizes = sorted({row["size"] for row in rows})
    if sizes[-2:] != [27_000, 50_000] and not (rows and rows[0].get("sizes") == "some"):
        raise Unplanned("27,000 and 50,000 images: not at this scale")
    holds, texts = True, []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        train, test = (by_size(rows, "pgd", variant, f"{s}_robust") for s in ("train", "test"))
        holds &= all(a > b for a, b in pairwise(train)) and test[-1] - test[-2] >= 2 - 1e-9
        texts.append(f"{variant}: {arrows(train)} trained on, {arrows(test)} test")
    return holds, "; ".join(texts)
