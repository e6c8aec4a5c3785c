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
        if self.step_size < 0 or self.steps < 1 or self.restarts < 1:
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
