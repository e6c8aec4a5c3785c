"""Table 2 of `sens`, perturbable volume and distance of classes, by variant."""

import math
from dataclasses import dataclass, replace

import torch

from ... import (
    attacks,
    interclass,
    models,
    objectives,
    records,
    robustness,
    training,
    transforms,
    volume,
)
from .. import Study, Training, trained

#: Levels of saturation in tables 3 and 6; 2 leaves the images as they are.
LEVELS = (1, 1.5, 1.75, 2, 2.25, 2.5, 3, 4, 8, 16, 64, 128, 256, 512, math.inf)
SIZES = range(2, 9)
#: Table 2's rows, in its order.
MNIST_VARIANTS = (
    transforms.Binarize(),
    transforms.Original(),
    *(transforms.Smooth(size=size) for size in SIZES),
)
#: Madry et al.'s MNIST evaluation, section 3.2 (K-M): last iterate, one random start.
EVALUATION = attacks.PGD(norm="linf", eps=0.3, step_size=0.01, steps=40, keep="last")
#: To confirm table 2 by: another loss, more steps, more starts, the worst of all.
STRONGER = attacks.PGD(
    norm="linf", eps=0.3, step_size=0.01, steps=100, restarts=5, loss="margin", keep="worst"
)
#: Table 2's columns for PGD training, and where a record holds them.
PGD_COLUMNS = (
    ("pgd_test_acc", "clean_accuracy"),
    ("robust_acc", "robust_accuracy"),
    ("robustness_wrt_predictions", "robustness_wrt_predictions"),
)


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Train on a variant, then test on the same variant, clean and attacked.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD
        The evaluation; training has its own in ``trained.objective``.
    test_size : int or None
        The first so many test images; None for all.
    """

    trained: Training
    attack: attacks.PGD
    test_size: int | None = None

    def measure(self, context):
        model, history = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.test_size)
        return robustness.accuracies(model, x, y, self.attack) | {"training": history}


def _table2(scale):
    """PROTOCOLS: A-LENET, standard and PGD training of the nine variants, tested by K-M."""
    if scale == "smoke":
        setting = Training(
            data="digits",
            variant=transforms.Original(),
            model=models.LeNet(width=0.125),
            objective=objectives.Natural(),
            recipe=training.Recipe(lr=3e-3, epochs=6, batch_size=50),
            train_size=1000,
        )
        # The digits, enlarged from 8 x 8, are blurred: at 0.3 so small a net learns nothing.
        inner = replace(EVALUATION, eps=0.15, step_size=0.075, steps=3)
        evaluation, variants, seeds = replace(inner, step_size=0.0375, steps=10), (0, 1, 3), (0,)
        size, ramp = 200, 2
    elif scale == "cpu":
        setting = Training(
            data="mnist",
            variant=transforms.Original(),
            model=models.LeNet(width=0.25),
            objective=objectives.Natural(),
            recipe=training.Recipe(lr=1e-3, epochs=10, batch_size=100),
            train_size=10_000,
        )
        inner = replace(EVALUATION, step_size=0.075, steps=10)
        evaluation, variants, seeds = EVALUATION, range(9), (0, 1, 2)
        size, ramp = None, 3
    else:
        return ()
    adversarial = replace(
        setting,
        objective=objectives.Adversarial(attack=inner),
        recipe=replace(setting.recipe, ramp_epochs=ramp),
    )
    return tuple(
        Robustness(
            trained=replace(base, variant=MNIST_VARIANTS[i], seed=seed),
            attack=evaluation,
            test_size=size,
        )
        for seed in seeds
        for i in variants
        for base in (setting, adversarial)
    )


def _stronger(scale):
    """Three rows of table 2 under a stronger attack, on its first 1,000 test images."""
    return tuple(
        replace(run, attack=STRONGER, test_size=1000)
        for run in _table2(scale)
        if scale == "cpu"
        and run.trained.seed == 0
        and run.trained.variant.label in ("binarized", "original", "smooth 8")
        and isinstance(run.trained.objective, objectives.Adversarial)
    )


def table2(found):
    """Runs and records of `sens/table2` as rows of the paper's table.

    Returns
    -------
    list of dict
        Columns of `papers/tables/sens_table2.csv`; a number is a list of proportions over seeds.
    """
    rows = {}
    for run, record in found:
        setting = run.trained
        row = rows.setdefault(
            setting.variant.label,
            {"variant": setting.variant.label}
            | {c: [] for c in ("std_test_acc", *(name for name, _ in PGD_COLUMNS))},
        )
        if records.result(record) is None:
            continue
        if isinstance(setting.objective, objectives.Natural):
            row["std_test_acc"].append(record["result"]["clean_accuracy"])
        else:
            for column, key in PGD_COLUMNS:
                row[column].append(record["result"][key])
    return list(rows.values())


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Mean log2 perturbable volume of the test images of a variant.

    Attributes
    ----------
    data : str
    variant : value of `transforms`
    eps : float
    """

    data: str
    variant: object
    eps: float

    def measure(self, context):
        x = self.variant(context.load(self.data, "test").x)
        bits = volume.log2_volume(x, self.eps)
        pixels = x[0].numel()
        return {"mean_log2_volume": bits.mean().item(), "pixels": pixels, "images": len(x)}


