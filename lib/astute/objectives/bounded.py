"""Objectives that train for a certificate."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from .. import certified, losses, models, norms
from .inner import Objective


@dataclass(frozen=True, kw_only=True)
class Intervals(Objective):
    """Training for a certificate: the loss of the worst logits that intervals allow.

    natural * L(x) + (1 - natural) * L(worst), where the worst logits over the linf ball are the
    upper ends of all classes but the label's and its lower end (Gowal et al. 2018, eq. 12). For
    nets of dense layers, convolutions, pooling and ReLU; start with a ramp from a small radius.
    `Dual` is tighter and far slower.

    Attributes
    ----------
    eps : float
        Radius of the linf ball, pixel units.
    natural : float
        Weight of the loss without a perturbation, in [0, 1].
    box : bool
        Whether the ball is cut to [0, 1] first.
    """

    eps: float
    natural: float = 0.5
    box: bool = False

    def __post_init__(self):
        norms.check("linf", self.eps)
        if not 0 <= self.natural <= 1:
            raise ValueError(f"natural is a weight in [0, 1]; got {self.natural:g}")

    def each(self, model, x, y, generator=None):
        low, high = ranges(model, x, self.eps, self.box)
        worst = torch.where(F.one_hot(y, high.shape[1]).bool(), low, high)
        logits = model(x)
        loss = self.natural * losses.cross_entropy(logits, y)
        return loss + (1 - self.natural) * losses.cross_entropy(worst, y), logits

    def ramped(self, fraction):
        """The radius shrunk to ``fraction``."""
        return replace(self, eps=fraction * self.eps)


@dataclass(frozen=True, kw_only=True)
class Dual(Objective):
    """Training for the tighter certificate: the loss of the worst logits that the dual allows.

    The lower bounds of all differences f_y - f_k over the linf ball, their signs turned, are
    logits of a loss that no perturbation exceeds (Wong & Kolter 2018, theorem 2). What Ding et
    al. train with; about as many forward passes an image as the network has units.

    Attributes
    ----------
    eps : float
        Radius of the linf ball, pixel units.
    box : bool
        Whether the ball is cut to [0, 1] first; not in the code of 2018's paper.
    """

    eps: float
    box: bool = False

    def __post_init__(self):
        norms.check("linf", self.eps)

    def each(self, model, x, y, generator=None):
        with models.evaluating(model):
            low = certified.differences(model, x, y, self.eps, box=self.box)
        return losses.cross_entropy(-low, y), model(x)

    def ramped(self, fraction):
        """The radius shrunk to ``fraction``."""
        return replace(self, eps=fraction * self.eps)


def ranges(model, x, eps, box=False):
    """Least and greatest logits over the linf ball by interval arithmetic, differentiably.

    Parameters
    ----------
    model : nn.Sequential
        Of dense layers, convolutions, pooling, ReLU and flattening; dropout is skipped.
    x : Tensor, shape (N, C, H, W)
    eps : float
        Radius, pixel units.
    box : bool
        Whether the ball is cut to [0, 1] first.

    Returns
    -------
    Tensor, Tensor, both (N, K)
    """
    monotone = (nn.ReLU, nn.Flatten, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
    low, high = x - eps, x + eps
    if box:
        low, high = low.clamp(min=0), high.clamp(max=1)
    for part in model if isinstance(model, nn.Sequential) else [model]:
        if isinstance(part, nn.Linear | nn.Conv2d):
            middle = part((low + high) / 2)
            reach = _absolute(part, (high - low) / 2)
            low, high = middle - reach, middle + reach
        elif isinstance(part, monotone):
            low, high = part(low), part(high)
        elif not isinstance(part, nn.Dropout | nn.Dropout2d | nn.Identity):
            raise ValueError(f"intervals do not cover {type(part).__name__}")
    return low, high


def _absolute(layer, x):
    """A layer with the absolute values of its weights, without its bias."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, layer.weight.abs())
    how = (layer.stride, layer.padding, layer.dilation, layer.groups)
    return F.conv2d(x, layer.weight.abs(), None, *how)
