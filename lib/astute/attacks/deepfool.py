"""DeepFool: the nearest border of the linearised network, again and again."""

from dataclasses import dataclass

import torch

from .. import norms
from .base import beaten, right


@dataclass(frozen=True, kw_only=True)
class DeepFool:
    """A near adversarial by steps to the nearest border of the linearised network.

    Moosavi-Dezfooli et al. (2016), algorithm 2. At every step the differences of logits between
    the label and its most likely rivals are linearised, and the image goes to the border that is
    nearest in ``norm``, and a little beyond. Differences of cross-entropies, as Foolbox 1.8 took
    them, are the same numbers: the logarithm of the sum of exponentials cancels. Images leave the
    batch at their first success; where no step succeeds the image itself is returned. On a linear
    model the first step is the nearest border itself, inside the box.

    Attributes
    ----------
    norm : {"l2", "linf"}
    steps : int
        At most, for one image.
    candidates : int
        Classes that are looked at: the likeliest ones at the image, its own among them.
    overshoot : float
        Fraction of a step, or of the whole perturbation, that is added to it.
    overshoots : {"total", "step"}
        "total" goes (1 + overshoot) times the sum of all steps away from the image (the paper, and
        Foolbox 3, which also lengthens every step by 1e-4); "step" goes (1 + overshoot) times each
        step and cuts it at the box before the next (Foolbox 1).

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = 2 * torch.eye(2)
    >>> x = torch.tensor([0.6, 0.4]).view(1, 1, 1, 2)
    >>> attack = DeepFool.foolbox3(norm="l2")
    >>> norms.size(attack(model, x, torch.tensor([0])) - x, "l2")  # the border is 0.1414 away
    tensor([0.1444])
    """

    norm: str
    steps: int = 50
    candidates: int = 10
    overshoot: float = 0.02
    overshoots: str = "total"

    @classmethod
    def foolbox1(cls, **changes):
        """The defaults of Foolbox 1.8 to 2.4, of 2018 and 2019."""
        kept = {"norm": "l2", "steps": 100, "overshoot": 0.05, "overshoots": "step"}
        return cls(**kept | changes)

    @classmethod
    def foolbox3(cls, **changes):
        """The defaults of Foolbox 3.3.4."""
        return cls(**{"norm": "l2"} | changes)

    def __post_init__(self):
        norms.check(self.norm)
        if self.steps < 1 or self.candidates < 2 or not self.overshoot >= 0:
            raise ValueError(
                "steps is at least 1, candidates at least 2, overshoot not negative; got "
                f"{self.steps}, {self.candidates}, {self.overshoot:g}"
            )
        if self.overshoots not in ("total", "step"):
            raise ValueError(f'overshoots is "total" or "step"; got {self.overshoots!r}')

    def __call__(self, model, x, y, generator=None):
        logits, rows = right(model, x, y)
        found = x.clone()
        # The label first, then its rivals, likeliest first.
        classes = logits.scatter(1, y[:, None], torch.inf)
        classes = classes.topk(min(self.candidates, logits.shape[1])).indices[rows]
        x_adv, total = x[rows], torch.zeros_like(x[rows])
        for _ in range(self.steps):
            if not len(rows):
                break
            step = self._step(model, x_adv, classes)
            total += step
            if self.overshoots == "total":
                x_adv = (x[rows] + (1 + self.overshoot) * total).clamp(0, 1)
            else:
                x_adv = (x_adv + (1 + self.overshoot) * step).clamp(0, 1)
            # Asked before the graph is built: most of the work is for images still standing.
            with torch.no_grad():
                done = beaten(model(x_adv), y[rows])
            found[rows[done]] = x_adv[done]
            rows, classes, x_adv, total = (part[~done] for part in (rows, classes, x_adv, total))
        return found

    def _step(self, model, x, classes):
        """The step to the nearest border of the linearised network, (n, C, H, W)."""
        images = x.detach().requires_grad_()
        nearest, best = torch.full_like(x[:, 0].flatten(1)[:, 0], torch.inf), torch.zeros_like(x)
        length = torch.ones_like(nearest)
        tiny = 1e-8  # as in Foolbox
        with torch.enable_grad():
            chosen = model(images).gather(1, classes)
            rises = chosen[:, 1:] - chosen[:, :1]
            last = rises.shape[1] - 1
            for k in range(last + 1):
                (slope,) = torch.autograd.grad(rises[:, k].sum(), images, retain_graph=k < last)
                # The dual norm: how fast the difference can fall.
                fall = slope.flatten(1).norm(p=2 if self.norm == "l2" else 1, dim=1) + tiny
                away = rises[:, k].detach().abs() / fall
                nearer = away < nearest
                nearest = torch.where(nearer, away, nearest)
                length = torch.where(nearer, fall, length)
                best = torch.where(norms._per_image(nearer, x), slope, best)
        if self.overshoots == "total":
            nearest = nearest + 1e-4
        if self.norm == "linf":
            return norms._per_image(nearest, x) * best.sign()
        return norms._per_image(nearest / length, x) * best
