"""Ten ways to train: accuracies, and how fast the output changes around an image."""

from dataclasses import dataclass, replace

import torch

from ... import (
    attacks,
    lipschitz,
    losses,
    models,
    objectives,
    records,
    robustness,
    training,
    transforms,
)
from ...intervals import mean, proportion
from .. import Study, Training, trained

#: K-CL at MNIST's radius, training aside: ten steps of eps / 5 from a uniform start, the last one.
EVALUATION = attacks.PGD(norm="linf", eps=0.1, step_size=0.02, steps=10, keep="last")


def estimators(eps):
    """Readings of the local Lipschitz estimate.

    What the formula on the slide means, at the step of the official code; what that code does;
    the former on probabilities, as the slide has it; and a search that reaches the border and
    keeps the best.
    """
    read = lipschitz.LocalLipschitz(eps=eps)
    return (
        read,
        replace(read, direction="official"),
        replace(read, output="probabilities"),
        replace(read, step_size=eps / 4, steps=20, keep="best"),
    )


#: Trained three times: claims hang on small differences between these.
SEEDED = (
    ("Natural", None),
    ("GR", None),
    *(("TRADES", f"beta={beta}") for beta in (1, 3, 6)),
)


def methods(attack):
    """The ten trainings of the tables by their names there, then two as the official code is.

    Parameters
    ----------
    attack : attacks.PGD
        The inner maximisation of AT and RST; the others take its radius and steps from it.

    Returns
    -------
    dict
        (method, parameter) -> objective.
    """
    kl = replace(attack, loss="kl", random_start="gaussian")
    two = replace(attack, steps=2, step_size=attack.eps / 2, random_start="gaussian")
    return {
        ("Natural", None): objectives.Natural(),
        ("GR", None): objectives.GR(),
        ("LLR", None): objectives.LLR(attack=two),
        ("AT", None): objectives.Adversarial(attack=attack, mode="train"),
        **{("RST", f"lambda={w:g}"): objectives.RST(attack=attack, weight=w) for w in (0.5, 1, 2)},
        **{("TRADES", f"beta={w}"): objectives.TRADES(attack=kl, weight=w) for w in (1, 3, 6)},
        ("GR", "official"): objectives.GR(variant="official"),
        ("LLR", "official"): objectives.LLR(attack=two, variant="official"),
    }


@dataclass(frozen=True, kw_only=True)
class LocalSmoothness:
    """Train by one method; accuracies on training and test images, clean and attacked; and how
    fast the output changes around test images, by several estimators.

    Attributes
    ----------
    method : tuple of str
        Name and parameter in the paper's tables.
    trained : Training
    attack : attacks.PGD
    estimators : tuple of lipschitz.LocalLipschitz
    attacked : int
        The first so many images of each split are attacked.
    probed : int
        The first so many test images are given to the estimators.
    """

    method: tuple[str, str | None]
    trained: Training
    attack: attacks.PGD
    estimators: tuple[lipschitz.LocalLipschitz, ...]
    attacked: int
    probed: int

    def measure(self, context):
        model, history = trained(self.trained, context)
        found = {"training": history}
        for split in ("train", "test"):
            x, y = self.trained.split(split, context)
            found[f"{split}_accuracy"] = proportion((robustness.predict(model, x) == y).cpu())
            x, y = x[: self.attacked], y[: self.attacked]
            generator = torch.Generator(x.device).manual_seed(self.trained.seed)
            x_adv = robustness.attacked(model, x, y, self.attack, generator)
            survives = (robustness.predict(model, x_adv) == y).cpu()
            found[f"adversarial_{split}_accuracy"] = proportion(survives)
        found["lipschitz"] = []
        for estimator in self.estimators:  # x is of the test images now
            generator = torch.Generator(x.device).manual_seed(self.trained.seed)
            ratios = estimator(model, x[: self.probed], generator)
            found["lipschitz"].append(mean(ratios.cpu()))
        return found


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """A trained network under another attack than the tables', on its first test images."""

    method: tuple[str, str | None]
    trained: Training
    attack: attacks.PGD
    test_size: int

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.test_size)
        return robustness.accuracies(model, x, y, self.attack, seed=self.trained.seed)


