"""Studies of `sens` on MNIST and Fashion-MNIST beyond table 2."""

import math
from dataclasses import dataclass, replace

import torch

from .. import (
    attacks,
    certified,
    intervals,
    losses,
    models,
    norms,
    objectives,
    robustness,
    training,
    transforms,
)
from . import Study, Training, sens, trained

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
#: Radii of the curves; from 0.5 on every image can be made grey.
RADII = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.75, 1.0)
KM = sens.EVALUATION
_FIRST = replace(KM, loss="margin", keep="first")
#: The worst of three: small steps on the margin, steps from corner to corner, no gradient at all.
STRONGEST = attacks.Ensemble(
    norm="linf",
    eps=0.3,
    members=(
        replace(_FIRST, steps=100, restarts=3),
        replace(_FIRST, step_size=0.3, restarts=2),
        attacks.SquareSearch(eps=0.3, queries=500),
    ),
)
#: What each kind of attack breaks by itself, by the name a page shows.
CHECKS = {
    "one step (FGSM)": attacks.FGSM(eps=0.3, keep="last"),
    "margin as loss": replace(KM, loss="margin"),
    "5 restarts": replace(KM, restarts=5, keep="worst"),
    "steps of eps": replace(KM, step_size=0.3, keep="best"),
    "random squares, no gradient": attacks.SquareSearch(eps=0.3, queries=1000),
    "towards grey, no model": attacks.Grey(eps=0.3),
}


def _networks(scale):
    """Table 2's trainings of the first seed, by variant and objective."""
    return {
        (run.trained.variant.label, type(run.trained.objective).__name__): run.trained
        for run in sens.STUDIES[0].at(scale)
        if run.trained.seed == 0
    }


def _evaluation(scale):
    """The attack of table 2 at a scale, and how many test images are attacked here."""
    attack = sens.STUDIES[0].at(scale)[0].attack
    return attack, 100 if scale == "smoke" else IMAGES


def _pgd(nets):
    """The PGD trainings among table 2's, by variant."""
    return {label: net for (label, kind), net in nets.items() if kind == "Adversarial"}


def _table7(scale):
    """Table 2's networks, attacked in the whole ball: pixels may leave [0, 1]."""
    if scale not in SCALES:
        return ()
    attack, size = _evaluation(scale)
    return tuple(
        sens.Robustness(trained=net, attack=replace(attack, box=False), test_size=size)
        for label, net in _pgd(_networks(scale)).items()
        if label in BOXED
    )


def _proportion(record, key, count=None):
    """A measured cell over seeds, here one or none: the first ``count`` images of it."""
    if record is None or record["status"] != "ok":
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
        if isinstance(run, sens.Robustness) and run.attack.box
    }
    return [
        {
            "dataset": {"mnist": "MNIST"}.get(run.trained.data, run.trained.data),
            "variant": run.trained.variant.label,
            "robust_acc_with_bound": _proportion(
                boxed.get(run.trained), "robust_accuracy", run.test_size
            ),
            "robust_acc_without_bound": _proportion(record, "robust_accuracy"),
        }
        for run, record in found
        if not run.attack.box
    ]


#: For a second look at table 7: both columns by an attack that breaks more than K-M.
_CORNERS = replace(_FIRST, step_size=0.3, restarts=3)


def _second_look(scale):
    """Where K-M is too weak: table 1's scaled networks, table 7's with and without the box."""
    if scale != "cpu":
        return ()
    scaled = [(run.trained, STRONGEST) for run in _table1(scale)[:2]]
    nets = _pgd(_networks(scale))
    boxes = [
        (nets[label], replace(_CORNERS, box=box))
        for label in ("binarized", "original")
        for box in (True, False)
    ]
    return tuple(
        sens.Robustness(trained=net, attack=attack, test_size=500)
        for net, attack in (*scaled, *boxes)
    )


def second_look(found):
    """Runs of `sens/second-look`, `sens/table2-strongest` as rows, a network and attack a row."""
    rows = {}
    for run, record in found:
        three = isinstance(run.attack, attacks.Ensemble)
        key = run.trained.variant.label, "worst of three" if three else "steps of eps"
        row = rows.setdefault(key, {"variant": key[0], "attack": key[1]})
        side = "in_box" if three or run.attack.box else "without_box"
        row[side] = _proportion(record, "robust_accuracy")
    return list(rows.values())


