"""What training minimises: frozen values called on a module and a batch.

Each returns the scalar to descend and the logits it was computed from, in training mode.
"""

from dataclasses import dataclass, replace

from . import attacks, losses, models


@dataclass(frozen=True, kw_only=True)
class Natural:
    """Mean cross-entropy of the images as they are."""

    def __call__(self, model, x, y, generator=None):
        logits = model(x)
        return losses.cross_entropy(logits, y).mean(), logits

    def ramped(self, fraction):
        """The objective early in training; nothing here depends on a radius."""
        return self


@dataclass(frozen=True, kw_only=True)
class Adversarial:
    """Mean cross-entropy of attacked images alone (Madry et al. 2018, eq. 2.1).

    Attributes
    ----------
    attack : attacks.PGD
        The inner maximisation, run in evaluation mode (dropout off, batch statistics frozen).
    """

    attack: attacks.PGD

    def __call__(self, model, x, y, generator=None):
        with models.evaluating(model):
            x_adv = self.attack(model, x, y, generator)
        logits = model(x_adv)
        return losses.cross_entropy(logits, y).mean(), logits

    def ramped(self, fraction):
        """Radius and step shrunk to ``fraction``; narrow nets learn only from such a start."""
        attack = self.attack
        return replace(
            self,
            attack=replace(
                attack, eps=fraction * attack.eps, step_size=fraction * attack.step_size
            ),
        )
