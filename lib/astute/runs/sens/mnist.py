"""Studies of `sens` on MNIST and Fashion-MNIST beyond table 2."""

import math
from dataclasses import dataclass, replace

import torch

from ... import (
    attacks,
    intervals,
    models,
    objectives,
    records,
    robustness,
    transforms,
)
from .. import Study, Training, trained
from . import variants

#: Where these studies are defined.
SCALES = ("smoke", "cpu")
#: Test images of an evaluation that no printed column needs more for.
IMAGES = 2000
#: Table 7's MNIST rows.
BOXED = ("binarized", "original", "smooth 2", "smooth 3", "smooth 4", "smooth 5")
#: Table 1: the smoothed variant, and the factors that bring the others to its distance.
TARGETS = ((3, 0.970, 0.821), (4, 0.955, 0.809), (5, 0.932, 0.790))
#: Table 4's rows and columns at scale cpu.
WIDTHS = (0.125, 0.25, 0.5)
WIDENED = ("binarized", "original", "smooth 5")
#: Training images of figure 4's other half at scale cpu.
SIZES = (1000, 3000, 9000)
KM = variants.EVALUATION


def networks(scale):
    """Table 2's trainings of the first seed, by variant and objective."""
    return {
        (run.trained.variant.label, type(run.trained.objective).__name__): run.trained
        for run in variants.STUDIES[0].at(scale)
        if run.trained.seed == 0
    }


def evaluation(scale):
    """The attack of table 2 at a scale, and how many test images are attacked here."""
    attack = variants.STUDIES[0].at(scale)[0].attack
    return attack, 100 if scale == "smoke" else IMAGES


def pgd_trained(nets):
    """The PGD trainings among table 2's, by variant."""
    return {label: net for (label, kind), net in nets.items() if kind == "Adversarial"}


def _table7(scale):
    """Table 2's networks, attacked in the whole ball: pixels may leave [0, 1]."""
    if scale not in SCALES:
        return ()
    attack, size = evaluation(scale)
    return tuple(
        variants.Robustness(trained=net, attack=replace(attack, box=False), test_size=size)
        for label, net in pgd_trained(networks(scale)).items()
        if label in BOXED
    )


def measured(record, key, count=None):
    """A measured cell over seeds, here one or none: the first ``count`` images of it."""
    if records.result(record) is None:
        return []
    found = record["result"][key]
    return [found if count is None else intervals.first(found, min(count, found["n"]))]


def table7(found):
    """Runs and records of `sens/table7`, and of `sens/table2` where given, as table 7's rows.

    With the box on the same images as without, so that the difference is one of images.
    """
    boxed = {
        run.trained: record
        for run, record in found
        if isinstance(run, variants.Robustness) and run.attack.box
    }
    return [
        {
            "dataset": {"mnist": "MNIST"}.get(run.trained.data, run.trained.data),
            "variant": run.trained.variant.label,
            "robust_acc_with_bound": measured(
                boxed.get(run.trained), "robust_accuracy", run.test_size
            ),
            "robust_acc_without_bound": measured(record, "robust_accuracy"),
        }
        for run, record in found
        if not run.attack.box
    ]


def scaled_networks(scale):
    """PGD networks of scaled variants; the first target before the others."""
    if scale not in SCALES:
        return ()
    base, (attack, size) = networks(scale)["original", "Adversarial"], evaluation(scale)
    return tuple(
        variants.Robustness(trained=replace(base, variant=variant), attack=attack, test_size=size)
        for _, original, binarized in TARGETS[: 1 if scale == "smoke" else None]
        for variant in (
            transforms.Scale(factor=original),
            transforms.Chain(parts=(transforms.Binarize(), transforms.Scale(factor=binarized))),
        )
    )


