"""Several attacks on one image, for the rows that carry a claim."""

from dataclasses import dataclass

from .. import norms
from .base import fooled, least_margin, right
from .deepfool import DeepFool
from .pgd import PGD


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Attacks one after the other; per image the worst, and broken images leave the batch.

    What a member returns is brought back into the ball and the box before it counts, so that
    attacks that look for the nearest adversarial can be members.

    Attributes
    ----------
    norm : {"linf", "l2"}
    eps : float
        Radius of the ball, pixel units.
    members : tuple of attacks

    Examples
    --------
    >>> attack = Ensemble.standard(norm="linf", eps=0.3)
    >>> [type(member).__name__ for member in attack.members]
    ['PGD', 'DeepFool', 'PGD', 'PGD']
    """

    norm: str
    eps: float
    members: tuple

    @classmethod
    def standard(cls, *, norm, eps, steps=50, restarts=3):
        """For headline rows: cross-entropy and margin, long and short steps, and `DeepFool`.

        The first member is one plain run, which breaks most of what can be broken; the expensive
        ones see the rest.
        """
        kept = {"norm": norm, "eps": eps, "steps": steps, "keep": "first"}
        return cls(
            norm=norm,
            eps=eps,
            members=(
                PGD(**kept, step_size=2.5 * eps / steps),
                DeepFool.foolbox3(norm=norm),
                PGD(**kept, step_size=eps / 4, loss="margin", restarts=restarts),
                PGD(**kept, step_size=2.5 * eps / steps, loss="margin", restarts=restarts),
            ),
        )

    def __post_init__(self):
        norms.check(self.norm, self.eps)
        if not self.members:
            raise ValueError("an ensemble has at least one member; got none")
        for member in self.members:
            theirs = getattr(member, "norm", self.norm), getattr(member, "eps", self.eps)
            if theirs != (self.norm, self.eps):
                raise ValueError(
                    f"all members attack the {self.norm} ball of {self.eps:g}; got one with "
                    f"{theirs[0]}, {theirs[1]:g}"
                )

    def __call__(self, model, x, y, generator=None):
        _, rows = right(model, x, y)
        found = x.clone()
        for member in self.members:
            if not len(rows):
                break
            x_adv = member(model, x[rows], y[rows], generator)
            delta = norms.project(x_adv - x[rows], self.norm, self.eps)
            x_adv = (x[rows] + delta).clamp(0, 1)
            found[rows] = least_margin(model, [found[rows], x_adv], y[rows])
            rows = rows[~fooled(model, found[rows], y[rows])]
        return found