def _at(attack, eps):
    """An attack at another radius, its steps scaled alike."""
    step = getattr(attack, "step_size", None)
    return replace(attack, eps=eps, **({} if step is None else {"step_size": step * eps / 0.3}))


def _strongest(scale):
    """Every row of table 2's PGD networks under the worst of three kinds of attack."""
    if scale not in SCALES:
        return ()
    attack, size = STRONGEST, 500
    if scale == "smoke":
        eps, size = _evaluation(scale)[0].eps, 50
        short = tuple(
            replace(_at(one, eps), queries=20)
            if isinstance(one, attacks.SquareSearch)
            else replace(_at(one, eps), steps=5)
            for one in STRONGEST.members
        )
        attack = replace(STRONGEST, eps=eps, members=short)
    return tuple(
        sens.Robustness(trained=net, attack=attack, test_size=size)
        for net in _pgd(_networks(scale)).values()
    )


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Images attacked on one network, shown to another.

    Attributes
    ----------
    trained, source : Training
        Who is tested, on its own variant's images, and who is attacked with them.
    attack : attacks.PGD
    test_size : int
    """

    trained: Training
    source: Training
    attack: attacks.PGD
    test_size: int

    def measure(self, context):
        model, source = (trained(one, context)[0] for one in (self.trained, self.source))
        x, y = self.trained.split("test", context, self.test_size)
        generator = torch.Generator(x.device).manual_seed(0)
        x_adv = robustness.attacked(source, x, y, self.attack, generator)
        return {
            "clean_accuracy": intervals.proportion((robustness.predict(model, x) == y).cpu()),
            "robust_accuracy": intervals.proportion((robustness.predict(model, x_adv) == y).cpu()),
        }


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Robust accuracy against the radius.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD
    radii : tuple of float
    test_size : int
    """

    trained: Training
    attack: attacks.PGD
    radii: tuple[float, ...]
    test_size: int

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.test_size)
        most = torch.bincount(y).max().item() / len(y)
        return {
            "most_frequent": most,
            "curve": robustness.curve(model, x, y, self.attack, self.radii),
        }


@dataclass(frozen=True, kw_only=True)
class LossAlong:
    """Mean loss along the sign of each image's gradient and along random signs, in the box.

    Where gradients are masked the first does not rise above the second. Images whose gradient is
    zero in every pixel, at the image or at a random point of the ball, are counted.

    Attributes
    ----------
    trained : Training
    eps : float
        End of the way, pixel units.
    points : int
    test_size : int
    """

    trained: Training
    eps: float
    points: int
    test_size: int

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.test_size)
        generator = torch.Generator(x.device).manual_seed(0)

        def slope(images):
            return attacks.gradient(lambda at: losses.cross_entropy(model(at), y), images)

        at_image = slope(x)
        start = (x + norms.random_point(x, "linf", self.eps, generator)).clamp(0, 1)
        at_random = slope(start)
        ways = {
            "gradient": at_image.sign(),
            "random": norms.random_point(x, "linf", 1, generator).sign(),
        }
        steps = [self.eps * k / self.points for k in range(self.points + 1)]
        with torch.no_grad():
            along = {
                name: [
                    losses.cross_entropy(model((x + e * way).clamp(0, 1)), y).mean().item()
                    for e in steps
                ]
                for name, way in ways.items()
            }
        flat = {
            name: intervals.proportion((g.flatten(1).abs().amax(1) == 0).cpu())
            for name, g in (("flat_at_image", at_image), ("flat_at_random", at_random))
        }
        return {"eps": steps, "loss": along, **flat}


def _checks(scale):
    """`CHECKS` at the radius of a scale; the searches are too long for "smoke"."""
    eps = _evaluation(scale)[0].eps
    return {
        name: _at(check, eps)
        for name, check in CHECKS.items()
        if scale != "smoke" or not isinstance(check, attacks.SquareSearch)
    }


def _masking(scale):
    """Each check by itself, on the networks of binarised and of original data."""
    if scale not in SCALES:
        return ()
    nets, (attack, size) = _networks(scale), _evaluation(scale)
    size = min(size, 500)
    runs = []
    for label in ("binarized", "original"):
        net = nets[label, "Adversarial"]
        runs += [
            sens.Robustness(trained=net, attack=check, test_size=size)
            for check in _checks(scale).values()
        ]
        runs += [
            Transfer(trained=net, source=source, attack=attack, test_size=size)
            for source in (
                nets[label, "Natural"],
                nets["original" if label == "binarized" else "binarized", "Adversarial"],
            )
        ]
        runs += [
            LossAlong(trained=net, eps=0.5, points=20, test_size=size),
            Curve(trained=net, attack=replace(attack, keep="first"), radii=RADII, test_size=size),
        ]
    return tuple(runs)