def table1(found):
    """Runs of `sens/table1`, and where given of `sens/table2` and `sens/fig5`, as table 1's rows.

    The factors are ratios of measured distances; networks were trained at the printed ones. The
    smoothed variant's robust accuracy is that on the first as many images as were attacked here.
    """
    nets = {
        run.trained.variant.label: record
        for run, record in found
        if isinstance(run, variants.Robustness)
        and isinstance(run.trained.objective, objectives.Adversarial)
        and run.trained.seed == 0
    }
    size = min([run.test_size for run, _ in found if getattr(run, "test_size", None)] or [IMAGES])
    far = {
        run.variant.label: record["result"]["distance"]
        for run, record in found
        if isinstance(run, variants.InterClass)
        and run.data == "mnist"
        and getattr(run.variant, "kind", "column") == "column"
        and record
    }
    rows = []
    for level, original, binarized in TARGETS:
        names = f"smooth {level}", f"scale {original:g}", f"binarized, scale {binarized:g}"
        kinds = "smoothed", "scaled_original", "scaled_binarized"
        rows.append(
            {
                "inter_class_distance": [far[names[0]]] if names[0] in far else [],
                "smooth_level": level,
            }
            | {
                f"scale_{base}": [far[names[0]] / far[base]] if {names[0], base} <= set(far) else []
                for base in ("original", "binarized")
            }
            | {
                f"robust_acc_{kind}": measured(nets.get(name), "robust_accuracy", size)
                for kind, name in zip(kinds, names, strict=True)
            }
        )
    return rows


@dataclass(frozen=True, kw_only=True)
class TrainTest:
    """Accuracies on the first images trained on and on the first test images.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD or None
        None: unattacked accuracy alone.
    images : int
        Of each split.
    """

    trained: Training
    attack: attacks.PGD | None
    images: int

    def measure(self, context):
        model, history = trained(self.trained, context)
        found = {"training": history}
        for name in ("train", "test"):
            x, y = (part[: self.images] for part in self.trained.split(name, context))
            if self.attack is None:
                right = (robustness.predict(model, x) == y).cpu()
                found[name] = {"clean_accuracy": intervals.proportion(right)}
            else:
                found[name] = robustness.accuracies(model, x, y, self.attack)
        return found


def _table4(scale):
    """LeNets of several widths; the widest, which costs most, last."""
    widths = {"smoke": (0.0625, 0.125), "cpu": (0.25, 0.125, 0.5)}.get(scale, ())
    if not widths:
        return ()
    nets, (attack, size) = networks(scale), evaluation(scale)
    labels = {label for label, _ in nets} & set(WIDENED)
    return tuple(
        TrainTest(
            trained=replace(net, model=models.LeNet(width=width)),
            attack=None if kind == "Natural" else attack,
            images=size,
        )
        for width in widths
        for (label, kind), net in nets.items()
        if label in labels
    )


#: Table 4's blocks: training, metric, and the measured key.
BLOCKS = (
    ("standard", "accuracy", "Natural", "clean_accuracy"),
    ("pgd", "accuracy", "Adversarial", "clean_accuracy"),
    ("pgd", "robust_accuracy", "Adversarial", "robust_accuracy"),
)


def _train_test(record, split, key):
    """A measured cell of `TrainTest`."""
    return [record["result"][split][key]] if records.result(record) else []


def table4(found):
    """Runs and records of `sens/table4` as rows of the paper's table."""
    cells = {
        (
            run.trained.variant.label,
            type(run.trained.objective).__name__,
            run.trained.model.width,
        ): record
        for run, record in found
    }
    labels = list(dict.fromkeys(run.trained.variant.label for run, _ in found))
    widths = sorted({run.trained.model.width for run, _ in found})
    return [
        {"training": training, "metric": metric, "variant": variant}
        | {
            f"{split}_w{width:g}": _train_test(cells.get((variant, kind, width)), split, key)
            for split in ("train", "test")
            for width in widths
        }
        for training, metric, kind, key in BLOCKS
        for variant in labels
    ]


