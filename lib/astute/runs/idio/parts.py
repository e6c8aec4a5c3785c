"""Studies of the parts of an image that Wu et al. speak of: planted ones, and frequencies.

In `Planted` images the parts are known; in `Bands` of MNIST and CIFAR-10 they are an illustration.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import optimize

from ... import attacks, models, objectives, records, robustness, training, transforms
from ...intervals import proportion
from .. import Study, Training, trained


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Made images of 12 x 12 pixels whose three parts are known.

    Visible: a vertical bar for label 1, a horizontal one for label 0, and for a share of the images
    a cross, which tells nothing. Idiosyncratic: a faint chessboard, white first for label 1, black
    first for label 0. Noise: uniform, every pixel by itself.

    Attributes
    ----------
    crosses : float
        Share of images with a cross.
    board, noise : float
        Greatest height of chessboard and noise, pixel units; together at most 0.2.
    """

    crosses: float = 0.2
    board: float = 0.05
    noise: float = 0.02

    def __post_init__(self):
        if not (0 <= self.crosses <= 1 and min(self.board, self.noise) >= 0):
            raise ValueError("crosses is a share, board and noise are heights; got " + repr(self))
        if self.board + self.noise > 0.2:
            raise ValueError(
                f"board and noise may reach 0.2, or pixels leave [0, 1]; got "
                f"{self.board + self.noise:g}"
            )

    def __call__(self, n, seed):
        """``n`` images.

        Returns
        -------
        dict
            ``G``, ``D``, ``S``: Tensors (n, 1, 12, 12) that add up to an image in [0, 1]; ``y``:
            (n,) labels, 0 and 1 in turn; ``bar``: (n,) bool, whether the image has one bar.
        """
        rng = np.random.default_rng(seed)
        row, column = np.indices((12, 12))
        vertical = ((column >= 4) & (column < 8)).astype(float)
        board = np.where((row + column) % 2 == 0, 1.0, -1.0)
        y = np.arange(n) % 2
        visible = np.where(y[:, None, None] == 1, vertical, vertical.T)
        cross = rng.random(n) < self.crosses
        visible[cross] = np.maximum(vertical, vertical.T)
        parts = {
            "G": 0.2 + 0.6 * visible,
            "D": self.board * (2 * y[:, None, None] - 1) * board,
            "S": rng.uniform(-self.noise, self.noise, visible.shape),
        }
        found = {k: torch.tensor(v, dtype=torch.float32)[:, None] for k, v in parts.items()}
        return found | {"y": torch.tensor(y), "bar": torch.tensor(~cross)}


#: What a network may be trained on, as sums of parts.
SUMS = ("G", "GS", "GD", "GDS")


@dataclass(frozen=True, kw_only=True)
class PartsUsed:
    """What a network that was trained on some of the parts goes by.

    Attributes
    ----------
    images : Planted
    trained_on : str
        Parts, such as "GD".
    model : value of `models`
    recipe : training.Recipe
    train_size, test_size : int
    eps : float
        Linf radius of the attack, pixel units; at board + noise all but the visible part can go.
    seed : int
        Of training; test images have a seed of their own.
    """

    images: Planted
    trained_on: str
    model: object
    recipe: training.Recipe
    train_size: int
    test_size: int
    eps: float
    seed: int

    def measure(self, context):
        made = self.images(self.train_size, seed=self.seed)
        x = sum(made[part] for part in self.trained_on).to(context.device)
        model = self.model(seed=self.seed).to(context.device)
        history = training.train(
            model,
            x,
            made["y"].to(context.device),
            objectives.Natural(),
            self.recipe,
            seed=self.seed,
        )
        test = self.images(self.test_size, seed=10_000 + self.seed)
        g, d, s, y = (test[k].to(context.device) for k in ("G", "D", "S", "y"))
        bar = test["bar"]
        attack = attacks.PGD(norm="linf", eps=self.eps, step_size=self.eps / 8, steps=20)
        generator = torch.Generator(context.device).manual_seed(self.seed)
        shown = {
            "G": g,
            "GD": g + d,
            "GDS": g + d + s,
            "G, D of the other label, S": g - d + s,
        }
        right = {k: (robustness.predict(model, v) == y).cpu() for k, v in shown.items()}
        x_adv = robustness.attacked(model, g + d + s, y, attack, generator)
        return {
            "train_accuracy": history[-1]["accuracy"],
            "accuracy": {k: proportion(v) for k, v in right.items()},
            # On images with one bar, where bar and board then say different things.
            "goes_by_the_bar": proportion(right["G, D of the other label, S"][bar]),
            "crosses_right": proportion(right["GDS"][~bar]),
            "robust_accuracy": proportion((robustness.predict(model, x_adv) == y).cpu()),
            "effect": self._effects(model, g, d, s, y, bar.to(context.device)),
        }

    @torch.no_grad()
    def _effects(self, model, g, d, s, y, bar):
        """Logits that each part gives to the right label, on images with one bar.

        Half of what the margin loses when bar or board becomes that of the other label (a bar
        turned by a transposition); for the noise, what it loses without.
        """

        def margin(x):
            logits = model(x[bar])
            return ((logits[:, 1] - logits[:, 0]) * (2 * y[bar] - 1)).mean().item()

        whole = margin(g + d + s)
        return {
            "margin": whole,
            "G": (whole - margin(g.transpose(2, 3) + d + s)) / 2,
            "D": (whole - margin(g - d + s)) / 2,
            "S": whole - margin(g + d),
        }


