"""A trained network with everything the paper measures on it."""

from dataclasses import dataclass

import torch
from torch import nn

from ... import attacks, lipschitz, margins, robustness, spectra
from ...intervals import mean, proportion
from .. import Training, trained

#: Bins of the histograms: margins in quarter logits, probabilities, losses in nats.
MARGINS = tuple(i / 4 for i in range(-80, 161))
PROBABILITIES = tuple(i / 20 for i in range(21))
LOSSES = tuple(i / 4 for i in range(41))


def strength(setting):
    """Radius of the attack in training, in 255ths; 0 for natural training."""
    attack = getattr(setting.objective, "attack", None)
    return round(255 * attack.eps) if attack else 0


def bound(setting):
    """Spectral norm that every layer is clipped to in training, or None."""
    constraint = setting.recipe.constraint
    return constraint.bound if constraint else None


@dataclass(frozen=True, kw_only=True)
class Regularised:
    """Everything the paper measures on a trained network, on training and on test images.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD
        The evaluation; training has its own in ``trained.objective``.
    variations : tuple of attacks.PGD
        Under each of these the change of loss and of probability is measured.
    estimator : lipschitz.LocalLipschitz
    attacked : int
        The first so many test images are attacked.
    probed : int
        The first so many are given to the estimator.
    """

    trained: Training
    attack: attacks.PGD
    variations: tuple[attacks.PGD, ...]
    estimator: lipschitz.LocalLipschitz
    attacked: int
    probed: int

    @property
    def strength(self):
        return strength(self.trained)

    @property
    def bound(self):
        return bound(self.trained)

    def measure(self, context):
        model, history = trained(self.trained, context)
        result = {"training": history}
        for split in ("train", "test"):
            x, y = self.trained.split(split, context)
            result[split] = _confidence(margins.collect(model, x, y))
        x, y = x[: self.attacked], y[: self.attacked]  # of the test images now
        result |= robustness.accuracies(model, x, y, self.attack, seed=self.trained.seed)
        result["variations"] = [self._variation(model, x, y, a) for a in self.variations]
        generator = torch.Generator(x.device).manual_seed(self.trained.seed)
        result["lipschitz"] = mean(self.estimator(model, x[: self.probed], generator).cpu())
        result["layers"] = _layers(model, tuple(x.shape[1:]))
        return result

    def _variation(self, model, x, y, attack):
        """Mean change of loss and of probability, image by image (table 1, in both readings)."""
        generator = torch.Generator(x.device).manual_seed(self.trained.seed)
        x_adv = robustness.attacked(model, x, y, attack, generator)
        before, after = margins.collect(model, x, y), margins.collect(model, x_adv, y)
        return {
            "loss": mean((after.losses - before.losses).abs().cpu()),
            "probability": mean((after.probabilities - before.probabilities).abs().cpu()),
        }


def _layers(model, shape):
    """Per layer a summary of its singular values in each of the three readings.

    The exact operator of a layer on a map of 32 x 32 is too large to write; its summary is an
    estimate, with its standard error.
    """
    found = {}
    met = spectra.layer_shapes(model, shape)
    for reading in ("reshaped", "circular"):
        for name, values in spectra.layer_singular_values(model, shape, reading).items():
            kind = "dense" if isinstance(met[name][0], nn.Linear) else "convolution"
            found.setdefault(name, {"kind": kind})[reading] = spectra.summary(values)
    for name, (layer, size) in met.items():
        dense = found[name]["kind"] == "dense"
        found[name]["exact"] = (
            found[name]["reshaped"] if dense else spectra.estimated_summary(layer, size)
        )
    return found


def _confidence(found):
    """Accuracy, loss, and the distributions behind figures 4 and 5."""
    middle = (found.probabilities >= 0.1) & (found.probabilities <= 0.9)
    spread = found.margins.double()
    skewness = ((spread - spread.mean()) / spread.std(correction=0)).pow(3).mean()
    return {
        "accuracy": proportion((found.margins > 0).cpu()),
        "loss": mean(found.losses.cpu()),
        "margins": margins.summary(found.margins, MARGINS) | {"skewness": skewness.item()},
        "probabilities": margins.summary(found.probabilities, PROBABILITIES),
        "losses": margins.summary(found.losses, LOSSES),
        "middle": proportion(middle.cpu()),
        "above_5": proportion((found.losses > 5).cpu()),
    }
