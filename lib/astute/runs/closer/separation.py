"""How far apart the classes are, and the classifier that this allows."""

import base64
from dataclasses import dataclass

import numpy as np
import torch

from ... import data, records, separation
from ...intervals import proportion
from .. import Study

#: The paper's names and attack radii, pixel units (table on section 2's last slide).
SEPARATED = {
    "mnist": ("MNIST", 0.1),
    "cifar10": ("CIFAR-10", 0.031),
    "svhn": ("SVHN", 0.031),
    "digits": ("digits", 0.1),
}


def _pixels(name, split, context, limit=None):
    """Images as 8-bit levels: with these, distances are whole numbers."""
    return data.pixels(name, split, limit=limit, root=context.data_root or None)


@dataclass(frozen=True, kw_only=True)
class Separation:
    """The least linf distance between two classes: all images, all pairs, none removed.

    Attributes
    ----------
    data : str
    split : {"train", "test"}
        Training images against training images, or test images against training images.
    limit : int or None
        The first so many training images; None for all.
    """

    data: str
    split: str
    limit: int | None = None

    def measure(self, context):
        train = _pixels(self.data, "train", context, self.limit)
        others = ()
        if self.split != "train":
            part = _pixels(self.data, self.split, context)
            others = part.x, part.y
        pair = separation.least_distance(train.x, train.y, *others)
        labels = (others[1] if others else train.y)[pair.i], train.y[pair.j]
        return {
            "distance": pair.distance,
            "levels": round(255 * pair.distance),
            "pair": [pair.i, pair.j],
            "labels": [int(label) for label in labels],
            "n": [len(others[1]) if others else len(train), len(train)],
        }


@dataclass(frozen=True, kw_only=True)
class ClosestPair:
    """The two images of different classes that are nearest, to be looked at.

    Attributes
    ----------
    data : str
    split : {"train", "test"}
        As for `Separation`.
    """

    data: str
    split: str

    def measure(self, context):
        train = _pixels(self.data, "train", context)
        other = train if self.split == "train" else _pixels(self.data, self.split, context)
        found = separation.least_distance(
            train.x, train.y, *(() if other is train else (other.x, other.y))
        )
        pair = [(other, found.i), (train, found.j)]
        return {
            "levels": round(255 * found.distance),
            "places": [found.i, found.j],
            "names": [part.classes[int(part.y[k])] for part, k in pair],
            "shape": list(train.x.shape[1:]),
            "pixels": [
                base64.b64encode(part.x[k].cpu().numpy().tobytes()).decode() for part, k in pair
            ],
        }


def pixels(result):
    """The images that a record holds, such as a `ClosestPair`'s: (N, C, H, W) floats in [0, 1]."""
    flat = [np.frombuffer(base64.b64decode(text), np.uint8) for text in result["pixels"]]
    return np.stack(flat).reshape(-1, *result["shape"]) / 255


@dataclass(frozen=True, kw_only=True)
class NearestNeighbour:
    """The nearest training image in l2 decides: accuracy, and astuteness from both sides.

    From below: x is certified at eps (linf) if its nearest image a of the own class stays nearer
    than every image b of other classes. That is linear in x,
    2 (b - a) . x < |b|^2 - |a|^2, and in the ball costs eps |b - a|_1 on the left at worst. From
    above: the attack steps towards each of the nearest images of other classes, and along the
    sign of b - a, which is the worst step for that one pair.

    Attributes
    ----------
    data : str
    eps : float
        Radius of the linf ball, pixel units.
    tested : int
        The first so many test images.
    rivals : int
        Images of other classes that the attack goes for.
    """

    data: str
    eps: float
    tested: int
    rivals: int = 20

    def measure(self, context):
        train = context.load(self.data, "train")
        test = context.load(self.data, "test", self.tested)
        base = train.x.flatten(1)
        right, certified, astute = [], [], []
        for x, y in zip(test.x.flatten(1), test.y, strict=True):
            own, rest = base[train.y == y], base[train.y != y]
            to_own, to_rest = ((part - x).square().sum(1) for part in (own, rest))
            a = own[to_own.argmin()]
            right.append(bool(to_own.min() < to_rest.min()))
            slack = to_rest - to_own.min() - 2 * self.eps * (rest - a).abs().sum(1)
            certified.append(bool(slack.min() > 0))
            near = rest[to_rest.topk(self.rivals, largest=False).indices]
            moved = [x + (near - x).clamp(-self.eps, self.eps), x + self.eps * (near - a).sign()]
            moved = torch.cat(moved).clamp(0, 1)
            nearest = torch.cdist(moved, base).argmin(1)
            astute.append(right[-1] and bool((train.y[nearest] == y).all()))
        return {
            "accuracy": proportion(right),
            "certified": proportion(certified),
            "attacked": proportion(astute),
        }


