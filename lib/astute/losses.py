"""Losses of logits, one value an image, and the checks every attack and measure shares."""

import torch
import torch.nn.functional as F


class NotANumber(ValueError):
    """Logits are NaN: the weights exploded, or the images were NaN."""


def check_labels(logits, y):
    """Refuse logits and labels that do not belong together.

    Raises
    ------
    ValueError
        If ``logits`` is not (N, K), holds NaN or is probabilities (every row is non-negative and
        sums to 1), if ``y`` is not N integers in 0..K-1.
    """
    if logits.dim() != 2:
        raise ValueError(f"logits have shape (N, K); got {tuple(logits.shape)}")
    if y.shape != logits.shape[:1] or y.is_floating_point():
        raise ValueError(
            f"labels are {len(logits)} integers, one an image; got {y.dtype}, shape "
            f"{tuple(y.shape)}"
        )
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < logits.shape[1]:
        raise ValueError(
            f"labels lie in 0..{logits.shape[1] - 1}, as the model has {logits.shape[1]} outputs; "
            f"got {int(y.min())}..{int(y.max())}"
        )
    if torch.isnan(logits).any():
        raise NotANumber("the model returned NaN logits; check the images and the weights")
    if len(y) and logits.min() >= 0 and (logits.sum(1) - 1).abs().max() < 1e-3:
        raise ValueError(
            "logits are unbounded, but every row of the model's output is non-negative and sums to "
            "1: probabilities, whose gradients vanish. Remove the softmax at its end"
        )


def cross_entropy(logits, y):
    """(N, K), (N,) -> (N,): -log of the softmax probability of the label, nats."""
    return F.cross_entropy(logits, y, reduction="none")


def kl(reference, logits):
    """(N, K), (N, K) -> (N,): KL(softmax(reference) || softmax(logits)), nats.

    Finite for every pair of finite logits: only logarithms of softmax are taken.

    Examples
    --------
    >>> kl(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
    tensor([0.])
    """
    p, q = F.log_softmax(reference, 1), F.log_softmax(logits, 1)
    return (p.exp() * (p - q)).sum(1)


def margin(logits, y):
    """(N, K), (N,) -> (N,): the label's logit minus the best other one; positive = right.

    The margin operator of Wen, Li & Jia, Definition 3. A tie has margin 0 and counts as wrong.

    Examples
    --------
    >>> margin(torch.tensor([[2.0, 5.0, 1.0]]), torch.tensor([1]))
    tensor([3.])
    """
    own = logits.gather(1, y[:, None])[:, 0]
    return own - logits.scatter(1, y[:, None], -torch.inf).amax(1)


LOSSES = {"ce": cross_entropy, "margin": lambda logits, y: -margin(logits, y)}
