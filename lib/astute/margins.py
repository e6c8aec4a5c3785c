"""How sure a network is: margins, probabilities and losses of labelled images."""

from typing import NamedTuple

import torch

from . import attacks, losses, robustness

QUANTILES = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


class Confidence(NamedTuple):
    """Three faces of one output, each of shape (N,)."""

    margins: torch.Tensor  #: label's logit minus best other one, positive = right
    probabilities: torch.Tensor  #: softmax probability of the label
    losses: torch.Tensor  #: cross-entropy, nats: minus the log of the probability


@torch.no_grad()
def collect(model, x, y, batch_size=500):
    """Margin, probability and loss of every image (Wen, Li & Jia, Definition 3, section 4.2.1).

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    x, y : Tensor (N, C, H, W), (N,)
        Pixels in [0, 1]; labels 0..K-1.

    Returns
    -------
    Confidence
        On the images' device.

    Raises
    ------
    ValueError
        If the model is in training mode or returns NaN, if there are no images, if pixels or
        labels are out of range.
    """
    if model.training:
        raise ValueError("a measure needs the model in evaluation mode; call model.eval() first")
    if len(x) == 0:
        raise ValueError("margins of no images are undefined; got an empty set")
    attacks.check_images(x)
    parts = []
    for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
        logits = model(images)
        losses.check_labels(logits, labels)
        loss = losses.cross_entropy(logits, labels)
        parts.append((losses.margin(logits, labels), torch.exp(-loss), loss))
    return Confidence(*map(torch.cat, zip(*parts, strict=True)))


def summary(margins, edges=None):
    """A distribution of margins as plain numbers, for a record.

    Parameters
    ----------
    margins : Tensor (N,)
    edges : sequence of float, optional
        Of bins, ascending; the first and last bin also take what lies beyond.

    Returns
    -------
    dict
        ``n``, ``mean``, ``std`` (divided by n), ``inter_decile`` range, ``quantiles`` at
        `QUANTILES`, and with ``edges`` the number of images in each of the ``len(edges) - 1``
        bins as ``counts``.

    Examples
    --------
    >>> s = summary(torch.tensor([-1.0, 0.0, 1.0, 6.0]), edges=[-2, 0, 2, 4])
    >>> s["mean"], s["counts"]
    (1.5, [1, 2, 1])
    """
    margins = margins.double().cpu()
    points = torch.quantile(margins, torch.tensor(QUANTILES, dtype=margins.dtype)).tolist()
    out = {
        "n": len(margins),
        "mean": margins.mean().item(),
        "std": margins.std(correction=0).item(),
        "inter_decile": points[QUANTILES.index(0.9)] - points[QUANTILES.index(0.1)],
        "quantiles": points,
    }
    if edges is not None:
        edges = torch.as_tensor(edges, dtype=margins.dtype)
        bins = torch.bucketize(margins, edges, right=True).clamp(1, len(edges) - 1)
        out["counts"] = torch.bincount(bins - 1, minlength=len(edges) - 1).tolist()
    return out


def loss_variation(model, x, y, attack, generator=None, batch_size=250):
    """How much an attack changes the loss of an image (Wen, Li & Jia, table 1).

    |l(x_adv) - l(x)| of every image, its mean and standard deviation over the images.

    Parameters
    ----------
    attack : callable
        From `attacks`; theirs climbs the cross-entropy and returns the last iterate.

    Returns
    -------
    dict
        ``n``, ``mean`` and ``std`` (divided by n), nats.

    Raises
    ------
    ValueError
        As `collect`.
    """
    clean = collect(model, x, y, batch_size).losses
    x_adv = robustness.attacked(model, x, y, attack, generator, batch_size)
    change = (collect(model, x_adv, y, batch_size).losses - clean).abs().double()
    return {
        "n": len(change),
        "mean": change.mean().item(),
        "std": change.std(correction=0).item(),
    }
