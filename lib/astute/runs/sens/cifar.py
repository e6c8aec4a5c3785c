"""Studies of Ding et al. on colour images (saturation, gamma), and the pixels of every variant."""

import base64
import math
from dataclasses import dataclass, replace

import torch

from ... import attacks, data, models, objectives, records, robustness, training, transforms
from ...intervals import proportion
from .. import Study, Training, trained
from .variants import LEVELS, PGD_COLUMNS, Robustness

#: Madry et al.'s CIFAR-10 evaluation, section 3.2 (K-C): last iterate, one random start.
EVALUATION = attacks.PGD(norm="linf", eps=8 / 255, step_size=2 / 255, steps=10, keep="last")
#: To confirm table 3 by: another loss, more steps, more starts, whatever iterate breaks.
STRONGER = replace(EVALUATION, step_size=0.4 / 255, steps=50, restarts=3, loss="margin")
STRONGER = replace(STRONGER, keep="first")
#: Table 3's rows; table 7 prints some of them.
TABLE3 = tuple(level for level in LEVELS if level != 512)
TABLE7 = (1, 2, 4, 8, 16, math.inf)
#: Levels measured at a scale, and values of gamma beside 1, which is the original.
MEASURED = {"smoke": (2, 8, math.inf), "cpu": TABLE7, "gpu": TABLE3}
GAMMAS = {"smoke": (0.6, 1.4)} | dict.fromkeys(("cpu", "gpu"), (0.6, 0.8, 1.2, 1.4))


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Train on a variant and count, unattacked, what is right among its images.

    Attributes
    ----------
    trained : Training
    test_size : int or None
        The first so many test images; None for all.
    """

    trained: Training
    test_size: int | None = None

    def measure(self, context):
        model, history = trained(self.trained, context)
        found = {"training": history}
        for split, limit in (("train", None), ("test", self.test_size)):
            x, y = self.trained.split(split, context, limit)
            right = robustness.predict(model, x) == y
            found[f"{split}_accuracy"] = proportion(right.cpu())
        return found


@dataclass(frozen=True, kw_only=True)
class Survival:
    """A trained network's robust accuracy under one more attack, on either split.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD
        Images wrong as they are count as broken and are not attacked.
    size : int
        The first so many images of the split.
    split : {"train", "test"}
    """

    trained: Training
    attack: attacks.PGD
    size: int
    split: str = "test"

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split(self.split, context, self.size)
        clean = proportion((robustness.predict(model, x) == y).cpu())
        (found,) = robustness.curve(model, x, y, self.attack, [self.attack.eps])
        return {"clean_accuracy": clean, "robust_accuracy": found}


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """How often each brightness occurs among the test images of a variant: figure 1a and 1b.

    Attributes
    ----------
    data : str
    variant : value of `transforms`
    bins : int
        Of equal width over [0, 1]; the last includes 1.
    """

    data: str
    variant: object
    bins: int = 32

    def measure(self, context):
        test = context.load(self.data, "test")
        counts = torch.zeros(self.bins, dtype=torch.int64)
        for part in test.x.split(1000):  # a whole variant at a time would take 120 MB
            at = (self.variant(part) * self.bins).long().clamp(max=self.bins - 1)
            counts += at.flatten().bincount(minlength=self.bins).cpu()
        share = (counts.double() / counts.sum()).tolist()
        return {"share": share, "images": len(test.x), "pixels": int(counts.sum())}


@dataclass(frozen=True, kw_only=True)
class Samples:
    """A few test images, to be looked at: `closer.pixels` brings them back.

    Attributes
    ----------
    data : str
    places : tuple of int
        Their places in the test split.
    """

    data: str
    places: tuple[int, ...]

    def measure(self, context):
        limit, root = max(self.places) + 1, context.data_root or None
        test = data.pixels(self.data, "test", limit=limit, root=root)
        chosen = [(test.x[i].numpy(), test.classes[int(test.y[i])]) for i in self.places]
        return {
            "names": [name for _, name in chosen],
            "shape": list(test.x.shape[1:]),
            "pixels": [base64.b64encode(image.tobytes()).decode() for image, _ in chosen],
        }


def trainings(scale):
    """Settings of standard and of PGD training, and the evaluation, at a scale; None if none.

    PROTOCOLS 8.3. At "smoke" the digits stand in; at "cpu" a net of three convolutions sees
    10,000 images 6 times without augmentation; at "gpu" a WideResNet-16-2 sees all 15 times.
    """
    if scale == "smoke":
        name, model, size = "digits", models.LeNet(width=0.125), 500
        recipe = training.Recipe(lr=3e-3, epochs=4, batch_size=50)
        evaluation = replace(EVALUATION, eps=0.1, step_size=0.025)
        inner = replace(evaluation, step_size=0.05, steps=3)
        adversarial, ramped = objectives.Adversarial(attack=inner), replace(recipe, ramp_epochs=2)
    elif scale == "cpu":
        name, model, size, evaluation = "cifar10", models.ThreeConv(), 10_000, EVALUATION
        recipe = training.Recipe(lr=1e-3, epochs=6, batch_size=100)
        ramped = replace(recipe, ramp_epochs=2)  # without, level 1 sits at chance
        inner = replace(EVALUATION, step_size=4 / 255, steps=5)
        adversarial = objectives.Adversarial(attack=inner, precision="bfloat16")
    elif scale == "gpu":
        name, size, evaluation = "cifar10", None, EVALUATION
        model = models.WideResNet(depth=16, width=2, standardise=True)
        recipe = ramped = training.Recipe(
            lr=0.2,
            epochs=15,
            batch_size=128,
            optimizer="sgd",
            weight_decay=2e-4,
            augmentation=training.CropFlip(pad=4, mode="reflect"),
        )
        adversarial = objectives.Adversarial(attack=replace(EVALUATION, steps=7))
    else:
        return None
    standard = Training(
        data=name,
        variant=transforms.Original(),
        model=model,
        objective=objectives.Natural(),
        recipe=recipe,
        train_size=size,
    )
    return standard, replace(standard, objective=adversarial, recipe=ramped), evaluation


def _both(scale, variants):
    """Standard and PGD training of every variant, each with its measure."""
    base = trainings(scale)
    if base is None:
        return ()
    standard, adversarial, attack = base
    sizes = {"smoke": (200, 100), "cpu": (None, 2000)}.get(scale, (None, None))
    runs = []
    for variant in variants:
        runs += [
            Robustness(
                trained=replace(adversarial, variant=variant), attack=attack, test_size=sizes[1]
            ),
            Accuracy(trained=replace(standard, variant=variant), test_size=sizes[0]),
        ]
    return tuple(runs)


def saturated(level):
    """The variant of a level of saturation: 2 changes nothing."""
    return transforms.Original() if level == 2 else transforms.Saturate(level=level)


def _table3(scale):
    """Standard and PGD training at the levels of saturation measured, tested by K-C."""
    return _both(scale, map(saturated, MEASURED.get(scale, ())))


def _figure3a(scale):
    """The same for gamma; gamma 1 is the original of `sens/table3`."""
    return _both(scale, (transforms.Gamma(gamma=g) for g in GAMMAS.get(scale, ())))


def _survivals(scale, split="test", **attack):
    """The PGD-trained nets of table 3 once more: 500 images for a stronger attack, else 2,000."""
    size = {"smoke": 100, "cpu": 1000 if split == "train" else 2000, "gpu": 10_000}
    if attack.get("restarts"):
        size |= {"cpu": 500, "gpu": 1000}
    return tuple(
        Survival(
            trained=run.trained, attack=replace(run.attack, **attack), size=size[scale], split=split
        )
        for run in _table3(scale)
        if isinstance(run, Robustness)
    )


def _stronger(scale):
    how = {f: getattr(STRONGER, f) for f in ("step_size", "steps", "restarts", "loss", "keep")}
    return _survivals(scale, **how) if scale != "smoke" else ()


def _table7(scale):
    """The attack of table 3 without the box, on the levels that table 7 prints."""
    kept = {saturated(level).label for level in TABLE7}
    return tuple(r for r in _survivals(scale, box=False) if r.trained.variant.label in kept)


def _trainset(scale):
    return _survivals(scale, split="train") if scale != "smoke" else ()


def _pixels(scale):
    """Every variant of figure 1, and those of figure 3a."""
    if scale not in ("smoke", "cpu"):
        return ()
    sizes, levels, gammas = (2, 3, 5, 8), (1, 2, 4, 8, 16, math.inf), (0.6, 0.8, 1.2, 1.4)
    grey = [transforms.Binarize(), transforms.Original()]
    grey += [transforms.Smooth(size=size) for size in sizes]
    colour = [*map(saturated, levels), *(transforms.Gamma(gamma=g) for g in gammas)]
    names = {"smoke": ("digits", "digits"), "cpu": ("mnist", "cifar10")}[scale]
    chosen = {(names[0], v): None for v in grey} | {(names[1], v): None for v in colour}
    return tuple(Pixels(data=name, variant=variant) for name, variant in chosen)


def _samples(scale):
    names = {"smoke": ("digits",), "cpu": ("mnist", "cifar10")}.get(scale, ())
    return tuple(Samples(data=name, places=(0, 1, 3, 4)) for name in names)


def _rows(found, labels):
    """Rows of table 3's columns for these variants, filled from the records there are."""
    rows = {
        label: {"variant": label}
        | {c: [] for c in ("std_test_acc", *(name for name, _ in PGD_COLUMNS))}
        for label in labels
    }
    for run, record in found:
        if not isinstance(run, Accuracy | Robustness):
            continue
        row = rows.get(run.trained.variant.label)
        if row is None or records.result(record) is None:
            continue
        if isinstance(run, Accuracy):
            row["std_test_acc"].append(record["result"]["test_accuracy"])
        else:
            for column, key in PGD_COLUMNS:
                row[column].append(record["result"][key])
    return list(rows.values())