@dataclass(frozen=True, kw_only=True)
class LossSlice:
    """The loss on a plane through a test image, as far as the box [0, 1] allows.

    One axis is the sign of the loss's gradient at the image, the other a random sign in every
    pixel: the corners of the linf ball that the attack makes for, and that chance would.

    Attributes
    ----------
    method, trained
        As for `LocalSmoothness`.
    image : int
        Which test image.
    reach : float
        Greatest step along either axis, pixel units.
    points : int
        Steps on either side of the image.
    """

    method: tuple[str, str | None]
    trained: Training
    image: int
    reach: float
    points: int

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.image + 1)
        x, y = x[self.image :], y[self.image :]
        uphill = attacks.gradient(lambda images: losses.cross_entropy(model(images), y), x).sign()
        generator = torch.Generator(x.device).manual_seed(self.trained.seed)
        chance = 2 * torch.randint(2, x.shape, generator=generator, device=x.device) - 1
        steps = torch.linspace(-self.reach, self.reach, 2 * self.points + 1, device=x.device)
        plane = torch.cartesian_prod(steps, steps)[:, :, None, None, None]
        images = (x + plane[:, 0] * uphill + plane[:, 1] * chance).clamp(0, 1)
        with torch.no_grad():
            logits = model(images)
        loss = losses.cross_entropy(logits, y.expand(len(images)))
        side = len(steps)
        return {
            "steps": [round(s, 6) for s in steps.tolist()],
            "loss": [[float(f"{v:.4g}") for v in row] for row in loss.view(side, side).tolist()],
            "label": int(y),
            "predicted": logits.argmax(1).view(side, side).tolist(),
        }


def _trained_by(names, setting, evaluation, inner, attacked, probed, seeds=(0,)):
    """One run for each of the methods ``names`` (None: all, and the official variants)."""
    found = []
    for seed in seeds:
        for name, objective in methods(inner).items():
            if (names is None or name in names) and (seed == 0 or name in SEEDED):
                run = LocalSmoothness(
                    method=name,
                    trained=replace(setting, objective=objective, seed=seed),
                    attack=evaluation,
                    estimators=estimators(evaluation.eps),
                    attacked=attacked,
                    probed=probed,
                )
                found.append(run)
    return tuple(found)


def _setting(data, model, recipe, train_size=None):
    return Training(
        data=data,
        variant=transforms.Original(),
        model=model,
        objective=objectives.Natural(),
        recipe=recipe,
        train_size=train_size,
    )


def _sgd(lr, epochs, milestones=(), **changes):
    """SGD on batches of 64; with milestones a tenth after each (R-CL), else one cycle."""
    schedule = "steps" if milestones else "one-cycle"
    kw = {"optimizer": "sgd", "batch_size": 64, "schedule": schedule} | changes
    return training.Recipe(
        lr=lr, epochs=epochs, **kw | ({"milestones": milestones} if milestones else {})
    )


#: The official code descends sums over batches of 64: its rates times 64, for means.
SUMMED = 64


def _mnist(scale):
    """PROTOCOLS: CNN1 and CNN2, ten methods; R-CL-M, K-CL.

    At scale cpu CNN2 alone: 10,000 images, 5 epochs, five inner steps. At gpu 30 epochs of all.
    """
    if scale == "smoke":
        recipe = training.Recipe(lr=3e-3, epochs=3, batch_size=50)
        named = [("Natural", None), ("TRADES", "beta=6")]
        inner = replace(EVALUATION, step_size=0.1, steps=2)
        setting = _setting("digits", models.CNN2(), recipe, 400)
        return _trained_by(named, setting, EVALUATION, inner, 50, 20)
    if scale == "cpu":
        inner = replace(EVALUATION, step_size=0.05, steps=5)
        setting = _setting("mnist", models.CNN2(), _sgd(0.03, 5), 10_000)
        return _trained_by(None, setting, EVALUATION, inner, 1000, 500, (0, 1, 2))
    if scale == "gpu":
        recipe = _sgd(0.03, 30)
    else:
        recipe = _sgd(1e-4 * SUMMED, 160, (40, 80, 120, 140), factor=0.1)
    return tuple(
        run
        for model in (models.CNN1(), models.CNN2())
        for run in _trained_by(
            None, _setting("mnist", model, recipe), EVALUATION, EVALUATION, 10_000, 10_000
        )
    )


