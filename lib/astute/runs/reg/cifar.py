"""Residual networks without normalisation on CIFAR: what adversarial strength changes."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from ... import (
    attacks,
    lipschitz,
    margins,
    models,
    objectives,
    robustness,
    spectra,
    training,
    transforms,
)
from ...intervals import mean, proportion
from .. import Study, Training, trained
from .small import ok

#: K-REG: every network meets this attack, whatever it was trained against.
EVALUATION = attacks.PGD(norm="linf", eps=8 / 255, step_size=2 / 255, steps=10, keep="last")
#: Radii of the loss variation (table 1), in 255ths; ten steps of a quarter of the radius.
RADII = (1, 2, 4)
#: Bins of the histograms: margins in quarter logits, probabilities, losses in nats.
MARGINS = tuple(i / 4 for i in range(-80, 161))
PROBABILITIES = tuple(i / 20 for i in range(21))
LOSSES = tuple(i / 4 for i in range(41))


#: Data sets as the tables name them.
NAMES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}
#: Training radii of the tables, in 255ths.
STRENGTHS = (4, 8, 16)


@dataclass(frozen=True, kw_only=True)
class Regularised:
    """Everything the paper measures on a trained network, on training and on test images.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD
        The evaluation; training has its own in ``trained.objective``.
    variations : tuple of attacks.PGD
        Under each of these the change of loss and of probability is measured.
    estimator : lipschitz.LocalLipschitz
    attacked : int
        The first so many test images are attacked.
    probed : int
        The first so many are given to the estimator.
    """

    trained: Training
    attack: attacks.PGD
    variations: tuple[attacks.PGD, ...]
    estimator: lipschitz.LocalLipschitz
    attacked: int
    probed: int

    @property
    def strength(self):
        """Training radius in 255ths; 0 for natural training."""
        attack = getattr(self.trained.objective, "attack", None)
        return round(255 * attack.eps) if attack else 0

    @property
    def bound(self):
        """Spectral norm that every layer is clipped to, or None."""
        constraint = self.trained.recipe.constraint
        return constraint.bound if constraint else None

    def measure(self, context):
        model, history = trained(self.trained, context)
        result = {"training": history}
        for split in ("train", "test"):
            x, y = self.trained.split(split, context)
            result[split] = _confidence(margins.collect(model, x, y))
        x, y = x[: self.attacked], y[: self.attacked]  # of the test images now
        result |= robustness.accuracies(model, x, y, self.attack, seed=self.trained.seed)
        result["variations"] = [self._variation(model, x, y, a) for a in self.variations]
        generator = torch.Generator(x.device).manual_seed(self.trained.seed)
        result["lipschitz"] = mean(self.estimator(model, x[: self.probed], generator).cpu())
        result["layers"] = _layers(model, tuple(x.shape[1:]))
        return result

    def _variation(self, model, x, y, attack):
        """Mean change of loss and of probability, image by image (table 1, in both readings)."""
        generator = torch.Generator(x.device).manual_seed(self.trained.seed)
        x_adv = robustness.attacked(model, x, y, attack, generator)
        before, after = margins.collect(model, x, y), margins.collect(model, x_adv, y)
        return {
            "loss": mean((after.losses - before.losses).abs().cpu()),
            "probability": mean((after.probabilities - before.probabilities).abs().cpu()),
        }


def _layers(model, shape):
    """Per layer a summary of its singular values in each of the three readings.

    The exact operator of a layer on a map of 32 x 32 is too large to write; its summary is an
    estimate, with its standard error.
    """
    found = {}
    met = spectra.layer_shapes(model, shape)
    for reading in ("reshaped", "circular"):
        for name, values in spectra.layer_singular_values(model, shape, reading).items():
            kind = "dense" if isinstance(met[name][0], nn.Linear) else "convolution"
            found.setdefault(name, {"kind": kind})[reading] = spectra.summary(values)
    for name, (layer, size) in met.items():
        dense = found[name]["kind"] == "dense"
        found[name]["exact"] = (
            found[name]["reshaped"] if dense else spectra.estimated_summary(layer, size)
        )
    return found


def _confidence(found):
    """Accuracy, loss, and the distributions behind figures 4 and 5."""
    middle = (found.probabilities >= 0.1) & (found.probabilities <= 0.9)
    spread = found.margins.double()
    skewness = ((spread - spread.mean()) / spread.std(correction=0)).pow(3).mean()
    return {
        "accuracy": proportion((found.margins > 0).cpu()),
        "loss": mean(found.losses.cpu()),
        "margins": margins.summary(found.margins, MARGINS) | {"skewness": skewness.item()},
        "probabilities": margins.summary(found.probabilities, PROBABILITIES),
        "losses": margins.summary(found.losses, LOSSES),
        "middle": proportion(middle.cpu()),
        "above_5": proportion((found.losses > 5).cpu()),
    }


def against(strength, steps):
    """Adversarial training of a strength in 255ths: 0 is natural training, one step FGSM.

    FGSM is one step of the radius from the image itself; more steps start at random.
    """
    if strength == 0:
        return objectives.Natural()
    eps = strength / 255
    attack = attacks.PGD(
        norm="linf",
        eps=eps,
        step_size=eps if steps == 1 else 2.5 * eps / steps,
        steps=steps,
        keep="last",
        random_start=steps > 1,
    )
    return objectives.Adversarial(attack=attack, precision="bfloat16")


def _networks(setting, strengths, steps, attacked, probed, seeds=(0,)):
    """One run for each strength and seed."""
    variations = tuple(
        replace(EVALUATION, eps=r / 255, step_size=r / 255 / 4, steps=10) for r in RADII
    )
    return tuple(
        Regularised(
            trained=replace(setting, objective=against(strength, steps), seed=seed),
            attack=EVALUATION,
            variations=variations,
            estimator=lipschitz.LocalLipschitz(eps=8 / 255, step_size=2 / 255, keep="best"),
            attacked=attacked,
            probed=probed,
        )
        for seed in seeds
        for strength in strengths
    )


def _setting(data, scale, **changes):
    """R-REG-C as a scale can afford it: network, recipe, number of images.

    At cpu the first 5,000 images as they are, 10 epochs, one cycle; at gpu all, moved and
    mirrored, 20 epochs; in the paper 200. So few steps bring a network without normalisation
    nowhere at strength 16 unless the radius grows for more than half of them.
    """
    classes = 100 if data.startswith("cifar100") else 10
    augmentation = training.CropFlip(pad=4)
    sgd = {"optimizer": "sgd", "weight_decay": 1e-4, "scalar_lr": 0.1}
    if scale == "smoke":
        recipe = training.Recipe(lr=0.05, epochs=1, batch_size=50, steps=20, **sgd)
        model, size = models.Fixup(n=1), 256
    elif scale == "cpu":
        recipe = training.Recipe(lr=0.15, epochs=10, batch_size=48, ramp_epochs=6, **sgd)
        model, size = models.Fixup(n=3, classes=classes), 5000
        if data == "cifar100":  # a fifth of its training images are enough to draw 5,000 from
            changes |= {"train_split": "train-subset"}
    elif scale == "gpu":
        recipe = training.Recipe(
            lr=0.1, epochs=20, batch_size=256, augmentation=augmentation, **sgd
        )
        model, size = models.Fixup(n=9, classes=classes), None
    else:
        recipe = training.Recipe(
            lr=0.05,
            epochs=200,
            batch_size=256,
            schedule="steps",
            milestones=(100, 150),
            augmentation=augmentation,
            **sgd,
        )
        model, size = models.Fixup(n=9, classes=classes), None
    setting = Training(
        data=data,
        variant=transforms.Original(),
        model=model,
        objective=objectives.Natural(),
        recipe=recipe,
        train_size=size,
    )
    return replace(setting, **changes) if changes else setting


#: Inner steps of training, attacked and probed test images, by scale.
EFFORT = {"cpu": (3, 500, 200), "gpu": (10, 10_000, 2000), "paper": (10, 10_000, 10_000)}


def _pgd(data):
    """Tables 3 and 4: the same network against strengths 4, 8 and 16; at cpu 0 as well."""

    def at(scale):
        if scale == "smoke" and data == "cifar10":
            return _networks(_setting("digits", scale), (4, 16), 2, 40, 20)
        if scale not in EFFORT:
            return ()
        setting, effort = _setting(data, scale), EFFORT[scale]
        found = _networks(setting, STRENGTHS, *effort)
        if scale == "cpu" and data == "cifar10":
            # Natural training at this rate is stuck at chance: nothing ramps it.
            slower = replace(setting, recipe=replace(setting.recipe, lr=0.1, ramp_epochs=0))
            # The layers' spreads want intervals over seeds.
            found = (
                *_networks(slower, (0,), *effort),
                *found,
                *_networks(setting, STRENGTHS, *effort, seeds=(1, 2)),
            )
        if scale == "paper":
            deeper = replace(setting, model=replace(setting.model, n=18))
            found += _networks(deeper, STRENGTHS, *effort)
        return found

    return at


def _shallower(scale):
    """A second depth beside table 3's: what shallower networks cost can be afforded."""
    if scale not in ("cpu", "gpu"):
        return ()
    setting = _setting("cifar10", scale)
    model = replace(setting.model, n=setting.model.n // 3)
    return _networks(replace(setting, model=model), STRENGTHS, *EFFORT[scale])


def _bounded(setting, bound):
    """The same training with every layer's spectral norm clipped after each epoch."""
    constraint = training.ClipNorms(bound=float(bound))
    return replace(setting, recipe=replace(setting.recipe, constraint=constraint))


def _clipped(scale):
    """Table 6: spectral norms under control; no bound is table 3."""
    bounds = {"cpu": (1, 3), "gpu": (1, 3), "paper": (1, 3, 5)}.get(scale, ())
    return tuple(
        run
        for bound in bounds
        for run in _networks(_bounded(_setting("cifar10", scale), bound), STRENGTHS, *EFFORT[scale])
    )


def _fgsm(scale):
    """Table 2: training on one step from the image itself."""
    if scale not in EFFORT:
        return ()
    return tuple(
        run
        for data in NAMES
        for run in _networks(_setting(data, scale), STRENGTHS, 1, *EFFORT[scale][1:])
    )


def _trades(scale):
    """Ours: do layers draw together under TRADES too?"""
    if scale not in ("cpu", "gpu"):
        return ()
    found = []
    for run in _networks(_setting("cifar10", scale), (4, 16), *EFFORT[scale]):
        kl = replace(run.trained.objective.attack, loss="kl", random_start="gaussian")
        objective = objectives.TRADES(attack=kl, weight=6.0, precision="bfloat16")
        found.append(replace(run, trained=replace(run.trained, objective=objective)))
    return tuple(found)


def _longer(scale):
    """The error gap needs training images that are nearly all right: few of them, for longer.

    As many steps as table 3 has at this scale, on a fifth and on a twentieth of its images; on
    the fifth with spectral norms under control as well.
    """
    if scale != "cpu":
        return ()
    settings = {}
    for size, epochs in ((1000, 50), (250, 200)):
        setting = _setting("cifar10", scale, train_size=size)
        recipe = replace(setting.recipe, epochs=epochs, ramp_epochs=3 * epochs // 5)
        settings[size] = replace(setting, recipe=recipe)
    return (
        *(run for s in settings.values() for run in _networks(s, STRENGTHS, *EFFORT[scale])),
        *_networks(_bounded(settings[1000], 1), (4, 16), *EFFORT[scale]),
    )


def blocks(found):
    """Runs and records as rows, one a network.

    Returns
    -------
    list of dict
        ``dataset``, ``model``, ``training`` ("PGD", "FGSM", "TRADES", "natural"),
        ``spectral_norm`` ("uncontrolled" or the bound), ``strength`` (255ths); lists over seeds:
        ``train_acc``, ``test_acc``, ``train_loss``, ``test_loss``, ``pgd_acc`` (conditional),
        ``delta_acc`` (points) and ``delta_loss`` (nats), ``robust_acc``, ``lipschitz``, ``middle``
        and ``above_5`` of the test images, and of margins on either split ``train_margin_std``,
        ``train_inter_decile``, ``train_skewness``, ``train_mode``, and so on.
    """
    rows = {}
    for run, record in found:
        objective, model = run.trained.objective, run.trained.model
        name = type(objective).__name__
        if name == "Adversarial":
            name = "PGD" if objective.attack.random_start else "FGSM"
        key = {
            "dataset": NAMES.get(run.trained.data, run.trained.data),
            "model": f"ResNet-{6 * model.n + 2}",
            "images": run.trained.train_size,
            "training": {"Natural": "natural"}.get(name, name),
            "spectral_norm": "uncontrolled" if run.bound is None else f"{run.bound:g}",
            "strength": run.strength,
        }
        row = rows.setdefault(tuple(key.values()), key | {c: [] for c in CELLS})
        if ok(record):
            for column, read in CELLS.items():
                row[column].append(read(record["result"]))
    return list(rows.values())


def _mode(summary):
    """Middle of the fullest bin, logits."""
    fullest = max(range(len(MARGINS) - 1), key=summary["counts"].__getitem__)
    return (MARGINS[fullest] + MARGINS[fullest + 1]) / 2


def _split_cells(split):
    """Columns read from one half of a record."""
    return {
        f"{split}_acc": lambda r: r[split]["accuracy"],
        f"{split}_loss": lambda r: r[split]["loss"],
        f"{split}_margin_std": lambda r: r[split]["margins"]["std"],
        f"{split}_inter_decile": lambda r: r[split]["margins"]["inter_decile"],
        f"{split}_skewness": lambda r: r[split]["margins"]["skewness"],
        f"{split}_mode": lambda r: _mode(r[split]["margins"]),
    }


#: Columns of `blocks`, and how a record's result gives them.
CELLS = {
    **_split_cells("train"),
    **_split_cells("test"),
    "delta_acc": lambda r: 100 * (r["train"]["accuracy"]["value"] - r["test"]["accuracy"]["value"]),
    "delta_loss": lambda r: r["test"]["loss"]["value"] - r["train"]["loss"]["value"],
    "pgd_acc": robustness.conditional,
    "robust_acc": lambda r: r["robust_accuracy"],
    "middle": lambda r: r["test"]["middle"],
    "above_5": lambda r: r["test"]["above_5"],
    "lipschitz": lambda r: r["lipschitz"],
}
#: The paper's metrics, in its order.
METRICS = (
    *("train_acc", "test_acc", "delta_acc", "train_loss", "test_loss", "delta_loss"),
    "pgd_acc",
)


def table(found):
    """Runs and records in the shape of tables 2 to 6: a row a metric, a column a strength.

    Natural training stands in column ``ar0``, as in table 5.
    """
    rows = {}
    for block in blocks(found):
        names = {k: block[k] for k in ("dataset", "model", "training", "spectral_norm")}
        if names["training"] == "natural":
            names["training"] = "PGD"
        for metric in METRICS:
            row = rows.setdefault((*names.values(), metric), names | {"metric": metric})
            row[f"ar{block['strength']}"] = block[metric]
    return list(rows.values())


def variation(found, what="loss"):
    """Runs and records in the shape of table 1: a row a data set and radius.

    Parameters
    ----------
    what : {"loss", "probability"}
        Whose change: the paper's numbers look like either.
    """
    rows = {}
    for run, record in found:
        name = NAMES.get(run.trained.data, run.trained.data)
        if not run.strength or run.bound is not None:
            continue
        for i, attack in enumerate(run.variations):
            eps = round(255 * attack.eps)
            row = rows.setdefault((name, eps), {"dataset": name, "attack_eps_255": eps})
            cells = [row.setdefault(f"{part}_ar{run.strength}", []) for part in ("mean", "std")]
            if ok(record):
                measured = record["result"]["variations"][i][what]
                for cell, number in zip(cells, (measured, measured["sd"]), strict=True):
                    cell.append(number)
    return list(rows.values())


def spreads(found, reading="circular"):
    """Runs and records as rows, one a layer: its singular values' standard deviation.

    Returns
    -------
    list of dict
        ``dataset``, ``training``, ``spectral_norm``, ``layer``, ``kind``; for every strength
        ``std4`` and so on, lists over seeds; likewise ``mean4``, the mean of its singular values,
        and ``norm4``, the greatest.
    """
    rows = {}
    for block, (run, record) in ((blocks([one])[0], one) for one in found):
        names = {k: block[k] for k in ("dataset", "training", "spectral_norm")}
        for layer, measured in record["result"]["layers"].items() if ok(record) else ():
            row = rows.setdefault(
                (*names.values(), layer), names | {"layer": layer, "kind": measured["kind"]}
            )
            for name, key in (("std", "spread"), ("mean", "mean"), ("norm", "largest")):
                row.setdefault(f"{name}{run.strength}", []).append(measured[reading][key])
    return list(rows.values())


STUDIES = (
    Study(
        id="reg/table3",
        title="Generalisation gaps against adversarial strength, CIFAR-10",
        runs=_pgd("cifar10"),
        minutes={"smoke": 0.2, "cpu": 12, "gpu": 12, "paper": 120},
        table="reg_table3",
        rows=table,
    ),
    Study(
        id="reg/table4",
        title="The same on CIFAR-100",
        runs=_pgd("cifar100"),
        minutes={"cpu": 12, "gpu": 12, "paper": 120},
        table="reg_table4",
        rows=table,
    ),
    Study(
        id="reg/depth",
        title="Table 3 with a third of its networks' blocks",
        runs=_shallower,
        minutes={"cpu": 4, "gpu": 5},
        rows=table,
    ),
    Study(
        id="reg/table6",
        title="The same with spectral norms clipped after every epoch",
        runs=_clipped,
        minutes={"cpu": 15, "gpu": 12, "paper": 120},
        table="reg_table6",
        rows=table,
    ),
    Study(
        id="reg/table2",
        title="The same trained by FGSM",
        runs=_fgsm,
        minutes={"cpu": 6, "gpu": 4, "paper": 26},
        table="reg_table2",
        rows=table,
    ),
    Study(
        id="reg/trades",
        title="Singular values under TRADES",
        runs=_trades,
        minutes={"cpu": 14, "gpu": 12},
    ),
    Study(
        id="reg/few-images",
        title="Few training images for longer: the error gap",
        runs=_longer,
        minutes={"cpu": 12},
        rows=table,
    ),
)
