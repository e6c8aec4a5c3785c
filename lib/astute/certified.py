"""What no perturbation of an linf ball can do: bounds that hold, for small ReLU networks.

Two certificates, for an ``nn.Sequential`` of dense layers, convolutions, flattening and ReLU
(dropout and identities, idle in evaluation mode, are skipped):

``"interval"``  every unit's range from the ranges below it; cheap, loose, also through pooling;
``"dual"``      the dual of the linear-programming relaxation (Wong & Kolter 2018), whose bounds of
                every hidden layer come from the same dual, layer by layer.

With ``box`` the ball is cut to [0, 1] first. The code of 2018's paper did not; it matters where
pixels lie on the border, as in binarised images, all of whose pixels do.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from . import attacks, intervals, losses, norms, progress

METHODS = ("interval", "dual")
COLUMNS = 2**22  # numbers of a block of dual variables: 16 MB


class Bounds(NamedTuple):
    """Lower and upper bounds, equal shapes."""

    low: torch.Tensor
    high: torch.Tensor


def margin_bounds(model, x, y, eps, method="dual", box=False, batch_size=50):
    """Lower bounds of all differences of logits, f_y(x') - f_k(x'), over the ball.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; see the head of this module for its parts.
    x, y : Tensor (N, C, H, W), (N,)
        Images in [0, 1] and labels.
    eps : float
        Radius of the linf ball, pixel units.
    method : {"dual", "interval"}
    box : bool
        Only points of [0, 1] count.
    batch_size : int
        Images taken together.

    Returns
    -------
    Tensor, shape (N, K)
        Infinity at the label itself. Where all are positive, no point of the ball is misclassified.

    Raises
    ------
    ValueError
        If the method is unknown or does not cover a layer, if the model is in training mode or
        returns NaN or probabilities, if eps, pixels or labels are out of range.

    References
    ----------
    Wong & Kolter (2018), "Provable defenses against adversarial examples via the convex outer
    adversarial polytope", theorem 1 and section 3.2.

    Examples
    --------
    Of a linear model both are exact: eps times the l1 norm of the difference of two rows.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).eval()
    >>> model[1].weight.data = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    >>> x, y = torch.tensor([[[[0.75, 0.25]]]]), torch.tensor([0])
    >>> margin_bounds(model, x, y, 0.125)
    tensor([[   inf, 0.5000]])
    """
    found = []
    with progress.bar(total=len(x), desc=f"{method} bounds", unit="image") as bar, torch.no_grad():
        for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            low = differences(model, images, labels, eps, method, box)
            found.append(low.scatter(1, labels[:, None], torch.inf))
            bar.update(len(images))
    return torch.cat(found)


def differences(model, x, y, eps, method="dual", box=False):
    """`margin_bounds` of one batch, differentiable by the weights, and 0 at the label itself.

    Training by them: `objectives.Dual`.
    """
    parts = _parts(model, method)
    norms.check("linf", eps)
    attacks.check_images(x)
    with torch.no_grad():
        logits = model(x)
        losses.check_labels(logits, y)
    eye = torch.eye(logits.shape[1]).to(logits)
    c = eye[y][:, None] - eye  # (N, K, K): row k is f_y - f_k
    ball = _ball(x, eps, box)
    return _dual(parts, ball, c) if method == "dual" else _last_rows(parts, ball, c)


def certified_error(model, x, y, eps, method="dual", box=False, batch_size=50):
    """The share of images that are not certified: an upper bound of the error under any attack.

    Parameters
    ----------
    As for `margin_bounds`.

    Returns
    -------
    dict
        An `intervals.proportion`: certified bounds hold for these images, the interval for others.
    """
    low = margin_bounds(model, x, y, eps, method, box, batch_size)
    return intervals.proportion((low.amin(1) <= 0).cpu())


def lipschitz_bounds(model, x, eps, box=False, batch_size=10):
    """Upper bounds of ||f(x) - f(x')||_1 / ||x - x'||_inf over the linf ball around each image.

    Along the way from x to x' every ReLU has a slope in [0, 1]: 0 or 1 where the ball leaves its
    unit's sign no choice. The Jacobians' entries are bounded by interval arithmetic over these
    slopes, from the logits down; their sum of absolute values bounds the ratio, since
    ||J d||_1 <= (sum of |J|) ||d||_inf. `lipschitz.LocalLipschitz` estimates the same from below.

    Parameters
    ----------
    model, x, eps, box, batch_size
        As for `margin_bounds`.

    Returns
    -------
    Tensor, shape (N,)

    Examples
    --------
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).eval()
    >>> model[1].weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    >>> lipschitz_bounds(model, torch.tensor([[[[0.75, 0.25]]]]), 0.1)
    tensor([6.])
    """
    parts = _parts(model, "dual")
    norms.check("linf", eps)
    attacks.check_images(x)
    found = []
    with progress.bar(total=len(x), desc="Lipschitz bounds", unit="image") as bar, torch.no_grad():
        for images in x.split(batch_size):
            hidden, shapes = _hidden(parts, _ball(images, eps, box))
            classes = model(images).shape[1]
            rows = torch.eye(classes).to(images).expand(len(images), -1, -1)
            low = high = rows
            for i in range(len(parts) - 1, -1, -1):
                if isinstance(parts[i], nn.ReLU):
                    # Slopes in [a, b] with a, b in {0, 1}: a product with each end, the extremes.
                    at = hidden[i]
                    a, b = (at.low >= 0).to(low)[:, None], (at.high > 0).to(low)[:, None]
                    low, high = (
                        low.clamp(min=0) * a + low.clamp(max=0) * b,
                        (high.clamp(min=0) * b + high.clamp(max=0) * a),
                    )
                else:
                    middle, spread = (low + high) / 2, (high - low) / 2
                    middle = _back(parts[i], middle, shapes[i])
                    spread = _back(parts[i], spread, shapes[i], absolute=True)
                    low, high = middle - spread, middle + spread
            found.append(torch.maximum(low.abs(), high.abs()).flatten(1).sum(1))
            bar.update(len(images))
    return torch.cat(found)


def interval_bounds(model, x, eps, box=False):
    """Ranges of the logits over the ball by interval arithmetic: `Bounds`, shapes (N, K)."""
    parts = _parts(model, "interval")
    norms.check("linf", eps)
    attacks.check_images(x)
    with torch.no_grad():
        at = _ball(x, eps, box)
        for part in parts:
            at = _interval(part, at)
    return at


def _parts(model, method):
    """The layers in order, refusing what the method does not cover."""
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}; got {method!r}")
    if model.training:
        raise ValueError("a measure needs the model in evaluation mode; call model.eval() first")
    idle = nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Identity
    covered = nn.Linear | nn.Conv2d | nn.ReLU | nn.Flatten
    if method == "interval":
        covered |= nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d
    if not isinstance(model, nn.Sequential):
        raise ValueError(f"certificates cover an nn.Sequential; got {type(model).__name__}")
    parts = [part for part in model if not isinstance(part, idle)]
    for part in parts:
        odd = isinstance(part, nn.Conv2d) and (
            part.padding_mode != "zeros" or isinstance(part.padding, str)
        )
        if odd or not isinstance(part, covered):
            raise ValueError(
                f"{part} is not covered by {method!r}: dense layers, zero-padded convolutions, "
                'ReLU and flattening are, and by "interval" pooling'
            )
    return parts


def _ball(x, eps, box):
    low, high = x - eps, x + eps
    return Bounds(low.clamp(min=0), high.clamp(max=1)) if box else Bounds(low, high)


def _apply(part, x, absolute=False, bias=True):
    weight = part.weight.abs() if absolute else part.weight
    bias = part.bias if bias and not absolute else None
    if isinstance(part, nn.Linear):
        return F.linear(x, weight, bias)
    return F.conv2d(x, weight, bias, part.stride, part.padding, part.dilation, part.groups)


def _interval(part, at):
    """Bounds one layer up."""
    if not isinstance(part, nn.Linear | nn.Conv2d):
        return Bounds(part(at.low), part(at.high))  # monotone
    middle = _apply(part, (at.low + at.high) / 2)
    spread = _apply(part, (at.high - at.low) / 2, absolute=True)
    return Bounds(middle - spread, middle + spread)


def _last_rows(parts, at, c):
    """Interval bounds of c f: the last dense layer is merged with c, which is exact for it."""
    for part in parts[:-1]:
        at = _interval(part, at)
    last = parts[-1]
    if not isinstance(last, nn.Linear):
        raise ValueError(f"the last layer is dense; got {last}")
    weight = c @ last.weight  # (N, K, inputs)
    middle, spread = (at.low + at.high) / 2, (at.high - at.low) / 2
    low = (weight @ middle[:, :, None] - weight.abs() @ spread[:, :, None])[..., 0]
    return low if last.bias is None else low + c @ last.bias


def _back(part, v, shape, absolute=False):
    """The transpose of a layer, of (N, R, ...) rows: (N, R, *shape), that of the layer's input."""
    if isinstance(part, nn.Flatten):
        return v.reshape(*v.shape[:2], *shape)
    weight = part.weight.abs() if absolute else part.weight
    if isinstance(part, nn.Linear):
        return v @ weight
    flat = v.flatten(0, 1)
    reached = [
        (out - 1) * s - 2 * p + d * (k - 1) + 1
        for out, s, p, d, k in zip(
            v.shape[3:], part.stride, part.padding, part.dilation, part.kernel_size, strict=True
        )
    ]
    left = [n - r for n, r in zip(shape[1:], reached, strict=True)]
    back = F.conv_transpose2d(
        flat, weight, None, part.stride, part.padding, left, part.groups, part.dilation
    )
    return back.view(*v.shape[:2], *shape)