#: K-CL at CIFAR-10's radius.
CIFAR_EVALUATION = replace(EVALUATION, eps=0.031, step_size=0.031 / 5)
#: What a GPU's ten-minute pieces are spent on first (PROTOCOLS, section 8.3).
CHOSEN = (
    *(("Natural", None), ("GR", None), ("AT", None), ("RST", "lambda=1")),
    *(("TRADES", f"beta={beta}") for beta in (1, 3, 6)),
)


def _cifar(scale):
    """PROTOCOLS: ten methods on CIFAR-10; R-CL-C, K-CL, WRN-40-10.

    At scale cpu a network of three convolutions, 10,000 images, 5 epochs, five inner steps; at
    gpu WRN-16-4, 20 epochs, one learning rate for all, seven methods.
    """
    evaluation = CIFAR_EVALUATION
    if scale == "cpu":
        inner = replace(evaluation, step_size=2.5 * evaluation.eps / 5, steps=5)
        model = models.ThreeConv(standardise=False)
        setting = _setting("cifar10", model, _sgd(0.03, 5), 10_000)
        named = [name for name in methods(inner) if name[1] != "official"]
        return _trained_by(named, setting, evaluation, inner, 1000, 500)
    crop = training.CropFlip(pad=4)
    if scale == "gpu":
        model = models.WideResNet(depth=16, width=4)
        setting = _setting("cifar10", model, _sgd(0.1, 20, augmentation=crop))
        return _trained_by(CHOSEN, setting, evaluation, evaluation, 2000, 2000)
    return _official_cifar(models.WideResNet(depth=40, width=10)) if scale == "paper" else ()


def _official_cifar(model):
    """R-CL-C: rates on summed losses are 1e-2, and 1e-3 for RST, as the shipped grid has them."""
    found = []
    for rate, chosen in (
        (1e-2, lambda name: name[0] != "RST"),
        (1e-3, lambda name: name[0] == "RST"),
    ):
        recipe = _sgd(
            rate * SUMMED,
            120,
            (40, 80, 100),
            factor=0.1,
            momentum=0.0,
            augmentation=training.CropFlip(pad=4),
        )
        names = [name for name in methods(CIFAR_EVALUATION) if chosen(name)]
        setting = _setting("cifar10", model, recipe)
        found += _trained_by(names, setting, CIFAR_EVALUATION, CIFAR_EVALUATION, 10_000, 10_000)
    return tuple(found)


#: The trainings of the dropout table.
DROPPED = (
    *(("Natural", None), ("AT", None), ("RST", "lambda=2")),
    *(("TRADES", f"beta={beta}") for beta in (3, 6)),
)


def _dropout(scale):
    """PROTOCOLS: with and without dropout: CNN2 on MNIST at cpu, WRNs on CIFAR-10 above.

    SVHN, the paper's other half, is left to whoever has it.
    """
    if scale == "cpu":
        runs = [r for r in _mnist(scale) if r.trained.seed == 0]
        pairs = models.CNN2(dropout=0.0), models.CNN2()
    elif scale in ("gpu", "paper"):
        runs = _cifar(scale)
        shape = runs[0].trained.model
        pairs = shape, replace(shape, dropout=0.2)
    else:
        return ()
    return tuple(
        replace(r, trained=replace(r.trained, model=model))
        for r in runs
        if r.method in DROPPED
        for model in pairs
    )


def dropout_pairs(rows, *methods):
    """Rows of a dropout table, ours or the paper's, two by two: (name, without, with).

    Parameters
    ----------
    rows : list of dict
    methods : str
        Only these; all if none is given.
    """
    pairs = {}
    for row in rows:
        if not methods or row["method"] in methods:
            name = " ".join(filter(None, (row["dataset"], row["method"], row["parameter"])))
            pairs.setdefault(name, {})[row["dropout"]] = row
    return [(name, pair["False"], pair["True"]) for name, pair in pairs.items() if len(pair) == 2]