def table3(found):
    """Runs and records of `sens/table3` as all rows of the paper's table.

    Returns
    -------
    list of dict
        Columns of `papers/tables/sens_table3.csv`; a number is a list of proportions over seeds,
        empty where a level is not measured.
    """
    return _rows(found, [saturated(level).label for level in TABLE3])


def measured(found):
    """`table3` without the levels that no run is planned for at this scale."""
    planned = {run.trained.variant.label for run, _ in found}
    return [row for row in table3(found) if row["variant"] in planned]


def figure3a(found):
    """Rows of `sens/fig3a` by ``gamma``, ascending, and of `sens/table3` for the original.

    Returns
    -------
    list of dict
        ``gamma`` : float; ``variant`` and columns as in `table3`.
    """
    gammas = {
        run.trained.variant.label: getattr(run.trained.variant, "gamma", 1.0)
        for run, _ in found
        if isinstance(run.trained.variant, transforms.Gamma | transforms.Original)
    }
    rows = _rows(found, sorted(gammas, key=gammas.get))
    return [{"gamma": gammas[row["variant"]]} | row for row in rows]


def table7(found):
    """Rows of the paper's table 7 from `sens/table3` and `sens/table7-cifar`, CIFAR-10's half.

    Returns
    -------
    list of dict
        ``dataset``, ``variant``, ``robust_acc_with_bound``, ``robust_acc_without_bound``: lists of
        proportions of the same images.
    """
    rows = {
        label: {"dataset": "CIFAR10", "variant": label}
        | {f"robust_acc_{how}_bound": [] for how in ("with", "without")}
        for label in (saturated(level).label for level in TABLE7)
    }
    for run, record in found:
        if not isinstance(run, Survival | Robustness):
            continue
        row = rows.get(run.trained.variant.label)
        if row is None or records.result(record) is None:
            continue
        how = "with" if run.attack.box else "without"
        row[f"robust_acc_{how}_bound"].append(record["result"]["robust_accuracy"])
    return list(rows.values())


