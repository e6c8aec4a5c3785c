"""What the attacks share: checks, gradients, and success recomputed from the images."""

import torch

from .. import losses


def check_images(x):
    """Refuse images that are not (N, C, H, W) floats in [0, 1].

    Raises
    ------
    ValueError
        With the range that was found.
    """
    if x.dim() < 2 or not x.is_floating_point():
        raise ValueError(f"images are floats (N, C, H, W); got {x.dtype}, shape {tuple(x.shape)}")
    if x.numel() and not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(
            f"images lie in [0, 1]; got {x.min().item():g}..{x.max().item():g}. "
            "Divide 8-bit levels by 255; standardising belongs into the model"
        )


@torch.no_grad()
def fooled(model, x_adv, y):
    """Whether the model's answer to each image is not ``y``: an attack's success, asked anew.

    Parameters
    ----------
    model : callable
        Images (N, C, H, W) -> logits (N, K); in evaluation mode, if what it predicts is meant.
    x_adv : Tensor, shape (N, C, H, W)
        What an attack returned; without the box it may leave [0, 1].
    y : Tensor, shape (N,)

    Returns
    -------
    Tensor of bool, shape (N,)
    """
    logits = model(x_adv)
    losses.check_labels(logits, y)
    return logits.argmax(1) != y


@torch.no_grad()
def least_margin(model, candidates, y):
    """Per image the candidate of least margin: the worst of several attacked versions.

    Parameters
    ----------
    candidates : iterable of Tensor (N, C, H, W)
    y : Tensor (N,)

    Returns
    -------
    Tensor, shape (N, C, H, W)
    """
    best, worst = None, None
    for x in candidates:
        logits = model(x)
        losses.check_labels(logits, y)
        m = losses.margin(logits, y)
        if best is None:
            best, worst = x.clone(), m
        else:
            better = m < worst
            best[better], worst = x[better], torch.minimum(m, worst)
    return best


def gradient(value, x, also_value=False):
    """Gradient of every image's own value by that image; parameters' gradients are left alone.

    Parameters
    ----------
    value : callable
        Images (N, C, H, W) -> (N,).
    x : Tensor, shape (N, C, H, W)
    also_value : bool
        Return the values, which cost nothing more, as well.

    Returns
    -------
    Tensor, shape (N, C, H, W); with ``also_value`` a second one, shape (N,)
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        values = value(x)
        # Summed, not averaged, so that no image's gradient depends on its batch.
        (found,) = torch.autograd.grad(values.sum(), x)
    return (found, values.detach()) if also_value else found


def beaten(logits, y):
    """(N, K), (N,) -> (N,): wrong by more than the rounding of another batch undoes."""
    return losses.margin(logits, y) < -slack(logits)


def slack(logits):
    """(N, K) -> (N,): by how much rounding may change a margin."""
    return 64 * torch.finfo(logits.dtype).eps * logits.abs().amax(1)


def right(model, x, y):
    """Logits of the images as they are, (N, K), and the indices of those not misclassified."""
    check_images(x)
    with torch.no_grad():
        logits = model(x)
    losses.check_labels(logits, y)
    return logits, (logits.argmax(1) == y).nonzero()[:, 0]
