"""Accuracies, clean and attacked, with the outcome of every image."""

import torch

from . import attacks, progress
from .intervals import proportion


def predict(model, x, batch_size=500):
    """(N, C, H, W) -> (N,): predicted classes.

    Raises
    ------
    ValueError
        If the model is in training mode or the images leave [0, 1].
    """
    if model.training:
        raise ValueError("a measure needs the model in evaluation mode; call model.eval() first")
    attacks.check_images(x)
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in x.split(batch_size)])


def attacked(model, x, y, attack, generator=None, batch_size=250, desc="attack"):
    """Attacked images, batch by batch under one progress bar: (N, C, H, W)."""
    if model.training:
        raise ValueError("a measure needs the model in evaluation mode; call model.eval() first")
    parts = []
    with progress.bar(total=len(x), desc=desc, unit="image") as bar:
        for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            parts.append(attack(model, images, labels, generator))
            bar.update(len(images))
    return torch.cat(parts)


def accuracies(model, x, y, attack, seed=0, batch_size=250):
    """Clean accuracy, robust accuracy, and robustness wrt predictions.

    Robustness wrt predictions (Ding et al., section 3.2) attacks the model's own prediction
    instead of the label. Where the two agree so do the attacks, so only misclassified images are
    attacked a second time.

    Parameters
    ----------
    x, y : Tensor (N, C, H, W), (N,)
    attack : callable
        From `attacks`.
    seed : int
        Of the attack's random starts.

    Returns
    -------
    dict of `intervals.proportion`
        ``clean_accuracy``, ``robust_accuracy``, ``robustness_wrt_predictions``.
    """
    predicted = predict(model, x)
    generator = torch.Generator(x.device).manual_seed(seed)
    survives = predict(model, attacked(model, x, y, attack, generator, batch_size)) == y
    stable = survives.clone()
    wrong = (predicted != y).nonzero()[:, 0]
    if len(wrong):
        x_adv = attacked(model, x[wrong], predicted[wrong], attack, generator, batch_size)
        stable[wrong] = predict(model, x_adv) == predicted[wrong]
    return {
        "clean_accuracy": proportion((predicted == y).cpu()),
        "robust_accuracy": proportion(survives.cpu()),
        "robustness_wrt_predictions": proportion(stable.cpu()),
    }