@dataclass(frozen=True, kw_only=True)
class DistanceClassification:
    """Theorem 2's classifier on the training images, and what it is worth on the test images.

    Attributes
    ----------
    data : str
    eps : float
        Radius of the test images' certificate and attack, pixel units.
    attacked : int
        The first so many training images are attacked, besides the closest pair.
    seed : int
        Of the random corners.
    """

    data: str
    eps: float
    attacked: int
    seed: int = 0

    def measure(self, context):
        train = _pixels(self.data, "train", context)
        pair = separation.least_distance(train.x, train.y)
        f = separation.DistanceClassifier(x=train.x, y=train.y, r=pair.distance / 2)
        levels = round(255 * pair.distance)
        inside = (levels - 1) // 2  # the last whole level below r
        return {
            "separation_levels": levels,
            "inside_levels": inside,
            "n_train": len(train),
            "train": self._trained_on(f, [pair.i, pair.j], inside),
            "at_r": _at_r(f, [pair.i, pair.j]),
            "test": self._held_out(train, _pixels(self.data, "test", context)),
        }

    def _trained_on(self, f, pair, inside):
        """Training images in the largest ball of whole levels below r, attacked in two ways."""
        chosen = torch.tensor([*range(self.attacked), *pair])
        x, y = f.x[chosen], f.y[chosen]
        z = f.x[separation.nearest_other_class(f.x, f.y, x, y).index]
        generator = torch.Generator().manual_seed(self.seed)
        sign = 2 * torch.randint(2, x.shape, generator=generator, dtype=torch.int16) - 1
        corner = (x + inside * sign).clamp(0, 255).byte()
        clean, found, steepest = f(x), {}, 0.0
        attacks = {"towards": separation.towards(x, z, inside / 255, away=x), "corners": corner}
        for name, x_adv in attacks.items():
            scores = f(x_adv)
            found[name] = proportion(_margin(scores, y) > 0)
            moved = (x_adv.short() - x.short()).abs().flatten(1).amax(1).clamp_min(1).double()
            slope = ((scores - clean).abs().amax(1) * f.r * 255 / moved).max().item()
            steepest = max(steepest, slope)
        return found | {"lipschitz_times_r": steepest}

    def _held_out(self, train, test):
        """The nearest-neighbour rule on test images: certificate, and attacks, at eps."""
        other, own = _neighbours(train, test.x, test.y)
        margin, survives = _gap(other, own), True
        z, w = train.x[other.index], train.x[own.index]
        for away in (None, w):
            x_adv = separation.towards(test.x, z, self.eps, away)
            survives &= _gap(*_neighbours(train, x_adv, test.y)) > 0
        return {
            "accuracy": proportion(margin > 0),
            "ties": float((margin == 0).mean()),
            "certified": proportion(margin > 2 * 255 * self.eps),
            "attacked": proportion((margin > 0) & survives),
        }


def _neighbours(train, x, y):
    """The nearest training images of other classes and of the own one."""
    return (
        separation.nearest_other_class(train.x, train.y, x, y),
        separation.nearest_own_class(train.x, train.y, x, y),
    )


def _gap(other, own):
    """Distance to the other classes minus distance to the own one, levels: (M,)."""
    return ((other.distance - own.distance) * 255).round()


def _margin(scores, y):
    """(M, K), (M,) -> (M,): least score of the other classes minus the label's."""
    own = scores.gather(1, y[:, None])[:, 0]
    return scores.scatter(1, y[:, None], float("inf")).amin(1) - own