def _name(run):
    """What a check is called on a page."""
    if isinstance(run, sens.Robustness):
        names = {a: name for scale in SCALES for name, a in _checks(scale).items()}
        return names[run.attack]
    which = "the same" if run.source.variant == run.trained.variant else "the other"
    kind = "standard" if isinstance(run.source.objective, objectives.Natural) else "PGD"
    return f"made on the {kind} network of {which} data"


def checks(found):
    """Runs of `sens/table2` and `sens/masking` as rows, one attack a row; on the same images."""
    attacked = [
        (run, record)
        for run, record in found
        if isinstance(run, Transfer)
        or (isinstance(run, sens.Robustness) and run.attack not in _plain())
    ]
    boxed = {
        run.trained: record
        for run, record in found
        if isinstance(run, sens.Robustness) and run.attack in _plain()
    }
    first, rows = {"attack": "table 2: PGD, 40 steps, the last"}, {}
    for run, record in attacked:
        label, name = run.trained.variant.label, _name(run)
        rows.setdefault(name, {"attack": name})[label] = _proportion(record, "robust_accuracy")
        before = boxed.get(run.trained)
        first[label] = _proportion(before, "robust_accuracy", run.test_size)
    return [first, *rows.values()]


def _plain():
    """The attacks of table 2, scale by scale."""
    return [_evaluation(scale)[0] for scale in SCALES]


def worst_of_three(found):
    """Runs of `sens/table2` and `sens/table2-strongest` as rows, a variant a row."""
    boxed = {
        run.trained: record for run, record in found if not isinstance(run.attack, attacks.Ensemble)
    }
    return [
        {
            "variant": run.trained.variant.label,
            "robust_acc": _proportion(boxed.get(run.trained), "robust_accuracy", run.test_size),
            "strongest": _proportion(record, "robust_accuracy"),
        }
        for run, record in found
        if isinstance(run.attack, attacks.Ensemble)
    ]


