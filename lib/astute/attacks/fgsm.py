"""The shortest step along the sign of one gradient: by a line search, and by bisection."""

from dataclasses import dataclass

import torch

from .. import losses, norms
from .base import check_images, gradient


def _line(model, x, y):
    """The sign of the gradient at each image, and its length so far: 0 if wrong, else infinity."""
    check_images(x)
    logits = None

    def value(images):
        nonlocal logits
        logits = model(images)
        losses.check_labels(logits, y)
        return losses.cross_entropy(logits, y)

    direction = norms.ascent(gradient(value, x), "linf")
    right = logits.detach().argmax(1) == y
    return direction, torch.where(right, torch.inf, torch.zeros_like(right, dtype=x.dtype))


def _along(x, direction, e):
    """The images ``e`` along their lines, in the box; where ``e`` is infinite, as they are."""
    return (x + norms._per_image(torch.where(e.isinf(), 0, e), x) * direction).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class LineSearchFGSM:
    """The shortest step along the sign of the gradient that changes the prediction.

    FGSM as Foolbox 1.8 has it by default (Rauber et al. 2017): x + e sign(gradient of the
    cross-entropy at x), clipped to [0, 1], for e = 1/grid, 2/grid, ..., 1; the first that fools.

    Attributes
    ----------
    grid : int
        Number of steps, equally spaced in (0, 1].
    refine : bool
        If e is among the first 20, search 20 equal steps up to it once more.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 3.0]])
    >>> x = torch.tensor([0.5, 0.5, 0.5, 0.25]).view(1, 1, 2, 2)
    >>> x_adv, e = LineSearchFGSM(grid=10).search(model, x, torch.tensor([0]))
    >>> round(e.item(), 3), x_adv.flatten().tolist()[0] < 0.5
    (0.075, True)
    """

    grid: int = 1000
    refine: bool = True

    def __post_init__(self):
        if self.grid < 1:
            raise ValueError(f"grid is a number of steps, at least 1; got {self.grid}")

    def __call__(self, model, x, y, generator=None):
        """The adversarials; the image itself where it is misclassified or no step fools."""
        return self.search(model, x, y)[0]

    def search(self, model, x, y):
        """Adversarials and how far each step went.

        Returns
        -------
        Tensor (N, C, H, W), Tensor (N,)
            The second in pixel units: 0 where the image is misclassified as it is, infinity where
            no step fools (both keep the image).
        """
        direction, e = _line(model, x, y)
        self._first(model, x, y, direction, e, e.isinf().nonzero()[:, 0], 1.0, self.grid)
        if self.refine:
            early = ((e > 0) & (e < 20.5 / self.grid)).nonzero()[:, 0]
            self._first(model, x, y, direction, e, early, e[early], 20)
        return _along(x, direction, e), e

    @torch.no_grad()
    def _first(self, model, x, y, direction, e, left, reach, grid):
        """Write the first of ``grid`` equal steps up to ``reach`` that fools into ``e[left]``."""
        reach = torch.as_tensor(reach, dtype=e.dtype, device=e.device).expand(len(left))
        for k in range(1, grid + 1):
            if not len(left):
                return
            step = reach * k / grid
            fooled = model(_along(x[left], direction[left], step)).argmax(1) != y[left]
            e[left[fooled]] = step[fooled]
            left, reach = left[~fooled], reach[~fooled]


@dataclass(frozen=True, kw_only=True)
class BisectionFGSM:
    """The same step, found to within ``reach / 2^octaves / 2^halvings`` in few evaluations.

    The first of reach / 2^octaves, ..., reach / 2, reach that fools, and then bisection between it
    and the one before: exact if a longer step fools wherever a shorter one does, else the border
    of some interval of steps that fool.

    Attributes
    ----------
    reach : float
        Longest step, pixel units.
    octaves, halvings : int
        The first interval is [0, reach / 2^octaves]; each is halved ``halvings`` times.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 3.0]])
    >>> x = torch.tensor([0.5, 0.5, 0.5, 0.25]).view(1, 1, 2, 2)
    >>> round(BisectionFGSM().search(model, x, torch.tensor([0]))[1].item(), 2)
    0.07
    """

    reach: float = 1.0
    octaves: int = 8
    halvings: int = 8

    def __post_init__(self):
        norms.check("linf", self.reach)
        if self.octaves < 0 or self.halvings < 0:
            raise ValueError(
                f"octaves and halvings are not negative; got {self.octaves}, {self.halvings}"
            )

    def __call__(self, model, x, y, generator=None):
        """The adversarials; the image itself where it is misclassified or no step fools."""
        return self.search(model, x, y)[0]

    def search(self, model, x, y):
        """Adversarials and how far each step went, as `LineSearchFGSM.search`."""
        direction, e = _line(model, x, y)

        def fools(rows, steps):
            with torch.no_grad():
                logits = model(_along(x[rows], direction[rows], steps))
            return logits.argmax(1) != y[rows]

        low, left = torch.zeros_like(e), e.isinf().nonzero()[:, 0]
        for octave in range(self.octaves, -1, -1):
            if not len(left):
                break
            step = torch.full_like(e[left], self.reach / 2**octave)
            hit = fools(left, step)
            e[left[hit]], low[left[~hit]] = step[hit], step[~hit]
            left = left[~hit]
        rows = ((e > 0) & e.isfinite()).nonzero()[:, 0]
        for _ in range(self.halvings if len(rows) else 0):
            step = (low[rows] + e[rows]) / 2
            hit = fools(rows, step)
            e[rows[hit]], low[rows[~hit]] = step[hit], step[~hit]
        return _along(x, direction, e), e
