"""Wider networks and more images on colour variants: CIFAR-10's half of figure 4 (section 5.3)."""

import math
from dataclasses import replace

from .. import Study
from . import cifar, mnist

#: Widen factors, the one table 3 has first; at "smoke" of a LeNet, at "gpu" of a WideResNet-16.
WIDTHS = {"smoke": (0.125, 0.0625), "cpu": (1, 0.25, 2), "gpu": (2, 0.25, 1, 4)}
#: Levels of saturation in table 5: the original, and all that the time allows for.
LEVELS = {"gpu": cifar.TABLE7} | dict.fromkeys(("smoke", "cpu"), (2, math.inf))
#: Training images in figure 4's other half; the least and the most first.
SIZES = {"smoke": (100, 500), "cpu": (2500, 10_000, 5000), "gpu": (9000, 27_000, 50_000)}
#: Images of either split that are attacked.
IMAGES = {"smoke": 100, "cpu": 1000, "gpu": 10_000}


def _network(scale, level, adversarial):
    """Table 3's training at a level, and the attack it is measured under; None for none."""
    standard, hardened, attack = cifar.trainings(scale)
    base = hardened if adversarial else standard
    variant = cifar.saturated(level)
    return replace(base, variant=variant), attack if adversarial else None


def _table5(scale):
    """Table 3's networks, narrowed and widened; the widest, which cost most, last."""
    runs = []
    for width in WIDTHS.get(scale, ()):
        for adversarial in (True, False):
            for level in LEVELS[scale]:
                net, attack = _network(scale, level, adversarial)
                net = replace(net, model=replace(net.model, width=width))
                runs.append(mnist.TrainTest(trained=net, attack=attack, images=IMAGES[scale]))
    return tuple(runs)


def _figure4(scale):
    """Sample sizes as on MNIST; but for a GPU PGD training alone, which the claims are about."""
    return tuple(
        mnist.TrainTest(
            trained=mnist.resized(net, size, whole=50_000),
            attack=attack,
            images=IMAGES[scale],
        )
        for adversarial in ((False, True) if scale == "gpu" else (True,))
        for size in SIZES.get(scale, ())
        for net, attack in (_network(scale, level, adversarial) for level in (2, math.inf))
    )


def table5(found):
    """Runs and records of `sens/table5` as rows of the paper's table, for the levels planned."""
    return mnist.table4(found)


def every_level(found):
    """`table5` with a row for each level that the paper prints, empty where none is planned.

    Returns
    -------
    list of dict
        Columns as far as planned of `papers/tables/sens_table5.csv`.
    """
    keys = ("training", "metric", "variant")
    rows = {tuple(map(row.get, keys)): row for row in table5(found)}
    labels = [cifar.saturated(level).label for level in cifar.TABLE3]
    return [
        rows.get((training, metric, label), dict(zip(keys, (training, metric, label), strict=True)))
        for training, metric, *_ in mnist.BLOCKS
        for label in labels
    ]


def samples(found):
    """Runs and records of `sens/fig4-cifar` as rows, one training a row, few images first."""
    return sorted(mnist.samples(found), key=lambda row: row["size"])


STUDIES = (
    Study(
        id="sens/table5",
        title="Width of the network on CIFAR-10, on training and test images",
        runs=_table5,
        minutes={"smoke": 0.05, "cpu": 1.3, "gpu": 3},
        table="sens_table5",
        rows=table5,
    ),
    Study(
        id="sens/fig4-cifar",
        title="Number of training images, original and saturated CIFAR-10",
        runs=_figure4,
        minutes={"smoke": 0.05, "cpu": 2.2, "gpu": 2.5},
    ),
)
