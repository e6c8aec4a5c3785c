"""Studies of figure 2 of Wu et al.: networks and their perturbed versions under corruptions."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import nn

from ... import corruptions, models, objectives, pruning, records, training, transforms
from ...intervals import proportion
from .. import Study, Training, trained

#: The versions of figure 2 by the network's role: the paper's names and its p.
PERTURBED = {
    "AlexNet": {
        "AlexNet(M1P30)": pruning.M1(p=30),
        "AlexNet(M3P50)": pruning.M3(p=50),
    },
    "ResNet18": {
        "ResNet(M1P25)": pruning.M1(p=25),
        "ResNet(M2P75)": pruning.M2(p=75),
    },
}
#: Not in the paper: each method, and noise of the size of its change, at several p.
METHODS = (
    pruning.M1(p=0),
    pruning.M2(p=0),
    pruning.M3(p=0),
    pruning.Noise(p=0, like="M1"),
    pruning.Noise(p=0, like="M2"),
)


@dataclass(frozen=True, kw_only=True)
class Corrupted:
    """Accuracy of a trained network and of its perturbed versions under common corruptions.

    Attributes
    ----------
    role : {"AlexNet", "ResNet18"}
        Whose place in figure 2 the network takes; decides the paper's versions of it.
    trained : Training
    layer : str
        The dense layer that M1, M2 and M3 change.
    ps : tuple of int
        Per cent at which every method is tried beside the paper's versions; () for none.
    test_size : int
        The first so many test images.
    seed : int
        Of the corruptions: networks of one seed see the same images.
    version : int
        Of the corruptions.
    """

    role: str
    trained: Training
    layer: str
    ps: tuple[int, ...]
    test_size: int
    seed: int = 0
    version: int = corruptions.Corruption.VERSION

    def measure(self, context):
        model, history = trained(self.trained, context)
        train, _ = self.trained.split("train", context)
        x, y = self.trained.split("test", context, self.test_size)
        sets = _corrupted(self.trained.data, self.test_size, self.seed, context)

        def images(kind, severity):
            return (sets[kind, severity].to(context.device).float() / 255,)

        found = _under_corruptions(self, model, train, (x,), y, images)
        return {"train_accuracy": history[-1]["accuracy"], **found}


@dataclass(frozen=True, kw_only=True)
class CorruptedImageNet:
    """The same for torchvision's weights on a folder of ImageNet's validation images, 224 x 224.

    The images are corrupted by `corruptions`, not read from the published ImageNet-C.

    Attributes
    ----------
    role, layer, ps, test_size, seed, version
        As for `Corrupted`.
    model : models.AlexNet or models.ResNet18
        Pretrained.
    train_size : int
        So many training images decide how active a unit is.
    """

    role: str
    model: object
    layer: str
    ps: tuple[int, ...]
    test_size: int
    train_size: int
    seed: int = 0
    version: int = corruptions.Corruption.VERSION

    def measure(self, context):
        model = self.model(seed=0).to(context.device).eval()
        test = context.load("imagefolder", "test", self.test_size)
        if len(test.classes) != self.model.classes:
            raise ValueError(
                f"the folder has {len(test.classes)} classes; torchvision's weights tell "
                f"{self.model.classes} apart: all of ImageNet's folders have to be there"
            )
        train = context.load("imagefolder", "train", self.train_size).x
        parts = test.x.split(50)

        def images(kind, severity):
            corrupt = corruptions.Corruption(kind=kind, severity=severity, seed=self.seed)
            return (corrupt(part) for part in parts)

        return _under_corruptions(self, model, train, parts, test.y, images)


def _under_corruptions(run, model, train, clean, y, images):
    """What `Corrupted` and `CorruptedImageNet` keep; ``images(kind, severity)``: parts of a set."""
    active = pruning.activity(model, train, run.layer)
    lower, upper = _cut(model, run.layer)
    methods = dict(PERTURBED[run.role])
    methods |= {(m.label, p): replace(m, p=p) for m in METHODS for p in run.ps}
    versions = {run.role: upper}
    versions |= {k: replace(m, layer=run.layer)(upper, active) for k, m in methods.items()}

    @torch.no_grad()
    def right(parts):
        below = [lower(part) for whole in parts for part in whole.split(500)]
        return {
            key: (torch.cat([version(b).argmax(1) for b in below]) == y).cpu()
            for key, version in versions.items()
        }

    asis = right(clean)
    under = {
        kind: [right(images(kind, severity)) for severity in corruptions.SEVERITIES]
        for kind in corruptions.KINDS
    }
    return {
        "always_active": (active == 1).double().mean().item(),
        "versions": {
            name: {"clean": proportion(asis[name])}
            | {kind: [proportion(r[name]) for r in found] for kind, found in under.items()}
            for name in (run.role, *PERTURBED[run.role])
        },
        "grid": [
            {"method": label, "p": p, "clean": _mean([asis[label, p]])}
            | {kind: _mean([r[label, p] for r in found]) for kind, found in under.items()}
            for label, p in ((m.label, p) for m in METHODS for p in run.ps)
        ],
    }


def _mean(rights):
    """The share of True in tensors of one length."""
    return round(torch.stack(rights).double().mean().item(), 6)


def _cut(model, layer):
    """The network before and from the layer on, where it can be cut; else nothing and all."""
    if isinstance(model, nn.Sequential) and layer in model._modules:
        return pruning.split(model, layer)
    return nn.Identity(), model


@lru_cache(maxsize=1)
def _corrupted(name, size, seed, context):
    """The first so many test images under every corruption: {(kind, severity): uint8}.

    Kept in memory, so that the runs of one process make them once.
    """
    x = context.load(name, "test", size).x
    sets = {}
    for kind in corruptions.KINDS:
        for severity in corruptions.SEVERITIES:
            new = corruptions.Corruption(kind=kind, severity=severity, seed=seed)(x)
            sets[kind, severity] = (255 * new).round().byte()
    return sets


def _stand_in(role, scale):
    """A network in the place of AlexNet or ResNet18, and the layer that the methods change."""
    long = scale == "gpu"
    name, size = ("digits", 1000) if scale == "smoke" else ("cifar10", None)
    common = {"epochs": 30 if long else 2, "batch_size": 100}
    common |= {"augmentation": training.CropFlip()} if long else {}
    if scale == "smoke":
        recipe, layer = training.Recipe(lr=3e-3, epochs=6, batch_size=50), "fc2"
        model = models.MLP(sizes=(784, 64, 64, 10))
        if role == "ResNet18":
            model = models.LeNet(width=0.125)
    elif role == "AlexNet":
        recipe, layer = training.Recipe(lr=1e-3 if long else 2e-3, **common), "fc2"
        model = models.CifarAlexNet(channels=(24, 48, 64), hidden=256, dropout=0.2)
        if long:
            model = models.CifarAlexNet()
    else:
        model, layer = models.WideResNet(depth=16 if long else 10, width=4 if long else 1), "fc"
        decay = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 5e-4}
        recipe = training.Recipe(lr=0.1, **decay, **common)
    setting = Training(
        data=name,
        variant=transforms.Original(),
        model=model,
        objective=objectives.Natural(),
        recipe=recipe,
        train_size=size,
    )
    return setting, layer


def _fig2_cifar(scale):
    """PROTOCOLS 8.3, reduced: CIFAR-10 and two small networks for ImageNet and the pretrained."""
    if scale == "paper":
        return ()
    return tuple(
        Corrupted(
            role=role,
            trained=setting,
            layer=layer,
            ps=(10, 25, 50, 75, 90),
            test_size={"smoke": 60, "cpu": 500, "gpu": 10_000}[scale],
        )
        for role in PERTURBED
        for setting, layer in [_stand_in(role, scale)]
    )


def _fig2(scale):
    """The paper's networks and versions; our corruptions of a folder of ImageNet's images."""
    if scale not in ("gpu", "paper"):
        return ()
    kinds = (
        ("AlexNet", models.AlexNet(pretrained=True), "net.classifier.4"),
        ("ResNet18", models.ResNet18(pretrained=True), "net.fc"),
    )
    return tuple(
        CorruptedImageNet(
            role=role,
            model=model,
            layer=layer,
            ps=(),
            test_size=500 if scale == "gpu" else 50_000,
            train_size=5000 if scale == "gpu" else 50_000,
        )
        for role, model, layer in kinds
    )


def versions(found):
    """Accuracies of the versions of figure 2, as measured, a row for each.

    Parameters
    ----------
    found : list of (run, record or None)
        Of `idio/fig2-cifar` or `idio/fig2`.

    Returns
    -------
    list of dict
        ``model``, the paper's name of the version whose place it takes, and by "clean" and
        "<kind> <severity>" lists of `intervals.proportion` over seeds.
    """
    columns = [f"{kind} {s}" for kind in corruptions.KINDS for s in corruptions.SEVERITIES]
    rows = {
        name: {"model": name} | {column: [] for column in ("clean", *columns)}
        for role, changed in PERTURBED.items()
        for name in (role, *changed)
    }
    for _, record in found:
        if records.result(record) is None:
            continue
        for name, measured in record["result"]["versions"].items():
            rows[name]["clean"].append(measured["clean"])
            for kind in corruptions.KINDS:
                for severity, share in zip(corruptions.SEVERITIES, measured[kind], strict=True):
                    rows[name][f"{kind} {severity}"].append(share)
    return list(rows.values())


def pooled(found):
    """`versions`, to be judged by the pooled score of `points` and not by RmCE."""
    return [row | {"score": "pooled"} for row in versions(found)]


def points(rows, base="AlexNet"):
    """Places in figure 2 and group means of rows of accuracies.

    Parameters
    ----------
    rows : list of dict
        As `versions` gives them, each cell one number in per cent, or None.
    base : str
        The model that the coordinates are relative to.

    Returns
    -------
    dict
        Model -> ``accuracy`` and ``robustness`` (`corruptions.coordinates`), ``pooled``, what
        robustness is if the losses to all corruptions are added up before they are divided, and by
        group of corruptions the mean accuracy, fractions. A score is NaN where the base loses
        nothing to some corruption. Models with a cell missing are left out; without the base there
        are none.
    """
    whole = {}
    for row in rows:
        numbers = {key: value for key, value in row.items() if not isinstance(value, str)}
        if None not in numbers.values():
            by_kind = {
                kind: [numbers[f"{kind} {s}"] / 100 for s in corruptions.SEVERITIES]
                for kind in corruptions.KINDS
            }
            whole[row["model"]] = numbers["clean"] / 100, by_kind
    if base not in whole:
        return {}
    losses = {
        name: [sum(clean - v for v in kind) for kind in under.values()]
        for name, (clean, under) in whole.items()
    }
    defined = 0 not in losses[base] and sum(losses[base]) != 0
    clean = whole[base][0]
    places = {}
    for name, own in whole.items():
        place = {"accuracy": own[0] / clean - 1, "robustness": math.nan, "pooled": math.nan}
        if defined:
            place = corruptions.coordinates(*own, *whole[base])
            place["pooled"] = 1 - sum(losses[name]) / sum(losses[base])
        places[name] = place | corruptions.group_accuracies(own[1])
    return places


def table(found):
    """`versions` in the shape of the appendix's table 1, a number for each seed."""
    rows = versions(found)
    seeds = max((len(row["clean"]) for row in rows), default=0)
    cells = {row["model"]: {} for row in rows}
    for k in range(seeds):
        one = [
            {
                key: value
                if key == "model"
                else 100 * value[k]["value"]
                if k < len(value)
                else None
                for key, value in row.items()
            }
            for row in rows
        ]
        for name, place in points(one).items():
            for key in ("accuracy", "robustness"):
                cells[name].setdefault(f"{key}_coordinate", []).append(place[key])
            for key in corruptions.GROUPS:
                cells[name].setdefault(f"acc_{key}", []).append(place[key])
    empty = {"accuracy_coordinate": [], "robustness_coordinate": []}
    empty |= {f"acc_{group}": [] for group in corruptions.GROUPS}
    return [
        {"model": name, "details_source": "measured"} | {k: own.get(k, v) for k, v in empty.items()}
        for name, own in cells.items()
    ]


STUDIES = (
    Study(
        id="idio/fig2",
        title="Weights removed after training: ImageNet's corruptions, pretrained networks",
        runs=_fig2,
        minutes={"gpu": 60, "paper": 6000},
        table="idio_appendix_table1",
        rows=table,
    ),
    Study(
        id="idio/fig2-cifar",
        title="Weights removed after training: corrupted CIFAR-10, two small networks",
        runs=_fig2_cifar,
        minutes={"smoke": 0.1, "cpu": 3, "gpu": 15},
    ),
)
