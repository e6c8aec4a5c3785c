"""Residual networks without normalisation on CIFAR: what adversarial strength changes."""

from dataclasses import replace

from ... import attacks, lipschitz, models, objectives, training, transforms
from .. import Study, Training
from ..sens.variants import Robustness
from .networks import Regularised
from .rows import NAMES, second_look, table

#: K-REG: every network meets this attack, whatever it was trained against.
EVALUATION = attacks.PGD(norm="linf", eps=8 / 255, step_size=2 / 255, steps=10, keep="last")
#: To confirm it by: another loss, more steps and starts, and any iterate counts.
STRONGER = replace(EVALUATION, step_size=0.4 / 255, steps=50, restarts=3, loss="margin")
STRONGER = replace(STRONGER, keep="first")
#: Radii of the loss variation (table 1), in 255ths; ten steps of a quarter of the radius.
RADII = (1, 2, 4)
#: Training radii of the tables, in 255ths.
STRENGTHS = (4, 8, 16)
#: Training images that a small network may come to know by heart.
FEW = (1000, 250)


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

    As many steps as table 3 has at this scale; on the larger set with norms under control, too,
    which there, clipped after each epoch of a fifth of the steps, is the tighter control.
    """
    if scale not in ("cpu", "gpu"):
        return ()
    usual, settings = _setting("cifar10", scale), []
    for size in FEW:
        times = (usual.train_size or 50_000) // size
        recipe = replace(
            usual.recipe,
            epochs=times * usual.recipe.epochs,
            ramp_epochs=times * usual.recipe.ramp_epochs,
        )
        settings.append(replace(usual, recipe=recipe, train_size=size))
    # Of the few a network may stay at chance: that of strength 4 and seed 1 on 250 did.
    seeds = {1000: (1,), 250: (1, 2)} if scale == "cpu" else {}
    effort = EFFORT[scale]
    bounded = [_bounded(settings[0], bound) for bound in (1, 3)]
    return (
        *(run for s in settings for run in _networks(s, STRENGTHS, *effort)),
        *(
            run
            for s in settings
            for run in _networks(s, (4, 16), *effort, seeds=seeds.get(s.train_size, ()))
        ),
        *(run for s in bounded for run in _networks(s, (4, 16), *effort)),
    )


def _second_look(scale):
    """The networks of tables 2 and 3 under a stronger attack, on the first 250 test images."""
    if scale != "cpu":
        return ()
    nets = [run.trained for run in (*_pgd("cifar10")(scale), *_fgsm(scale)) if run.strength]
    return tuple(
        Robustness(trained=net, attack=STRONGER, test_size=250)
        for net in nets
        if net.data == "cifar10" and net.seed == 0
    )


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
        minutes={"cpu": 10, "gpu": 12, "paper": 120},
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
        id="reg/second-look",
        title="Conditional PGD accuracy by a stronger attack",
        runs=_second_look,
        minutes={"cpu": 0.7},
        rows=second_look,
    ),
    Study(
        id="reg/few-images",
        title="Few training images for longer: the error gap",
        runs=_longer,
        minutes={"cpu": 10, "gpu": 12},
        rows=table,
    ),
)