@dataclass(frozen=True, kw_only=True)
class PairDistances:
    """linf distances of random pairs of test images of different classes.

    Attributes
    ----------
    data : str
    pairs : int
        Pairs drawn, before those of one class are left out.
    seed : int
    """

    data: str
    pairs: int = 20_000
    seed: int = 0

    def measure(self, context):
        test = context.load(self.data, "test")
        generator = torch.Generator().manual_seed(self.seed)
        i, j = torch.randint(len(test.x), (2, self.pairs), generator=generator).to(test.y.device)
        i, j = i[test.y[i] != test.y[j]], j[test.y[i] != test.y[j]]
        gaps = [
            (a - b).abs().flatten(1).amax(1)
            for a, b in zip(test.x[i].split(500), test.x[j].split(500), strict=True)
        ]
        gaps = torch.cat(gaps).double()
        marks = torch.tensor([0, 0.01, 0.1, 0.5, 0.9, 1], dtype=torch.float64)
        return {
            "pairs": len(gaps),
            "quantiles": dict(
                zip(map(str, marks.tolist()), gaps.cpu().quantile(marks).tolist(), strict=True)
            ),
        }


def _pair_distances(scale):
    names = {"smoke": ("digits",), "cpu": ("mnist", "cifar10")}.get(scale, ())
    return tuple(PairDistances(data=name) for name in names)


def _variants(scale):
    """(data set, radius, variants) of tables 2 and 3, with both readings of smoothing."""
    mnist = (
        transforms.Binarize(),
        transforms.Original(),
        *(transforms.Smooth(size=s, kind=kind) for kind in ("column", "square") for s in SIZES),
    )
    saturated = tuple(transforms.Saturate(level=p) for p in LEVELS)
    if scale == "smoke":
        return (("digits", 0.3, mnist),)
    return (("mnist", 0.3, mnist), ("cifar10", 8 / 255, saturated)) if scale == "cpu" else ()


def _table6(scale):
    """Table 6, exact at any scale; both readings of smoothing."""
    return tuple(
        Volume(data=data, variant=v, eps=eps)
        for data, eps, variants in _variants(scale)
        for v in variants
    )


@dataclass(frozen=True, kw_only=True)
class InterClass:
    """Inter-class distance of the test images of a variant (appendix D.2).

    Attributes
    ----------
    data : str
    variant : value of `transforms`
    """

    data: str
    variant: object

    def measure(self, context):
        test = context.load(self.data, "test")
        distance = interclass.interclass_distance(self.variant(test.x), test.y)
        return {"distance": float(distance), "images": len(test.x)}


def _inter_class(scale):
    """Figure 5's horizontal axis, exact at any scale."""
    return tuple(
        InterClass(data=data, variant=v) for data, _, variants in _variants(scale) for v in variants
    )


def inter_class(found):
    """Runs and records of `sens/fig5` as rows, one reading a row."""
    return [
        {
            "dataset": {"mnist": "MNIST", "cifar10": "CIFAR10"}.get(run.data, run.data),
            "variant": run.variant.label,
            "kind": getattr(run.variant, "kind", ""),
            "distance": [record["result"]["distance"]] if record else [],
        }
        for run, record in found
        if isinstance(run, InterClass)
    ]


def figure5(found):
    """Inter-class distances beside the robust accuracies of `sens/table2`."""
    trained = [one for one in found if isinstance(one[0], Robustness)]
    robust = {
        ({"mnist": "MNIST", "cifar10": "CIFAR10"}.get(data, data), row["variant"]): row
        for data in {run.trained.data for run, _ in trained}
        for row in table2([one for one in trained if one[0].trained.data == data])
    }
    return [
        row | {"robust_acc": robust.get((row["dataset"], row["variant"]), {}).get("robust_acc", [])}
        for row in inter_class(found)
        if row["kind"] != "square"
    ]


def table6(found):
    """Runs and records of `sens/table6` as rows of the paper's table, one reading a row."""
    return [
        {
            "dataset": {"mnist": "MNIST", "cifar10": "CIFAR10"}.get(run.data, run.data),
            "variant": run.variant.label,
            "kind": getattr(run.variant, "kind", ""),
            "avg_log2_volume": [record["result"]["mean_log2_volume"]] if record else [],
        }
        for run, record in found
    ]


STUDIES = (
    Study(
        id="sens/table2",
        title="MNIST variants: standard and PGD training",
        runs=_table2,
        minutes={"smoke": 0.1, "cpu": 3},
        table="sens_table2",
        rows=table2,
    ),
    Study(
        id="sens/table2-stronger",
        title="Three rows of table 2 under a stronger attack",
        runs=_stronger,
        minutes={"cpu": 4},
    ),
    Study(
        id="sens/table6",
        title="Perturbable volume, and which smoothing the paper used",
        runs=_table6,
        minutes={"smoke": 0.01, "cpu": 0.1},
        table="sens_table6",
        rows=table6,
    ),
    Study(
        id="sens/fig5",
        title="Inter-class distance of every variant",
        runs=_inter_class,
        minutes={"smoke": 0.01, "cpu": 0.3},
    ),
    Study(
        id="sens/pair-distances",
        title="How far random pairs of images are apart in linf",
        runs=_pair_distances,
        minutes={"smoke": 0.01, "cpu": 0.2},
    ),
)
