"""Claims of Wu et al. on figure 2, its table in the appendix, and the two lemmas' norms."""

import numpy as np

from ...runs import idio
from .. import Incomplete, Unplanned, claim, draws

#: The versions of claim 16 and the networks they were made of.
BASES = {"AlexNet(M3P50)": "AlexNet", "ResNet(M1P25)": "ResNet18", "ResNet(M2P75)": "ResNet18"}
CITED = ("SqueezeNet", "VGG-11", "VGG-19", "ResNet-50")

#: What is compared under each reading of claim 20: smaller, larger, by what they are trained on.
READINGS = {
    "x_G against x_G + x_D with the penalty": ("x_G", "x_G + x_D, penalty"),
    "x_G with the penalty against x_G + x_D": ("x_G, penalty", "x_G + x_D"),
    "no penalty, as in the lemmas": ("x_G", "x_G + x_D"),
}


#: Two ways to one number from fifteen losses; the first is the paper's.
SCORES = {
    "RmCE, the mean of fifteen ratios": idio.corruptions.versions,
    "losses added up, then one ratio": idio.corruptions.pooled,
}


def fig2(name, readings=None):
    """A claim on figure 2: judged on printed coordinates, or on ours from CIFAR-10's images."""
    return claim(f"idio/claim-{name}", "idio/fig2-cifar", idio.corruptions.versions, readings)


def _places(rows, *needed):
    """{model: (accuracy, robustness)} of printed rows or of measured ones, and whose they are."""
    if "accuracy_coordinate" in rows[0]:
        whose, keys = "", ("accuracy_coordinate", "robustness_coordinate")
        places = {row["model"]: tuple(row[k] for k in keys) for row in rows}
        places = {name: at for name, at in places.items() if None not in at}
    else:
        whose = "two small networks on CIFAR-10: "
        places = idio.corruptions.points(rows)
        score = rows[0].get("score", "robustness")
        places = {name: (at["accuracy"], at[score]) for name, at in places.items()}
        if unplanned := [name for name in needed if name in CITED]:
            raise Unplanned(f"{', '.join(unplanned)}: cited by the paper, run by no study of ours")
    if missing := [name for name in needed if name not in places]:
        raise Incomplete(f"coordinates of {', '.join(missing)}")
    return places, whose


def _said(places, *names):
    """The coordinates of some models in words."""
    return ", ".join(f"{n} ({places[n][0]:+.3f}, {places[n][1]:+.3f})" for n in names)


@fig2("12", SCORES)
def no_model_is_better_on_both_axes(rows):
    """No model has a positive accuracy coordinate and a positive robustness coordinate."""
    needed = [row["model"] for row in rows]
    places, whose = _places(rows, *needed)
    both = [name for name, at in places.items() if min(at) > 0]
    return not both, f"{whose}{_said(places, *both) or 'none'}, of {len(places) - 1} models"


@fig2("13", SCORES)
def m1p30_is_nearly_free(rows):
    """AlexNet(M1P30) is more robust than AlexNet and loses at most 0.5 % of its accuracy."""
    places, whose = _places(rows, "AlexNet(M1P30)")
    accuracy, robustness = places["AlexNet(M1P30)"]
    return robustness > 0 and accuracy >= -0.005, whose + _said(places, "AlexNet(M1P30)")


@fig2("14")
def accurate_and_fragile(rows):
    """SqueezeNet, VGG-11 and VGG-19 are more accurate, and less robust by 0.15 at least."""
    names = CITED[:3]
    places, whose = _places(rows, *names)
    holds = all(places[n][0] > 0 and places[n][1] <= -0.15 for n in names)
    return holds, whose + _said(places, *names)


@fig2("15")
def resnet_50_is_preferred(rows):
    """ResNet-50 gains 0.3 in accuracy at least and loses at most 0.06 in robustness."""
    places, whose = _places(rows, "ResNet-50")
    accuracy, robustness = places["ResNet-50"]
    return accuracy >= 0.3 and -0.06 <= robustness < 0, whose + _said(places, "ResNet-50")


@fig2("16")
def perturbing_costs_accuracy(rows):
    """M3P50 and both perturbed ResNets are less accurate than the network they were made of."""
    places, whose = _places(rows, *BASES, *set(BASES.values()))
    lost = {name: places[name][0] - places[base][0] for name, base in BASES.items()}
    text = ", ".join(f"{name} {change:+.3f}" for name, change in lost.items())
    return max(lost.values()) < 0, f"{whose}accuracy coordinate against its base's: {text}"


def ranges(rows):
    """The middle 95 % of each model's coordinates over resampled images and seeds.

    Parameters
    ----------
    rows : list of dict
        As `runs.idio.corruptions.versions` gives them.

    Returns
    -------
    dict
        Model -> ``accuracy``, ``robustness`` and ``pooled``, each (low, high); draws in which a
        score is undefined are left out.
    """
    drawn = [idio.corruptions.points(draw) for draw in draws(rows)]
    return {
        name: {
            key: tuple(np.nanquantile([at[name][key] for at in drawn], (0.025, 0.975)))
            for key in ("accuracy", "robustness", "pooled")
        }
        for name in (drawn[0] if drawn else {})
    }


def compared(smaller, larger):
    """Rows with the ratio of two fits' norms, ``l1`` and ``l2``, one for each training set."""

    def ratios(row, norm):
        pairs = (row.get(f"{fit}: {norm}") or [] for fit in (smaller, larger))
        return [a / b for a, b in zip(*pairs, strict=True)]

    def rows(found):
        return [
            {key: row[key] for key in ("case", "loss")} | {n: ratios(row, n) for n in ("l1", "l2")}
            for row in idio.parts.norms(found)
        ]

    return rows


BY_READING = {name: compared(*fits) for name, fits in READINGS.items()}


@claim("idio/claim-20", "idio/lemmas", next(iter(BY_READING.values())), BY_READING)
def the_visible_part_needs_smaller_weights(rows):
    """Both norms are smaller, for both losses and however x_D lies to x_G and the target."""
    larger, parts = [], []
    for row in rows:
        if None in row.values():
            raise Incomplete("norms of the linear models")
        if max(row["l1"], row["l2"]) >= 1:
            larger.append(f"{row['case']} ({row['loss']})")
        if row["loss"] == "squared":
            parts.append(f"{row['case']} {row['l2']:.2f}")
    text = f"ratio of l2 norms, squared loss: {', '.join(parts)}"
    return not larger, f"{text}; not smaller for {', '.join(larger) or 'none'}"
