"""Objectives that keep a network smooth near its images."""

import contextlib
from dataclasses import dataclass

import torch

from .. import attacks, losses, models, norms
from .inner import Attacking, Objective, replayed


@dataclass(frozen=True, kw_only=True)
class GR(Objective):
    """Input-gradient regularisation by a finite difference (Finlay & Oberman 2019).

    L(x) + lambda / 2 ((L(x + h d) - L(x)) / h)^2 with d the gradient of L by the image, of length
    1 in l2. The slides of Yang et al. print the norm of the gradient without its square.

    Attributes
    ----------
    weight : float
        Lambda; 1 in the tables.
    h : float
        Step of the difference, pixel units of l2 length; 1 in the code.
    variant : {"published", "official"}
        The official code adds the gradients of two backward passes, so that L(x) counts twice,
        and drops other units in either pass.
    """

    weight: float = 1.0
    h: float = 1.0
    variant: str = "published"

    def __post_init__(self):
        _variant(self.variant)
        if not self.h > 0:
            raise ValueError(f"h is a step, pixel units, more than 0; got {self.h:g}")

    def each(self, model, x, y, generator=None):
        images = x.detach().requires_grad_()
        with replayed(x) if self.variant == "published" else contextlib.nullcontext():
            logits = model(images)
        loss = losses.cross_entropy(logits, y)
        (gradient,) = torch.autograd.grad(loss.sum(), images, retain_graph=True)
        ahead = losses.cross_entropy(model(x + self.h * norms.ascent(gradient, "l2")), y)
        penalty = 0.5 * ((ahead - loss) / self.h) ** 2
        natural = loss if self.variant == "published" else 2 * loss
        return natural + self.weight * penalty, logits


@dataclass(frozen=True, kw_only=True)
class LLR(Attacking):
    """Local linearity regularisation (Qin et al. 2019, eq. 6).

    L(x) + lambda g(delta) + mu |delta . grad L(x)|, where
    g(delta) = |L(x + delta) - L(x) - delta . grad L(x)| is how far the loss is from linear, and
    delta, inside the linf ball, maximises g.

    Attributes
    ----------
    attack : attacks.PGD
        The inner maximisation of g, in evaluation mode; its ``loss`` plays no part. Yang et al.
        take two steps of eps / 2 from a Gaussian start.
    weight, slope : float
        Lambda and mu; 4 and 3 in the tables.
    variant : {"published", "official"}
        The official code sets the gradient to zero before it uses it and leaves out -L(x): what
        it minimises is L(x) + lambda L(x + delta), a weak `RST`. It steps along the gradient
        divided by its largest entry and scales delta back into the ball.
    """

    attack: attacks.PGD
    weight: float = 4.0
    slope: float = 3.0
    variant: str = "published"

    def __post_init__(self):
        _variant(self.variant)

    def each(self, model, x, y, generator=None):
        if self.variant == "official":
            return self._official(model, x, y, generator)
        with models.evaluating(model):
            first = attacks.gradient(lambda images: losses.cross_entropy(model(images), y), x)
            with torch.no_grad():
                base = losses.cross_entropy(model(x), y)

            def nonlinearity(images):
                linear = base + ((images - x) * first).flatten(1).sum(1)
                return (losses.cross_entropy(model(images), y) - linear).abs()

            x_adv = self.attack.ascend(nonlinearity, x, generator)
        images = x.detach().requires_grad_()
        with replayed(x):
            logits = model(images)
        loss = losses.cross_entropy(logits, y)
        # The gradient is differentiated again: the penalties act on it too.
        (gradient,) = torch.autograd.grad(loss.sum(), images, create_graph=True)
        linear = ((x_adv - x) * gradient).flatten(1).sum(1)
        bent = (losses.cross_entropy(model(x_adv), y) - loss - linear).abs()
        return loss + self.weight * bent + self.slope * linear.abs(), logits

    def _official(self, model, x, y, generator):
        eps, delta = self.attack.eps, torch.empty_like(x).normal_(0, 0.001, generator=generator)
        tiny = torch.finfo(x.dtype).tiny
        with models.evaluating(model):
            for _ in range(self.attack.steps):
                step = attacks.gradient(
                    lambda images: losses.cross_entropy(model(images), y), x + delta
                )
                largest = norms.size(step, "linf").clamp_min(tiny)
                delta = delta + step * norms._per_image(self.attack.step_size / largest, x)
                largest = norms.size(delta, "linf").clamp_min(tiny)
                delta = delta * norms._per_image((eps / largest).clamp(max=1), x)
        logits = model(x)
        loss = losses.cross_entropy(logits, y)
        loss = loss + self.weight * losses.cross_entropy(model(x + delta), y)
        return loss, logits


def _variant(name):
    if name not in ("published", "official"):
        raise ValueError(f'variant is "published" or "official"; got {name!r}')