def _at_r(f, pair):
    """The closest pair, each moved by all of r towards the other: margins, and who is right."""
    x, y = f.x[pair], f.y[pair]
    scores = f(separation.towards(x, x.flip(0), f.r))
    return {
        "margins": _margin(scores, y).tolist(),
        "right": (scores.argmin(1) == y).tolist(),  # a tie goes to the lowest label
    }


def _data(scale):
    """Separation is no matter of scale; SVHN has to be fetched."""
    return {"smoke": ("digits",), "paper": ("mnist", "cifar10", "svhn")}.get(
        scale, ("mnist", "cifar10")
    )


def _separation(scale):
    return tuple(Separation(data=d, split=s) for d in _data(scale) for s in ("train", "test"))


def _by_size(scale):
    """The first n training images, n doubling."""
    if scale == "smoke":
        return tuple(Separation(data="digits", split="train", limit=n) for n in (180, 359, 718))
    return tuple(
        Separation(data=d, split="train", limit=n)
        for d in ("mnist", "cifar10")
        for n in (500, 1000, 2000, 4000, 8000, 16_000, 32_000)
    )


def _pairs(scale):
    return tuple(ClosestPair(data=d, split=s) for d in _data(scale) for s in ("train", "test"))


def _neighbour(scale):
    """The nearest-neighbour rule at the paper's radius; 300 images take minutes."""
    tested = 50 if scale == "smoke" else 300
    return tuple(
        NearestNeighbour(data=d, eps=SEPARATED[d][1], tested=tested)
        for d in _data(scale)
        if d in ("digits", "mnist")
    )


def _theorem(scale):
    """PROTOCOLS: the distance classifier at r = separation / 2."""
    attacked = 50 if scale == "smoke" else 1000
    return tuple(
        DistanceClassification(data=d, eps=SEPARATED[d][1], attacked=attacked)
        for d in _data(scale)
        if d != "svhn"  # it holds one image under two labels: r would be 0
    )


def separation_table(found):
    """Runs and records of `closer/separation` as rows of the paper's table."""
    rows = {}
    for run, record in found:
        name, eps = SEPARATED[run.data]
        row = rows.setdefault(run.data, {"dataset": name, "eps": eps})
        result = records.result(record)
        row[f"min_{run.split}_train_separation"] = result and result["distance"]
    return list(rows.values())


def theorem_table(found):
    """Runs and records of `closer/theorem`, one data set a row; proportions as lists."""
    rows = []
    for run, record in found:
        row = {"dataset": SEPARATED[run.data][0], "eps": run.eps}
        result = records.result(record)
        for part, key in (
            *(("train", "towards"), ("train", "corners")),
            *(("test", "accuracy"), ("test", "certified"), ("test", "attacked")),
        ):
            row[f"{part}_{key}"] = [result[part][key]] if result else []
        row["lipschitz_times_r"] = result and result["train"]["lipschitz_times_r"]
        row["separation_levels"] = result and result["separation_levels"]
        row["inside_levels"] = result and result["inside_levels"]
        row["test_ties"] = result and result["test"]["ties"]
        row["right_at_r"] = result and sum(result["at_r"]["right"])
        rows.append(row)
    return rows


STUDIES = (
    Study(
        id="closer/separation",
        title="Least distance between two classes, all pairs",
        runs=_separation,
        minutes={"smoke": 0.01, "cpu": 0.1, "gpu": 0.1, "paper": 0.1},
        table="closer_separation",
        rows=separation_table,
    ),
    Study(
        id="closer/separation-by-size",
        title="The same among the first n training images",
        runs=_by_size,
        minutes={"smoke": 0.01, "cpu": 0.05, "gpu": 0.05, "paper": 0.05},
    ),
    Study(
        id="closer/theorem",
        title="The distance classifier, built and attacked",
        runs=_theorem,
        minutes={"smoke": 0.1, "cpu": 3, "gpu": 3, "paper": 3},
    ),
    Study(
        id="closer/closest-pairs",
        title="The nearest two images of different classes",
        runs=_pairs,
        minutes={"smoke": 0.01, "cpu": 0.1, "gpu": 0.1, "paper": 0.1},
    ),
    Study(
        id="closer/nearest-neighbour",
        title="The nearest training image decides: accuracy and astuteness",
        runs=_neighbour,
        minutes={"smoke": 0.1, "cpu": 5, "gpu": 1, "paper": 1},
    ),
)
