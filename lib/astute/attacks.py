"""Attacks: frozen values that are called on a model, images and labels.

All return images of the same shape, in [0, 1] unless the box was switched off, inside the ball of
radius ``eps``; the model's mode and its parameters' gradients are left as they were found.
"""

from dataclasses import dataclass

import torch

from . import losses, norms


def check_images(x):
    """Refuse images that are not (N, C, H, W) floats in [0, 1].

    Raises
    ------
    ValueError
        With the range that was found.
    """
    if x.dim() < 2 or not x.is_floating_point():
        raise ValueError(f"images are floats (N, C, H, W); got {x.dtype}, shape {tuple(x.shape)}")
    if x.numel() and not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(
            f"images lie in [0, 1]; got {x.min().item():g}..{x.max().item():g}. "
            "Divide 8-bit levels by 255; standardising belongs into the model"
        )


@torch.no_grad()
def least_margin(model, candidates, y):
    """Per image the candidate of least margin: the worst of several attacked versions.

    Parameters
    ----------
    candidates : iterable of Tensor (N, C, H, W)
    y : Tensor (N,)

    Returns
    -------
    Tensor, shape (N, C, H, W)
    """
    best, worst = None, None
    for x in candidates:
        logits = model(x)
        losses.check_labels(logits, y)
        m = losses.margin(logits, y)
        if best is None:
            best, worst = x.clone(), m
        else:
            better = m < worst
            best[better], worst = x[better], torch.minimum(m, worst)
    return best


@dataclass(frozen=True, kw_only=True)
class PGD:
    """Projected gradient ascent on the loss (Madry et al. 2018, the inner problem of eq. 2.1).

    Attributes
    ----------
    norm : {"linf", "l2"}
    eps : float
        Radius of the ball, pixel units.
    step_size : float
        Length of one step in the same norm, pixel units.
    steps : int
        At least 1.
    random_start : bool
        Start uniformly in the ball rather than at the image.
    restarts : int
        Independent starts; needs a random start if more than 1.
    box : bool
        Keep pixels in [0, 1]; off for Ding et al., table 7.
    loss : {"ce", "margin"}
        What is ascended: cross-entropy, or minus the margin.
    keep : {"worst", "last"}
        "last" returns the last iterate (the papers' protocol, and the inner loop of training);
        "worst", per image, the point of least margin among the image itself and the last iterate
        of each restart.

    Examples
    --------
    On a linear model one step is the optimum: every logit difference falls by eps * ||w||_1.

    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> _ = torch.nn.init.zeros_(model[1].weight); model[1].weight.data[0] = 1.0
    >>> x, y = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])
    >>> attack = PGD(norm="linf", eps=0.1, step_size=0.1, steps=1, random_start=False)
    >>> attack(model, x, y).flatten()
    tensor([0.4000, 0.4000, 0.4000, 0.4000])
    """

    norm: str
    eps: float
    step_size: float
    steps: int
    random_start: bool = True
    restarts: int = 1
    box: bool = True
    loss: str = "ce"
    keep: str = "worst"

    def __post_init__(self):
        norms.check(self.norm, self.eps)
        if not self.step_size >= 0 or self.steps < 1 or self.restarts < 1:
            raise ValueError(
                "step_size is not negative, steps and restarts are at least 1; got "
                f"{self.step_size:g}, {self.steps}, {self.restarts}"
            )
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"{self.restarts} restarts from one fixed start are all the same run")
        if self.loss not in losses.LOSSES or self.keep not in ("worst", "last"):
            raise ValueError(
                f'loss is "ce" or "margin", keep is "worst" or "last"; got {self.loss!r}, '
                f"{self.keep!r}"
            )

    def __call__(self, model, x, y, generator=None):
        check_images(x)
        ends = (self._ascend(model, x, y, generator) for _ in range(self.restarts))
        if self.keep == "worst":
            return least_margin(model, [x, *ends], y)
        *_, last = ends
        return last

    def _ascend(self, model, x, y, generator):
        delta = torch.zeros_like(x)
        if self.random_start:
            delta = self._into_box(x, norms.random_point(x, self.norm, self.eps, generator))
        for _ in range(self.steps):
            step = norms.ascent(self._gradient(model, x + delta, y), self.norm)
            delta = norms.project(delta + self.step_size * step, self.norm, self.eps)
            delta = self._into_box(x, delta)
        # x + (x_adv - x) can leave the box by a rounding.
        return (x + delta).clamp(0, 1) if self.box else x + delta

    def _into_box(self, x, delta):
        return (x + delta).clamp(0, 1) - x if self.box else delta

    def _gradient(self, model, x, y):
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = model(x)
            losses.check_labels(logits, y)
            # Summed, not averaged, so that no image's gradient depends on its batch.
            loss = losses.LOSSES[self.loss](logits, y).sum()
        return torch.autograd.grad(loss, x)[0]


def FGSM(*, norm="linf", eps, **changes):
    """One step of length eps from the image itself (Goodfellow et al. 2015): a `PGD` value.

    Examples
    --------
    >>> FGSM(eps=0.1).steps
    1
    """
    return PGD(norm=norm, eps=eps, step_size=eps, steps=1, random_start=False, **changes)


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
        check_images(x)
        images = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = model(images)
            losses.check_labels(logits, y)
            gradient = torch.autograd.grad(losses.cross_entropy(logits, y).sum(), images)[0]
        direction = norms.ascent(gradient, "linf")
        e = torch.where(logits.detach().argmax(1) == y, torch.inf, torch.zeros_like(logits[:, 0]))
        self._first(model, x, y, direction, e, e.isinf().nonzero()[:, 0], 1.0, self.grid)
        if self.refine:
            early = ((e > 0) & (e < 20.5 / self.grid)).nonzero()[:, 0]
            self._first(model, x, y, direction, e, early, e[early], 20)
        step = norms._per_image(torch.where(e.isinf(), 0, e), x)
        return (x + step * direction).clamp(0, 1), e

    @torch.no_grad()
    def _first(self, model, x, y, direction, e, left, reach, grid):
        """Write the first of ``grid`` equal steps up to ``reach`` that fools into ``e[left]``."""
        reach = torch.as_tensor(reach, dtype=e.dtype, device=e.device).expand(len(left))
        for k in range(1, grid + 1):
            if not len(left):
                return
            step = reach * k / grid
            x_adv = (x[left] + norms._per_image(step, x) * direction[left]).clamp(0, 1)
            fooled = model(x_adv).argmax(1) != y[left]
            e[left[fooled]] = step[fooled]
            left, reach = left[~fooled], reach[~fooled]