@dataclass(frozen=True, kw_only=True)
class Bands:
    """A network trained on one band of frequencies, tested on others.

    Attributes
    ----------
    trained : Training
        Its variant is a `transforms.Band`, or the whole image.
    tested : tuple of values of `transforms`
    test_size : int
        The first so many test images.
    """

    trained: Training
    tested: tuple
    test_size: int

    def measure(self, context):
        model, history = trained(self.trained, context)
        whole = context.load(self.trained.data, "test", self.test_size)
        found = {
            variant.label: proportion(
                (robustness.predict(model, variant(whole.x)) == whole.y).cpu()
            )
            for variant in self.tested
        }
        return {"train_accuracy": history[-1]["accuracy"], "accuracy": found}


def band_parts(scale):
    """The whole image, three bands, and the lower two together.

    At scale cpu cut at 6 and 12 cycles an image: up to 6 things look blurred, but are told apart by
    eye. The digits of scale smoke are enlarged from 8 x 8 pixels and have nothing so fine.
    """
    first, second = (2, 4) if scale == "smoke" else (6, 12)
    return (
        transforms.Original(),
        transforms.Band(high=first),
        transforms.Band(low=first, high=second),
        transforms.Band(low=second),
        transforms.Band(high=second),
    )


def _bands(scale):
    """Ours: what a network learns from the low, the middle and the high frequencies alone."""
    if scale not in ("smoke", "cpu"):
        return ()
    if scale == "smoke":
        kinds = [("digits", models.MLP(sizes=(784, 64, 10)), 6, 50, 3e-3, 1000)]
    else:
        kinds = [
            ("mnist", models.LeNet(width=0.25), 4, 100, 2e-3, 10_000),
            ("cifar10", models.ThreeConv(), 5, 100, 2e-3, 20_000),
        ]
    return tuple(
        Bands(
            trained=Training(
                data=name,
                variant=part,
                model=model,
                objective=objectives.Natural(),
                recipe=training.Recipe(lr=lr, epochs=epochs, batch_size=batch),
                train_size=size,
            ),
            tested=band_parts(scale),
            test_size=200 if scale == "smoke" else 2000,
        )
        for name, model, epochs, batch, lr, size in kinds
        for part in band_parts(scale)[:4]
    )


def bands(found):
    """Rows of `idio/bands`: ``data``, ``train`` and by part tested a list of proportions."""
    rows = []
    for run, record in found:
        row = {"data": run.trained.data, "train": run.trained.variant.label}
        result = records.result(record)
        accuracy = result["accuracy"] if result else {}
        rows.append(row | {v.label: [accuracy[v.label]] if result else [] for v in run.tested})
    return rows


#: How x_D lies to x_G and the target in `LinearNorms`.
CASES = ("noise", "along", "shared", "own")
#: What is fitted there: on which parts, and the words for a penalty.
FITS = (("x_G", ""), ("x_G + x_D", ""), ("x_G", ", penalty"), ("x_G + x_D", ", penalty"))


@dataclass(frozen=True, kw_only=True)
class LinearNorms:
    """Norms of linear models trained with and without x_D, with and without the Taylor penalty.

    x_G is Gaussian in ``inputs`` coordinates, the target t = w x_G + noise. x_D is independent
    noise; a multiple of x_G ("along"); or a multiple of the target, in a random direction of x_G's
    coordinates ("shared") or in coordinates where x_G is 0 ("own"). All have mean 0. The penalty is
    the one of the paper's Functions 1 and 2, element by element.

    Attributes
    ----------
    size : float
        Of x_D: standard deviation over that of x_G.
    spread : float
        Standard deviation of the target's noise.
    inputs, own : int
        Coordinates of x_G, and those that x_D has to itself.
    examples, draws : int
        Examples of a training set; training sets, drawn anew.
    seed : int
    """

    size: float = 0.1
    spread: float = 0.5
    inputs: int = 10
    own: int = 1
    examples: int = 200
    draws: int = 20
    seed: int = 0

    def measure(self, context):
        norms = {}
        for k in range(self.draws):
            for case in CASES:
                g, d, t = self._drawn(case, np.random.default_rng([self.seed, k]))
                for loss, fit in (("squared", _least_squares), ("absolute", _least_absolute)):
                    for on, penalty in FITS:
                        w = fit(g + d if "x_D" in on else g, t, d if penalty else None)
                        kept = norms.setdefault(case, {}).setdefault(loss, {})
                        kept = kept.setdefault(on + penalty, {})
                        kept.setdefault("l1", []).append(float(abs(w).sum()))
                        kept.setdefault("l2", []).append(float(np.linalg.norm(w)))
        return {"norms": norms}

    def _drawn(self, case, rng):
        """x_G and x_D, (examples, inputs + own), and the target."""
        n, k = self.examples, self.inputs
        w, direction, hidden = rng.normal(size=k), rng.normal(size=k), rng.normal(size=self.own)
        visible = rng.normal(size=(n, k))
        t = visible @ w + self.spread * rng.normal(size=n)
        g, d = np.zeros((n, k + self.own)), np.zeros((n, k + self.own))
        g[:, :k] = visible
        told = self.size * (t / t.std())[:, None]
        if case == "noise":
            d[:, :k] = self.size * rng.normal(size=(n, k))
        elif case == "along":
            d = self.size * g
        elif case == "shared":
            d[:, :k] = told * direction / np.linalg.norm(direction)
        else:
            d[:, k:] = told * hidden / np.linalg.norm(hidden)
        return g, d - d.mean(0), t


