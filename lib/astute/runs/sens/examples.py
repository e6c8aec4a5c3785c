"""Studies of the two examples in section 2 of `sens`: analytic claims, counted on random points."""

from dataclasses import dataclass

import numpy as np

from ... import intervals
from ...theory.sens import bayes, concentration
from .. import Study


@dataclass(frozen=True, kw_only=True)
class Example1:
    """Robust error of the two halfspaces of example 1, by attacking random points of the cube.

    Attributes
    ----------
    eps, mapped_eps : float
        Radius before and after the map.
    dimension : int
        d of the points that are mapped: `theory.sens.bayes.to_sum`, which keeps the uniform law.
    samples, seed : int
    """

    eps: float = 0.1
    mapped_eps: float = 0.25
    dimension: int = 5
    samples: int = 20_000
    seed: int = 0

    def measure(self, context):
        x = np.random.default_rng(self.seed).random((self.samples, self.dimension))
        z = bayes.to_sum(x)
        half = self.dimension / 2

        def robust_error(points, answer, eps):
            """Share of points whose answer changes when all coordinates rise or fall by eps."""
            moved = [answer((points + s * eps).clip(0, 1)) for s in (1, -1)]
            return intervals.proportion(np.logical_or(*(m != answer(points) for m in moved)))

        return {
            "halves": robust_error(x, lambda p: p[:, 0] > 0.5, self.eps),
            "sums": robust_error(z, lambda p: p.sum(1) > half, self.mapped_eps),
            "labels_kept": float(((x[:, 0] > 0.5) == (z.sum(1) > half)).mean()),
        }


def example1(found):
    """Runs and records of `sens/example1` as rows."""
    return [
        {
            "eps": run.eps,
            "bound": 100 * (1 - 1 / (4 * run.dimension * run.mapped_eps**2)),
            "samples": run.samples,
        }
        | {k: [record["result"][k]] if record else [] for k in ("halves", "sums")}
        for run, record in found
    ]


@dataclass(frozen=True, kw_only=True)
class Example2:
    """Example 2's bounds on the vulnerable mass of ten equally likely classes, evaluated.

    Attributes
    ----------
    cube_eps, ball_eps : float
        l2 radii on the cube and on the unit ball.
    dimension : int
        Of the ball; on the cube it plays no part.
    classes : int
    """

    cube_eps: float = 0.5
    ball_eps: float = 0.09
    dimension: int = 3072
    classes: int = 10

    def measure(self, context):
        rest = 1 - 1 / self.classes
        bounds = {
            "cube": concentration.cube_bound(self.cube_eps, rest),
            "ball": concentration.ball_bound(self.ball_eps, rest, self.dimension),
        }
        return {k: float(concentration.vulnerable(b, self.classes)) for k, b in bounds.items()}


def example2(found):
    """Runs and records of `sens/example2` as rows; shares in per cent."""
    return [
        {k: [100 * record["result"][k]] if record else [] for k in ("cube", "ball")}
        for _, record in found
    ]


STUDIES = (
    Study(
        id="sens/example1",
        title="Example 1's robust errors, counted on random points",
        runs=lambda scale: (Example1(),) if scale in ("smoke", "cpu") else (),
        minutes={"smoke": 0.05, "cpu": 0.05},
    ),
    Study(
        id="sens/example2",
        title="Example 2's bounds, evaluated",
        runs=lambda scale: (Example2(),) if scale in ("smoke", "cpu") else (),
        minutes={"smoke": 0.01, "cpu": 0.01},
    ),
)
