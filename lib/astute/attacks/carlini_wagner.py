"""The l2 attack of Carlini & Wagner: Adam on distance plus a weighted loss, and a search for it."""

import math
from dataclasses import dataclass

import torch

from .. import losses, norms, values
from .base import right, slack


@dataclass(frozen=True, kw_only=True)
class CarliniWagner:
    """The nearest adversarial in l2 that Adam finds (Carlini & Wagner 2017, section V).

    Minimises ||x' - x||_2^2 + c max(0, margin + confidence) over w, x' = (tanh w + 1) / 2, from
    the image itself, for several constants c: ten times larger while none succeeds, then halfway
    between the largest that failed and the least that succeeded. The nearest adversarial of all
    iterates is returned, the image itself where there is none.

    Every image has its own constant, its own progress and its own end: one that makes no progress
    leaves the batch. (Foolbox 3 ends a search when the sum over the batch makes no progress, so an
    image's result depends on its batch there.)

    Attributes
    ----------
    searches : int
        Constants tried for every image.
    steps : int
        Of Adam, for every constant, at most.
    step_size : float
        Of Adam, in w.
    constant : float
        The first c.
    confidence : float
        Difference of logits by which an adversarial has to win; what succeeds by less is not
        counted.
    abort_early : bool
        Look ten times in ``steps`` whether the loss fell by 1e-4 of itself; end when it did not.
    patience : {"least", "none"}
        What is looked at. "none": the loss at this very step and at the look before, and the first
        that did not fall ends the search (Foolbox 1). "least": the least loss since the last look
        and in the time before, and once the image has an adversarial two looks in a row. (One look
        is hasty there: where pixels are black or white, w takes many steps before an image
        changes.)
    tiny : float
        Adam's guard against division by zero. Foolbox had 1e-7 until 2.1, 1e-8 from 2.3. On black
        and white pixels slopes are smaller than either, and the larger slows them down.
    """

    searches: int = 5
    steps: int = 1000
    step_size: float = 0.005
    constant: float = 0.01
    confidence: float = 0.0
    abort_early: bool = True
    patience: str = values.added("least")
    tiny: float = values.added(1e-8)

    @classmethod
    def foolbox1(cls, **changes):
        """The defaults of Foolbox 1.8 to 2.1, of 2018 and 2019, and its way to end early."""
        return cls(**{"patience": "none", "tiny": 1e-7} | changes)

    @classmethod
    def foolbox3(cls, **changes):
        """The defaults of Foolbox 3.3.4: 18 times as many steps."""
        kept = {"searches": 9, "steps": 10_000, "step_size": 0.01, "constant": 1e-3}
        return cls(**kept | changes)

    def __post_init__(self):
        if self.searches < 1 or self.steps < 1 or not self.step_size > 0 or not self.constant > 0:
            raise ValueError(
                "searches and steps are at least 1, step_size and constant positive; got "
                f"{self.searches}, {self.steps}, {self.step_size:g}, {self.constant:g}"
            )
        if not self.confidence >= 0:
            raise ValueError(f"confidence is not negative; got {self.confidence:g}")
        if self.patience not in ("least", "none"):
            raise ValueError(f'patience is "least" or "none"; got {self.patience!r}')

    def __call__(self, model, x, y, generator=None):
        _, rows = right(model, x, y)
        found = x.clone()
        if not len(rows):
            return found
        x, y = x[rows], y[rows]
        # Pixels of 0 and 1 would lie at infinity.
        start = torch.atanh((2 * x - 1) * 0.999999)
        nearest = torch.full_like(start.flatten(1)[:, 0], torch.inf)
        best = x.clone()
        constant = torch.full_like(nearest, self.constant)
        low, high = torch.zeros_like(nearest), torch.full_like(nearest, torch.inf)
        for search in range(self.searches):
            if search == self.searches - 1 and self.searches >= 10:
                constant = high.clamp(max=1e10)  # the least that succeeded, once more
            hit = self._descend(model, x, y, start, constant, best, nearest)
            high, low = torch.where(hit, constant, high), torch.where(hit, low, constant)
            constant = torch.where(high.isinf(), 10 * constant, (low + high) / 2)
        found[rows] = best.clamp(0, 1)
        return found

    def _descend(self, model, x, y, start, constant, best, nearest):
        """One run of Adam; notes nearer adversarials in ``best`` and ``nearest``; who succeeded."""
        hit = torch.zeros_like(y, dtype=torch.bool)
        rows, w = torch.arange(len(x), device=x.device), start.clone()
        mean, square = torch.zeros_like(x), torch.zeros_like(x)
        idle = torch.zeros_like(y)
        previous, recent = torch.full_like(nearest, torch.inf), torch.full_like(nearest, torch.inf)
        origin, here, label, weight = (torch.tanh(start) + 1) / 2, x, y, constant
        every = math.ceil(self.steps / 10)
        for step in range(self.steps):
            w.requires_grad_()
            with torch.enable_grad():
                images = (torch.tanh(w) + 1) / 2
                logits = model(images)
                m = losses.margin(logits, label)
                loss = (images - origin).square().flatten(1).sum(1)
                loss = loss + weight * (m + self.confidence).clamp_min(0)
                (slope,) = torch.autograd.grad(loss.sum(), w)
            w, images, loss = w.detach(), images.detach(), loss.detach()
            won = (m.detach() + self.confidence) < -slack(logits.detach())
            if won.any():
                hit[rows[won]] = True
                away = norms.size(images - here, "l2")
                nearer = won & (away < nearest[rows])
                best[rows[nearer]], nearest[rows[nearer]] = images[nearer], away[nearer]
            # Adam (Kingma & Ba 2015) without its class, as images leave its state.
            mean.lerp_(slope, 0.1)
            square.mul_(0.999).addcmul_(slope, slope, value=0.001)
            spread = (square / (1 - 0.999 ** (step + 1))).sqrt_().add_(self.tiny)
            w.addcdiv_(mean, spread, value=-self.step_size / (1 - 0.9 ** (step + 1)))
            recent = torch.minimum(recent, loss) if self.patience == "least" else loss
            if self.abort_early and step % every == 0:
                idle = torch.where(recent <= 0.9999 * previous, 0, idle + 1)
                previous, recent = recent, torch.full_like(recent, torch.inf)
                twice = hit[rows] & (self.patience == "least")
                going = idle < torch.where(twice, 2, 1)
                if not going.all():
                    if not going.any():
                        break
                    state = (mean, square, w, previous, recent, origin, here, label, weight)
                    mean, square, w, previous, recent, origin, here, label, weight = (
                        part[going] for part in state
                    )
                    rows, idle = rows[going], idle[going]
        return hit