def _least_squares(x, t, d=None):
    """The w of least mean (w x - t)² + sum over inputs of E[d²] w²; the smallest if many are."""
    rows, right = x / len(x) ** 0.5, t / len(x) ** 0.5
    if d is not None:
        rows = np.vstack([rows, np.diag(np.sqrt((d**2).mean(0)))])
        right = np.r_[right, np.zeros(x.shape[1])]
    return np.linalg.lstsq(rows, right, rcond=1e-10)[0]


def _least_absolute(x, t, d=None):
    """The w of least mean |w x - t| + sum over inputs of E|d| |w|; inputs that are 0 get 0."""
    (n, k), used = x.shape, abs(x).max(0) > 0
    weight = np.zeros(k) if d is None else abs(d).mean(0)
    # w = u - v with u, v >= 0; residuals r >= |w x - t|
    upper = np.block([[x, -x, -np.eye(n)], [-x, x, -np.eye(n)]])
    cost = np.r_[weight, weight, np.full(n, 1 / n)]
    bounds = [(0, None if on else 0) for on in (*used, *used)] + [(0, None)] * n
    found = optimize.linprog(cost, upper, np.r_[t, -t], bounds=bounds).x
    return found[:k] - found[k : 2 * k]


def _lemmas(scale):
    """The paper's lemmas 1 and 2 on synthetic linear models; seconds at any scale."""
    if scale == "smoke":
        return (LinearNorms(examples=60, draws=4),)
    return (LinearNorms(),) if scale == "cpu" else ()


def norms(found):
    """Rows of `idio/lemmas`: ``case``, ``loss`` and by "<trained on>: <norm>" a list over draws."""
    rows = []
    for case in CASES:
        for loss in ("squared", "absolute"):
            row = {"case": case, "loss": loss}
            for _, record in found:
                result = records.result(record)
                fits = result["norms"][case][loss] if result else {}
                row |= {f"{name}: {n}": v for name, fit in fits.items() for n, v in fit.items()}
            rows.append(row)
    return rows


def _parts(scale):
    """Ours: what training returns on planted parts, on each sum of them."""
    if scale not in ("smoke", "cpu"):
        return ()
    images = Planted()
    return tuple(
        PartsUsed(
            images=images,
            trained_on=parts,
            model=models.MLP(sizes=(144, 64, 2)),
            recipe=training.Recipe(lr=2e-3, epochs=10, batch_size=50),
            train_size=500 if scale == "smoke" else 4000,
            test_size=200 if scale == "smoke" else 2000,
            eps=images.board + images.noise,
            seed=seed,
        )
        for seed in ((0,) if scale == "smoke" else (0, 1, 2))
        for parts in SUMS
    )


def parts(found):
    """Rows of `idio/parts`, one for each sum of parts: lists over seeds.

    Returns
    -------
    list of dict
        ``train``; by what was shown, proportions; ``bar``, ``crosses`` and ``robust``, proportions;
        ``margin`` and the ``effect`` of G, D and S, logits.
    """
    rows = {}
    for run, record in found:
        row = rows.setdefault(run.trained_on, {"train": run.trained_on})
        if records.result(record) is None:
            continue
        result = record["result"]
        cells = dict(result["accuracy"]) | {
            "bar": result["goes_by_the_bar"],
            "crosses": result["crosses_right"],
            "robust": result["robust_accuracy"],
        }
        cells |= {f"effect {k}" if k != "margin" else k: v for k, v in result["effect"].items()}
        for key, value in cells.items():
            row.setdefault(key, []).append(value)
    return list(rows.values())


STUDIES = (
    Study(
        id="idio/parts",
        title="Planted parts: what a network trained on a sum of them goes by",
        runs=_parts,
        minutes={"smoke": 0.05, "cpu": 0.1},
    ),
    Study(
        id="idio/bands",
        title="Low, middle and high frequencies: trained on one, tested on the others",
        runs=_bands,
        minutes={"smoke": 0.05, "cpu": 1},
    ),
    Study(
        id="idio/lemmas",
        title="Lemmas 1 and 2: norms of linear models with and without the idiosyncratic part",
        runs=_lemmas,
        minutes={"smoke": 0.02, "cpu": 0.1},
    ),
)
