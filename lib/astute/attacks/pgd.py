"""Projected gradient ascent, and the fast gradient step as its shortest case."""

from dataclasses import dataclass

import torch

from .. import losses, norms
from .base import beaten, check_images, gradient, least_margin


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
    random_start : bool or "gaussian"
        Start uniformly in the ball rather than at the image; "gaussian" starts at a distance of
        N(0, 0.001^2) in every pixel (Zhang et al. 2019, algorithm 1).
    restarts : int
        Independent starts; needs a random start if more than 1.
    box : bool
        Keep pixels in [0, 1]; off for Ding et al., table 7.
    loss : {"ce", "margin", "kl"}
        What is ascended: cross-entropy, minus the margin, or the divergence of the prediction
        from that on the image itself (labels play no part; needs a random start, since the
        gradient vanishes at the image).
    keep : {"worst", "last", "best", "first"}
        "last" returns the last iterate (the papers' protocol, and the inner loop of training);
        "worst", per image, the point of least margin among the image itself and the last iterate
        of each restart; "best", that among the image and all iterates of all restarts; "first"
        stops at the first of them that is misclassified and is else "best". Whether an image
        survives is the same for "best" and "first", but there broken images leave the batch.

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
    random_start: bool | str = True
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
        if self.loss not in (*losses.LOSSES, "kl"):
            raise ValueError(f'loss is "ce", "margin" or "kl"; got {self.loss!r}')
        if self.keep not in ("worst", "last", "best", "first"):
            raise ValueError(f'keep is "worst", "last", "best" or "first"; got {self.keep!r}')
        if self.random_start not in (True, False, "gaussian"):
            raise ValueError(
                f'random_start is True, False or "gaussian"; got {self.random_start!r}'
            )
        if self.loss == "kl" and not self.random_start:
            raise ValueError("the divergence has no gradient at the image; start at random")

    def __call__(self, model, x, y, generator=None):
        check_images(x)
        if self.keep in ("best", "first"):
            return self._search(model, x, y, generator)
        value = self._value(model, x, y)
        ends = (self.ascend(value, x, generator) for _ in range(self.restarts))
        if self.keep == "worst":
            return least_margin(model, [x, *ends], y)
        *_, last = ends
        return last

    def _score(self, model, x, y):
        """What is ascended: (logits (n, K), indices of their images (n,)) -> (n,)."""
        if self.loss == "kl":
            with torch.no_grad():
                reference = model(x)
            losses.check_labels(reference, y)
            return lambda logits, rows: losses.kl(reference[rows], logits)
        return lambda logits, rows: losses.LOSSES[self.loss](logits, y[rows])

    def _value(self, model, x, y):
        """What is ascended, as a function of all images: (N, C, H, W) -> (N,)."""
        score, unchecked = self._score(model, x, y), [True]

        def value(images):
            logits = model(images)
            # Once is enough: a check makes a GPU wait, and NaN further on reaches the images.
            if unchecked:
                losses.check_labels(logits, y)
                unchecked.clear()
            return score(logits, slice(None))

        return value

    def ascend(self, value, x, generator=None):
        """The last iterate of one start, for anything that can be differentiated by the image.

        Parameters
        ----------
        value : callable
            Images (N, C, H, W) -> (N,); no image's value may depend on the others.
        x : Tensor, shape (N, C, H, W)
        generator : torch.Generator, optional

        Returns
        -------
        Tensor, shape (N, C, H, W)
        """
        delta = self._into_box(x, self._start(x, generator))
        for _ in range(self.steps):
            delta = self._step(x, delta, gradient(value, x + delta))
        x_adv = self._images(x, delta)
        if torch.isnan(x_adv).any():
            raise losses.NotANumber("the model returned NaN gradients; check its weights")
        return x_adv

    def _search(self, model, x, y, generator):
        """The iterate of least margin; with "first", the first that is misclassified."""
        with torch.no_grad():
            logits = model(x)
        losses.check_labels(logits, y)
        score = self._score(model, x, y)
        best, least = x.clone(), losses.margin(logits, y)
        rows = torch.arange(len(x), device=x.device)
        if self.keep == "first":
            rows = rows[logits.argmax(1) == y]
        for _ in range(self.restarts):
            # Drawn for all, so that no start depends on when other images finish.
            delta = self._into_box(x, self._start(x, generator))[rows]
            for step in range(self.steps + 1):
                if not len(rows):
                    return best
                images, ahead = self._images(x[rows], delta), step < self.steps
                with torch.set_grad_enabled(ahead):
                    images.requires_grad_(ahead)
                    logits = model(images)
                    losses.check_labels(logits, y[rows])
                    if ahead:
                        (slope,) = torch.autograd.grad(score(logits, rows).sum(), images)
                        delta = self._step(x[rows], delta, slope)
                images, logits = images.detach(), logits.detach()
                m = losses.margin(logits, y[rows])
                kept = m < least[rows]
                if self.keep == "first":
                    broken = beaten(logits, y[rows])
                    kept |= broken
                best[rows[kept]], least[rows[kept]] = images[kept], m[kept]
                if self.keep == "first" and broken.any():
                    rows, delta = rows[~broken], delta[~broken]
        return best

    def _step(self, x, delta, slope):
        """The next perturbation, back in the ball and the box."""
        delta = delta + self.step_size * norms.ascent(slope, self.norm)
        return self._into_box(x, norms.project(delta, self.norm, self.eps))

    def _images(self, x, delta):
        # x + (x_adv - x) can leave the box by a rounding.
        return (x + delta).clamp(0, 1) if self.box else x + delta

    def _start(self, x, generator):
        if self.random_start == "gaussian":
            noise = torch.empty_like(x).normal_(0, 0.001, generator=generator)
            return norms.project(noise, self.norm, self.eps)
        if self.random_start:
            return norms.random_point(x, self.norm, self.eps, generator)
        return torch.zeros_like(x)

    def _into_box(self, x, delta):
        return (x + delta).clamp(0, 1) - x if self.box else delta


def FGSM(*, norm="linf", eps, **changes):
    """One step of length eps from the image itself (Goodfellow et al. 2015): a `PGD` value.

    Examples
    --------
    >>> FGSM(eps=0.1).steps
    1
    """
    return PGD(norm=norm, eps=eps, step_size=eps, steps=1, random_start=False, **changes)