def _table1(scale):
    """PGD networks of scaled variants; the first target before the others."""
    if scale not in SCALES:
        return ()
    base, (attack, size) = _networks(scale)["original", "Adversarial"], _evaluation(scale)
    return tuple(
        sens.Robustness(trained=replace(base, variant=variant), attack=attack, test_size=size)
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
        if isinstance(run, sens.Robustness)
        and isinstance(run.trained.objective, objectives.Adversarial)
        and run.trained.seed == 0
    }
    size = min([run.test_size for run, _ in found if getattr(run, "test_size", None)] or [IMAGES])
    far = {
        run.variant.label: record["result"]["distance"]
        for run, record in found
        if isinstance(run, sens.InterClass)
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
                f"robust_acc_{kind}": _proportion(nets.get(name), "robust_accuracy", size)
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
    nets, (attack, size) = _networks(scale), _evaluation(scale)
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
    return [record["result"][split][key]] if record and record["status"] == "ok" else []


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
    variants = list(dict.fromkeys(run.trained.variant.label for run, _ in found))
    widths = sorted({run.trained.model.width for run, _ in found})
    return [
        {"training": training, "metric": metric, "variant": variant}
        | {
            f"{split}_w{width:g}": _train_test(cells.get((variant, kind, width)), split, key)
            for split in ("train", "test")
            for width in widths
        }
        for training, metric, kind, key in BLOCKS
        for variant in variants
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


def _figure4(scale):
    """Sample size: steps unchanged, weight decay .002 (section 5.3), nested balanced subsets."""
    sizes = {"smoke": (100, 500), "cpu": SIZES}.get(scale, ())
    if not sizes:
        return ()
    nets, (attack, images) = _networks(scale), _evaluation(scale)
    runs = []
    for size in sizes:
        for (label, kind), net in nets.items():
            if label not in ("binarized", "original"):
                continue
            old, steps = net.recipe, net.recipe.length(net.train_size)[1]
            batches = math.ceil(size / old.batch_size)
            ramp = round(old.ramp_epochs * steps / old.epochs / batches)
            recipe = replace(
                old,
                epochs=math.ceil(steps / batches),
                steps=steps,
                ramp_epochs=ramp,
                weight_decay=0.002,
            )
            fields = {name: value for name, value in vars(net).items()}
            fields |= {"recipe": recipe, "train_size": size}
            runs.append(
                TrainTest(
                    trained=BalancedTraining(**fields),
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
    nets, (attack, size) = _networks(scale), _evaluation(scale)
    return tuple(
        sens.Robustness(
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


@dataclass(frozen=True, kw_only=True)
class Certified:
    """Train for a certificate, then bound the error from above and, by an attack, from below.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD
        Its radius is that of the certificates.
    test_size : int
        Images of the interval bounds, which are cheap.
    images : int
        Of the exact dual, with or without the box as in training: half a second an image.
    attacked : int
        Of the attack.
    """

    trained: Training
    attack: attacks.PGD
    test_size: int | None
    images: int
    attacked: int

    def measure(self, context):
        model, history = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.test_size)
        right = (robustness.predict(model, x) == y).cpu()
        found = {"training": history, "clean_accuracy": intervals.proportion(right)}
        box, eps = self.trained.objective.box, self.attack.eps
        for key, cut in (("interval_no_box", False), ("interval_box", True)):
            found[key] = certified.certified_error(model, x, y, eps, "interval", cut)
        few = x[: self.images], y[: self.images]
        found["dual"] = certified.certified_error(model, *few, eps, "dual", box)
        some = x[: self.attacked], y[: self.attacked]
        attacked = robustness.accuracies(model, *some, self.attack)["robust_accuracy"]
        return found | {"robust_accuracy": attacked}


def _certified(scale):
    """Interval training of A-LPCONV, the ball cut to [0, 1] or not, on binarised and original."""
    if scale == "smoke":
        recipe = training.Recipe(
            lr=2e-3, epochs=8, batch_size=25, ramp_epochs=4, schedule="constant"
        )
        data, size, test_size, images, attacked, eps = "digits", 1000, 200, 2, 100, 0.05
    elif scale == "cpu":
        # With the one-cycle schedule of table 2 training stays at chance (tried on binarised).
        recipe = training.Recipe(
            lr=1e-3, epochs=20, batch_size=50, ramp_epochs=12, schedule="constant"
        )
        data, size, test_size, images, attacked, eps = "mnist", 10_000, None, 50, 1000, 0.3
    else:
        return ()
    attack = sens.STUDIES[0].at(scale)[0].attack
    return tuple(
        Certified(
            trained=Training(
                data=data,
                variant=variant,
                model=models.ConvNet(),
                objective=objectives.Intervals(eps=eps, box=box),
                recipe=recipe,
                train_size=size,
            ),
            attack=_at(attack, eps),
            test_size=test_size,
            images=images,
            attacked=attacked,
        )
        for box in (False, True)
        for variant in (transforms.Binarize(), transforms.Original())
    )


def certificates(found):
    """Runs and records of `sens/lp-bmnist` as rows, one training a row.

    ``few`` is the interval bound on the dual's images, with or without the box as in training.
    """
    keys = ("interval_no_box", "interval_box", "dual")
    return [
        {
            "variant": run.trained.variant.label,
            "box": run.trained.objective.box,
            "clean_acc": _proportion(record, "clean_accuracy"),
            "robust_acc": _proportion(record, "robust_accuracy"),
            "few": _proportion(record, keys[run.trained.objective.box], run.images),
        }
        | {key: _proportion(record, key) for key in keys}
        for run, record in found
    ]


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
        id="sens/table2-strongest",
        title="Every PGD network of table 2 under the worst of three kinds of attack",
        runs=_strongest,
        minutes={"smoke": 0.02, "cpu": 0.7},
    ),
    Study(
        id="sens/second-look",
        title="Tables 1 and 7 by stronger attacks, where K-M is too weak",
        runs=_second_look,
        minutes={"cpu": 0.6},
    ),
    Study(
        id="sens/masking",
        title="Are gradients masked? Binarised and original MNIST, check by check",
        runs=_masking,
        minutes={"smoke": 0.01, "cpu": 0.2},
    ),
    Study(
        id="sens/table1",
        title="Scaled MNIST at the distance of a smoothed variant",
        runs=_table1,
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
        id="sens/lp-bmnist",
        title="Certified training on binarised and original MNIST",
        runs=_certified,
        minutes={"smoke": 0.1, "cpu": 2},
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
