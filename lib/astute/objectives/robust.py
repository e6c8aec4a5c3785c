"""Objectives on natural and on attacked images."""

from dataclasses import dataclass

from .. import attacks, losses, values
from .inner import Attacking, Objective, attacked, check


@dataclass(frozen=True, kw_only=True)
class Natural(Objective):
    """Mean cross-entropy of the images as they are."""

    def each(self, model, x, y, generator=None):
        logits = model(x)
        return losses.cross_entropy(logits, y), logits


@dataclass(frozen=True, kw_only=True)
class Adversarial(Attacking):
    """Mean cross-entropy of attacked images alone (Madry et al. 2018, eq. 2.1): AT, FGSM-AT.

    Attributes
    ----------
    attack : attacks.PGD
        The inner maximisation.
    mode : {"eval", "train"}
        Mode of the model while it is attacked: dropout off and batch statistics frozen, or as in
        the code of Madry et al. and of Yang et al.
    precision : {"float32", "bfloat16"}
        Of the products inside the attack; the loss that is descended has full precision. The
        second is quicker on recent processors and changes the numbers: mostly signs of gradients
        that are nearly 0.
    """

    attack: attacks.PGD
    mode: str = values.added("eval")
    precision: str = values.added("float32")

    def __post_init__(self):
        check(self.mode, self.precision)

    def each(self, model, x, y, generator=None):
        with attacked(model, x, self.mode, self.precision) as seen:
            x_adv = self.attack(seen, x, y, generator)
        logits = model(x_adv)
        return losses.cross_entropy(logits, y), logits


@dataclass(frozen=True, kw_only=True)
class RST(Attacking):
    """Natural loss plus ``weight`` times the loss of attacked images (Yang et al.'s "RST").

    Robust self-training without the unlabelled images of Carmon et al. (2019), as in the code
    behind the slides of Yang et al.

    Attributes
    ----------
    attack : attacks.PGD
    weight : float
        Lambda: 0.5, 1 or 2 in the tables.
    mode, precision
        As for `Adversarial`.
    """

    attack: attacks.PGD
    weight: float
    mode: str = "train"
    precision: str = values.added("float32")

    def __post_init__(self):
        check(self.mode, self.precision)

    def each(self, model, x, y, generator=None):
        with attacked(model, x, self.mode, self.precision) as seen:
            x_adv = self.attack(seen, x, y, generator)
        logits = model(x)
        loss = losses.cross_entropy(logits, y)
        loss = loss + self.weight * losses.cross_entropy(model(x_adv), y)
        return loss, logits


@dataclass(frozen=True, kw_only=True)
class TRADES(Attacking):
    """Natural loss plus ``weight`` times the divergence of the prediction under attack.

    L(f(x), y) + beta max KL(f(x) || f(x')) of Zhang et al. (2019), their algorithm 1; both sides
    of the divergence are differentiated. The authors' code and that of Yang et al. differ from
    this in speed only.

    Attributes
    ----------
    attack : attacks.PGD
        With ``loss="kl"``; in the papers from a Gaussian start, in evaluation mode.
    weight : float
        Beta: 1, 3 or 6 in the tables.
    precision : {"float32", "bfloat16"}
        As for `Adversarial`.
    """

    attack: attacks.PGD
    weight: float
    precision: str = values.added("float32")

    def __post_init__(self):
        check("eval", self.precision)
        if self.attack.loss != "kl":
            raise ValueError(f'TRADES attacks the loss "kl"; got {self.attack.loss!r}')

    def each(self, model, x, y, generator=None):
        with attacked(model, x, "eval", self.precision) as seen:
            x_adv = self.attack(seen, x, y, generator)
        logits = model(x)
        loss = losses.cross_entropy(logits, y) + self.weight * losses.kl(logits, model(x_adv))
        return loss, logits