def _hidden(parts, ball):
    """Bounds before every ReLU by the dual, and every layer's input shape without the batch."""
    hidden, shapes = {}, []
    at = ball.low[:1]
    for i, part in enumerate(parts):
        shapes.append(at.shape[1:])
        if isinstance(part, nn.ReLU):
            if i == 0:
                hidden[i] = ball
            else:
                hidden[i] = _unit_bounds(parts[:i], shapes, hidden, ball, at.shape[1:])
        at = part(at)
    return hidden, shapes


def _unit_bounds(parts, shapes, hidden, ball, shape):
    """Bounds of every number that the parts compute, a block of numbers at a time."""
    count, n = shape.numel(), len(ball.low)
    widest = max(shape.numel(), *(s.numel() for s in shapes))
    low, high = [], []
    for rows in torch.arange(count).split(max(1, COLUMNS // (n * widest))):
        c = F.one_hot(rows, count).to(ball.low).view(1, len(rows), *shape)
        both = torch.cat([c, -c], 1).expand(n, *[-1] * (1 + len(shape)))
        bound = _dual_value(parts, shapes, hidden, ball, both)
        low.append(bound[:, : len(rows)])
        high.append(-bound[:, len(rows) :])
    return Bounds(*(torch.cat(v, 1).view(n, *shape) for v in (low, high)))


def _dual(parts, ball, c):
    hidden, shapes = _hidden(parts, ball)
    return _dual_value(parts, shapes, hidden, ball, c)


def _dual_value(parts, shapes, hidden, ball, c):
    """Lower bounds of c . (what the parts compute) over the ball: (N, R, ...) -> (N, R).

    c is carried down to the pixels. Below an undecided ReLU with range [l, u] it is multiplied by
    the slope u / (u - l) of the upper edge of the relaxation; where it weighs the ReLU downwards,
    the edge's offset -l u / (u - l) counts in full.
    """
    total = 0
    v = c
    for i in range(len(parts) - 1, -1, -1):
        part = parts[i]
        if isinstance(part, nn.ReLU):
            low, high = (b[:, None] for b in hidden[i])
            undecided = (low < 0) & (high > 0)
            # 1 elsewhere: an infinite quotient spoils the gradient, though it is not used.
            width = torch.where(undecided, high - low, 1)
            slope = torch.where(undecided, high / width, (low >= 0).to(v))
            v = v * slope
            offset = torch.where(undecided, low, 0)
            total = total + (v.clamp(max=0) * -offset).flatten(2).sum(2)
        else:
            if not isinstance(part, nn.Flatten) and part.bias is not None:
                weights = v if isinstance(part, nn.Linear) else v.flatten(3).sum(3)
                total = total + weights @ part.bias
            v = _back(part, v, shapes[i])
    v = v.flatten(2)
    middle, spread = (
        w.flatten(1)[:, :, None] for w in ((ball.low + ball.high) / 2, (ball.high - ball.low) / 2)
    )
    return total + (v @ middle - v.abs() @ spread)[..., 0]