#: To confirm the tables by: another loss, more steps, more starts, the worst of all.
STRONGER = attacks.PGD(norm="linf", eps=0.1, step_size=0.01, steps=50, restarts=3, loss="margin")


def _stronger(scale):
    """Every method's first network under a stronger attack, on 500 test images."""
    return tuple(
        Attacked(method=run.method, trained=run.trained, attack=STRONGER, test_size=500)
        for run in _mnist(scale)
        if scale == "cpu" and run.trained.seed == 0
    )


def _slices(scale):
    """Test image 0 and the plane through it, for every method's first network."""
    return tuple(
        LossSlice(method=run.method, trained=run.trained, image=0, reach=0.2, points=12)
        for run in _mnist(scale)
        if scale in ("smoke", "cpu") and run.trained.seed == 0
    )


#: What our rows call each reading of the estimator, in the order of `estimators`.
READINGS = ("ascent", "official", "probabilities", "best")


def mnist_table(found, reading="ascent", variants="published"):
    """Runs and records of `closer/mnist` as rows of the paper's table; cells are lists over seeds.

    Parameters
    ----------
    reading : str
        Of READINGS: the estimate in column ``test_lipschitz``. All have columns of their own too,
        ``lipschitz_ascent`` and so on.
    variants : {"published", "official", "both"}
        Which GR and LLR stand in the rows of that name; with "both" the official ones have rows
        of their own, with the parameter "official".
    """
    rows = {}
    for run, record in found:
        method, model = run.method, run.trained.model
        official = method[1] == "official"
        other = official != (variants == "official") and method[0] in ("GR", "LLR")
        if other and variants != "both":
            continue
        if official and variants == "official":
            method = (method[0], None)
        row = rows.setdefault(
            (method, model),
            {
                "dataset": "CIFAR-10" if run.trained.data == "cifar10" else "MNIST",
                "architecture": type(model).__name__,
                "method": method[0],
                "parameter": method[1],
                "dropout": str(getattr(model, "dropout", 0) > 0),
                **{c: [] for c in ("train_acc", "test_acc", "adv_train_acc", "adv_test_acc")},
                **{c: [] for c in ("gap", "adv_gap")},
                **{f"lipschitz_{name}": [] for name in READINGS},
            },
        )
        result = records.result(record)
        if result is None:
            continue
        for split in ("train", "test"):
            row[f"{split}_acc"].append(result[f"{split}_accuracy"])
            row[f"adv_{split}_acc"].append(result[f"adversarial_{split}_accuracy"])
        for column, part in (("gap", ""), ("adv_gap", "adversarial_")):
            train, test = (result[f"{part}{split}_accuracy"] for split in ("train", "test"))
            row[column].append(100 * (train["value"] - test["value"]))
        for name, measured in zip(READINGS, result["lipschitz"], strict=True):
            row[f"lipschitz_{name}"].append(measured)
    for row in rows.values():
        row["test_lipschitz"] = row[f"lipschitz_{reading}"]
    return list(rows.values())


STUDIES = (
    Study(
        id="closer/mnist",
        title="Ten methods on MNIST: accuracies and local Lipschitz estimates",
        runs=_mnist,
        minutes={"smoke": 0.1, "cpu": 5, "gpu": 2, "paper": 8},
        table="closer_mnist",
        rows=mnist_table,
    ),
    Study(
        id="closer/lipschitz",
        title="Ten methods on CIFAR-10 (three convolutions at scale cpu)",
        runs=_cifar,
        minutes={"cpu": 3, "gpu": 10, "paper": 300},
        table="closer_lipschitz",
        rows=mnist_table,
    ),
    Study(
        id="closer/mnist-stronger",
        title="The ten methods under a stronger attack",
        runs=_stronger,
        minutes={"cpu": 3},
    ),
    Study(
        id="closer/loss-slices",
        title="The loss on a plane through a test image, method by method",
        runs=_slices,
        minutes={"smoke": 0.1, "cpu": 0.1},
    ),
    Study(
        id="closer/dropout",
        title="With and without dropout (CNN2 on MNIST as a stand-in)",
        runs=_dropout,
        minutes={"cpu": 5, "gpu": 10, "paper": 300},
        table="closer_dropout",
        rows=mnist_table,
    ),
)