def extremes(found):
    """What bounds table 3's robust accuracy: the training images, and a stronger attack.

    Parameters
    ----------
    found : list of (run, record or None)
        Of `sens/table3`, `sens/table3-stronger` and `sens/table3-train`.

    Returns
    -------
    list of dict
        ``variant``; ``std_train_acc``, ``pgd_train_acc`` and ``train_robust_acc`` on training
        images; ``robust_acc`` and ``stronger`` on test images; lists of proportions.
    """
    columns = ("std_train_acc", "pgd_train_acc", "train_robust_acc", "robust_acc", "stronger")
    rows = {}
    for run, record in found:
        label = run.trained.variant.label
        row = rows.setdefault(label, {"variant": label} | {c: [] for c in columns})
        result = records.result(record)
        if result is None:
            continue
        if isinstance(run, Accuracy):
            row["std_train_acc"].append(result["train_accuracy"])
        elif isinstance(run, Robustness):
            row["robust_acc"].append(result["robust_accuracy"])
        elif run.split == "train":
            row["pgd_train_acc"].append(result["clean_accuracy"])
            row["train_robust_acc"].append(result["robust_accuracy"])
        else:
            row["stronger"].append(result["robust_accuracy"])
    return list(rows.values())


STUDIES = (
    Study(
        id="sens/table3",
        title="CIFAR-10 variants: standard and PGD training under saturation",
        runs=_table3,
        minutes={"smoke": 0.05, "cpu": 2, "gpu": 2},
        table="sens_table3",
        rows=table3,
    ),
    Study(
        id="sens/table7-cifar",
        title="Table 3's nets attacked without the pixel box",
        runs=_table7,
        minutes={"smoke": 0.05, "cpu": 0.2, "gpu": 0.5},
    ),
    Study(
        id="sens/table3-stronger",
        title="Table 3's nets under a stronger attack",
        runs=_stronger,
        minutes={"cpu": 0.3, "gpu": 0.5},
    ),
    Study(
        id="sens/table3-train",
        title="Table 3's nets attacked on training images",
        runs=_trainset,
        minutes={"cpu": 0.2, "gpu": 0.5},
    ),
    Study(
        id="sens/fig3a",
        title="CIFAR-10 variants: standard and PGD training under gamma",
        runs=_figure3a,
        minutes={"smoke": 0.05, "cpu": 2, "gpu": 2},
    ),
    Study(
        id="sens/fig1",
        title="How often each brightness occurs in the variants",
        runs=_pixels,
        minutes={"smoke": 0.01, "cpu": 0.02},
    ),
    Study(
        id="sens/samples",
        title="A few images, for figures 1 and 3a",
        runs=_samples,
        minutes={"smoke": 0.01, "cpu": 0.01},
    ),
)
