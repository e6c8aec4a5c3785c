"""Accuracies, clean and attacked, with the outcome of every image."""

from dataclasses import replace

import torch

from . import attacks, fused, norms, progress
from .intervals import outcomes, proportion


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
    return _classes(model, x, batch_size)


@torch.no_grad()
def _classes(model, x, batch_size=500):
    """`predict` for images that an attack without the box may have taken out of [0, 1]."""
    return torch.cat([model(part).argmax(1) for part in x.split(batch_size)])


def attacked(model, x, y, attack, generator=None, batch_size=250, desc="attack", fast=None):
    """Attacked images, batch by batch under one progress bar.

    Parameters
    ----------
    x, y : Tensor (N, C, H, W), (N,)
    attack : callable
        From `attacks`.
    fast : torch.dtype, optional
        Attack a copy from `fused.fused` with this body instead: float32 gives the same but for
        rounding. Where the copy is fooled and the model is not, the model itself is attacked.

    Returns
    -------
    Tensor, shape (N, C, H, W)
    """
    if model.training:
        raise ValueError("a measure needs the model in evaluation mode; call model.eval() first")
    network = model if fast is None else fused.fused(model, fast)
    parts = []
    with progress.bar(total=len(x), desc=desc, unit="image") as bar:
        for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            x_adv = attack(network, images, labels, generator)
            if fast is not None:
                slipped = attacks.fooled(network, x_adv, labels)
                slipped &= ~attacks.fooled(model, x_adv, labels)
                if slipped.any():
                    x_adv[slipped] = attack(model, images[slipped], labels[slipped], generator)
            parts.append(x_adv)
            bar.update(len(images))
    return torch.cat(parts)


def accuracies(model, x, y, attack, seed=0, batch_size=250, fast=None):
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
    fast : torch.dtype, optional
        As for `attacked`: what is counted is what the model itself says to the images.

    Returns
    -------
    dict of `intervals.proportion`
        ``clean_accuracy``, ``robust_accuracy``, ``robustness_wrt_predictions``.
    """
    predicted = predict(model, x)
    generator = torch.Generator(x.device).manual_seed(seed)
    survives = _classes(model, attacked(model, x, y, attack, generator, batch_size, fast=fast)) == y
    stable = survives.clone()
    wrong = (predicted != y).nonzero()[:, 0]
    if len(wrong):
        x_adv = attacked(
            model, x[wrong], predicted[wrong], attack, generator, batch_size, fast=fast
        )
        stable[wrong] = _classes(model, x_adv) == predicted[wrong]
    return {
        "clean_accuracy": proportion((predicted == y).cpu()),
        "robust_accuracy": proportion(survives.cpu()),
        "robustness_wrt_predictions": proportion(stable.cpu()),
    }


def conditional(found):
    """Robust accuracy among the images that are right unattacked (Wen, Li & Jia's "PGD" rows).

    Parameters
    ----------
    found : dict
        From `accuracies`, or as a record keeps it.

    Returns
    -------
    `intervals.proportion`
        Of n = the images that are right unattacked; never below the robust accuracy of the same
        images all told, wrong ones counted as broken.

    Raises
    ------
    ValueError
        If no image is right.
    """
    right = outcomes(found["clean_accuracy"])
    if not right.any():
        raise ValueError("no image is right, so no share of the right ones survives an attack")
    return proportion(outcomes(found["robust_accuracy"])[right])


def curve(model, x, y, attack, radii, seed=0, batch_size=250, fast=None):
    """Robust accuracy against the radius.

    An image broken at one radius is broken at every larger one and is not attacked there: what
    broke it lies in the larger ball, too.

    Parameters
    ----------
    attack : attacks.PGD
        At its own ``eps``; at others its step is scaled alike.
    radii : sequence of float
        Ascending, pixel units; 0 gives the clean accuracy.

    Returns
    -------
    list of dict
        `intervals.proportion` and ``eps`` of every radius.

    Raises
    ------
    ValueError
        If the radii do not ascend, or the attack's own is 0.
    """
    radii = list(radii)
    if radii != sorted(radii) or not radii or not attack.eps > 0:
        raise ValueError(
            f"radii ascend and the attack's own is positive; got {radii}, {attack.eps}"
        )
    generator = torch.Generator(x.device).manual_seed(seed)
    survives = predict(model, x) == y
    found = []
    for eps in radii:
        left = survives.nonzero()[:, 0]
        if eps and len(left):
            step = attack.step_size * eps / attack.eps
            here = replace(attack, eps=eps, step_size=step)
            x_adv = attacked(model, x[left], y[left], here, generator, batch_size, fast=fast)
            survives[left] = _classes(model, x_adv) == y[left]
        found.append({"eps": eps, **proportion(survives.cpu())})
    return found


def distances(model, x, y, attack, norm, generator=None, batch_size=250):
    """How far a minimal-norm attack had to go with every image.

    Parameters
    ----------
    attack : callable
        `attacks.DeepFool`, `attacks.CarliniWagner` or a fast gradient sign attack.
    norm : {"linf", "l2"}
        In which to measure.

    Returns
    -------
    Tensor, shape (N,)
        Pixel units; 0 where the image is misclassified as it is, infinity where the model is not
        fooled by what came back. The accuracy at eps is at most the share above eps.
    """
    wrong = predict(model, x) != y
    x_adv = attacked(model, x, y, attack, generator, batch_size)
    far = norms.size(x_adv - x, norm)
    fooled = _classes(model, x_adv) != y
    return torch.where(wrong, 0, torch.where(fooled, far, torch.inf))