@dataclass(frozen=True, kw_only=True)
class BalancedTraining(Training):
    """A training on as many images of every class: of each the first ones, so that sizes nest."""

    def split(self, name, context, limit=None):
        if name != "train":
            return super().split(name, context, limit)
        part = context.load(self.data, "train")
        classes = len(part.classes)
        if self.train_size is None or self.train_size % classes:
            raise ValueError(
                f"train_size is a multiple of the {classes} classes; got {self.train_size}"
            )
        each = [(part.y == k).nonzero()[: self.train_size // classes, 0] for k in range(classes)]
        if min(map(len, each)) < self.train_size // classes:
            raise ValueError(
                f"{self.data} has a class of {min(map(len, each))} images; "
                f"{self.train_size // classes} were asked for"
            )
        # One class after the other would leave the first images of a class alone at the front.
        chosen = torch.stack(each, 1).flatten()
        return self.variant(part.x[chosen]), part.y[chosen]


def resized(net, size, whole=None):
    """A training on ``size`` images of balanced classes, as figure 4's other half has it.

    As many steps as before, the ramp as long in steps, and weight decay .002 (section 5.3).

    Parameters
    ----------
    net : Training
    size : int
    whole : int, optional
        Images that ``net`` is trained on, where its ``train_size`` does not say.
    """
    old, steps = net.recipe, net.recipe.length(net.train_size or whole)[1]
    batches = math.ceil(size / old.batch_size)
    recipe = replace(
        old,
        epochs=math.ceil(steps / batches),
        steps=steps,
        ramp_epochs=round(old.ramp_epochs * steps / old.epochs / batches),
        weight_decay=0.002,
    )
    return BalancedTraining(**vars(net) | {"recipe": recipe, "train_size": size})


def _figure4(scale):
    """Sample size: steps unchanged, weight decay .002 (section 5.3), nested balanced subsets."""
    sizes = {"smoke": (100, 500), "cpu": SIZES}.get(scale, ())
    if not sizes:
        return ()
    nets, (attack, images) = networks(scale), evaluation(scale)
    runs = []
    for size in sizes:
        for (label, kind), net in nets.items():
            if label not in ("binarized", "original"):
                continue
            runs.append(
                TrainTest(
                    trained=resized(net, size),
                    attack=None if kind == "Natural" else attack,
                    images=images,
                )
            )
    return tuple(runs)


def samples(found):
    """Runs and records of `sens/fig4` as rows, one training a row."""
    return [
        {
            "training": "standard" if run.attack is None else "pgd",
            "variant": run.trained.variant.label,
            "size": run.trained.train_size,
        }
        | {
            f"{split}_{name}": _train_test(record, split, key)
            for split in ("train", "test")
            for name, key in (("acc", "clean_accuracy"), ("robust", "robust_accuracy"))
            if key == "clean_accuracy" or run.attack is not None
        }
        for run, record in found
    ]


def _figure3b(scale):
    """Fashion-MNIST and its edges (Canny, sigma 1), trained and tested as MNIST is."""
    if scale not in SCALES:
        return ()
    nets, (attack, size) = networks(scale), evaluation(scale)
    return tuple(
        variants.Robustness(
            trained=replace(
                nets["original", kind],
                data="digits" if scale == "smoke" else "fmnist",
                variant=variant,
            ),
            attack=attack,
            test_size=size,
        )
        for variant in (transforms.Original(), transforms.Edges())
        for kind in ("Natural", "Adversarial")
    )


STUDIES = (
    Study(
        id="sens/table7",
        title="MNIST variants attacked with and without the box",
        runs=_table7,
        minutes={"smoke": 0.02, "cpu": 0.2},
        table="sens_table7",
        rows=table7,
    ),
    Study(
        id="sens/table1",
        title="Scaled MNIST at the distance of a smoothed variant",
        runs=scaled_networks,
        minutes={"smoke": 0.1, "cpu": 3},
        table="sens_table1",
        rows=table1,
    ),
    Study(
        id="sens/fig3b",
        title="Fashion-MNIST and its edges",
        runs=_figure3b,
        minutes={"smoke": 0.1, "cpu": 1.8},
    ),
    Study(
        id="sens/table4",
        title="Width of the network, on training and test images",
        runs=_table4,
        minutes={"smoke": 0.1, "cpu": 2},
        table="sens_table4",
        rows=table4,
    ),
    Study(
        id="sens/fig4",
        title="Number of training images, binarised and original MNIST",
        runs=_figure4,
        minutes={"smoke": 0.1, "cpu": 1.7},
    ),
)
