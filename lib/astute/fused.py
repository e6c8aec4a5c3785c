"""The same network, faster to attack on a CPU: exact rearrangements in evaluation mode.

An attack only needs logits and their gradients by the image. So parameters ask for no gradient,
batch normalisation is folded into the convolution before it, ReLU comes after max-pooling (both are
monotone), dropout is gone, scalars move into biases, and all maps are channels-last. The function
is the model's own but for rounding. With a body in bfloat16 it is so to two or three digits, which
is enough to climb by; whoever counts successes asks the model itself.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from . import models

DTYPES = (torch.float32, torch.float64, torch.bfloat16)
LAST = torch.channels_last


def fused(model, dtype=torch.float32):
    """A network that computes what the model computes in evaluation mode.

    Parameters
    ----------
    model : nn.Module
        Best an ``nn.Sequential`` of convolutions, pooling, ReLU, normalisation, dense layers and
        the residual blocks of `models`; any other part is copied as it is. Later changes of the
        model do not reach the copy.
    dtype : torch.dtype
        float32 or float64: the same numbers but for rounding. bfloat16: faster still, less exact.

    Returns
    -------
    nn.Module
        Images (N, C, H, W) -> logits (N, K) in the dtype of the images; in evaluation mode, nothing
        in it asks for a gradient.

    Raises
    ------
    ValueError
        If ``dtype`` is none of the three.

    Examples
    --------
    >>> model = models.LeNet(width=0.25)(seed=0).eval()
    >>> x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    >>> bool((fused(model)(x) - model(x)).abs().max() < 1e-5)
    True
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype is torch.float32, torch.float64 or torch.bfloat16; got {dtype}")
    with torch.no_grad():
        network = _Fused(_steps(_parts(model)), dtype)
    return network.eval().requires_grad_(False)


class _Fused(nn.Module):
    """The steps one after the other; images come in and logits go out in the images' dtype."""

    def __init__(self, steps, dtype):
        super().__init__()
        self.steps, self.dtype = nn.Sequential(*steps).to(dtype), dtype

    def forward(self, x):
        return self.steps(x.to(self.dtype)).to(x.dtype)


def _parts(model):
    """The model's parts in order, nested sequences opened, without those that do nothing here."""
    if type(model) is nn.Sequential:
        return [part for child in model for part in _parts(child)]
    idle = isinstance(model, nn.Identity | nn.modules.dropout._DropoutNd)
    return [] if idle else [model]


def _steps(parts):
    """The fused steps of a network's parts."""
    parts, steps = list(parts), []
    channels = None  # of the map that arrives here, if one that is channels-last does
    while parts:
        part, follows = parts.pop(0), parts[0] if parts else None
        if isinstance(part, nn.ReLU) and isinstance(follows, nn.MaxPool2d):
            parts[0], part = part, follows
        if _plain(part):
            normalised = isinstance(follows, nn.BatchNorm2d)
            steps.append(_Convolution(*_folded(part, parts.pop(0) if normalised else None), part))
            channels = part.out_channels
        elif isinstance(part, models.Scalar):
            _shift(steps, part.bias.item())
        elif isinstance(part, models.FixupBlock):
            _shift(steps, _number(part.bias1))
            steps.append(_Fixup(part))
            channels = part.conv2.out_channels
        elif isinstance(part, models.PreactivationBlock):
            steps.append(_Preactivation(part))
            channels = part.conv2.out_channels
        elif isinstance(part, nn.BatchNorm2d) and isinstance(follows, nn.ReLU):
            parts.pop(0)
            steps.append(_NormalisedReLU(part))
        elif isinstance(part, nn.ReLU):
            fresh = steps and isinstance(steps[-1], _Convolution | nn.Linear | nn.MaxPool2d)
            steps.append(_Floor(in_place=bool(fresh)))
        elif channels and isinstance(part, nn.Flatten) and isinstance(follows, nn.Linear):
            parts[0] = _by_pixel(follows, channels)
            steps.append(_Flatten())
            channels = None
        else:
            if not isinstance(part, nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d):
                channels = None
            steps.append(copy.deepcopy(part))
    return steps


def _plain(part):
    """Whether a part is a convolution without groups, dilation or padding other than zeros."""
    return (
        isinstance(part, nn.Conv2d)
        and part.groups == 1
        and part.dilation == (1, 1)
        and part.padding_mode == "zeros"
        and not isinstance(part.padding, str)
    )


def _affine(bn):
    """Normalisation in evaluation mode as a factor and an offset, two of (C,)."""
    factor = (bn.running_var + bn.eps).rsqrt()
    factor = factor if bn.weight is None else factor * bn.weight
    offset = -bn.running_mean * factor
    return factor, offset if bn.bias is None else offset + bn.bias


def _folded(conv, bn=None):
    """Weight and bias of a convolution and of the normalisation after it."""
    weight = conv.weight.detach().clone()
    bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.detach().clone()
    if bn is not None:
        factor, offset = _affine(bn)
        weight, bias = weight * factor[:, None, None, None], bias * factor + offset
    return weight, bias


def _number(part):
    """What a `models.Scalar` adds; 0 where a block was built without it."""
    return part.bias.item() if isinstance(part, models.Scalar) else 0.0


def _shift(steps, number):
    """Add a number to all that arrives here: where possible by a bias before, at no cost."""
    floor = steps[-1] if steps and isinstance(steps[-1], _Floor) else None
    source = steps[-2:-1] if floor else steps[-1:]
    if source and isinstance(source[0], _Convolution | _Fixup):
        source[0].lift(number)
        if floor:
            floor.level += number  # max(x, level) + b = max(x + b, level + b)
    elif number:
        steps.append(_Add(number))


def _by_pixel(linear, channels):
    """A dense layer for maps flattened pixel by pixel instead of channel by channel."""
    columns = linear.weight.detach().view(len(linear.weight), channels, -1)
    out = nn.Linear(1, 1)
    out.weight = nn.Parameter(columns.transpose(1, 2).reshape(len(columns), -1).contiguous())
    out.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
    return out


class _Add(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, x):
        return x + self.number


class _Flatten(nn.Module):
    """(N, C, H, W) -> (N, H W C): no copy of maps that are channels-last."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class _Floor(nn.Module):
    """max(x, level), over its input if nobody else needs that."""

    def __init__(self, in_place):
        super().__init__()
        self.level, self.in_place = 0.0, in_place

    def forward(self, x):
        return _Floored.apply(x, self.level, self.in_place)


class _Floored(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, level, in_place):
        ctx.level = level
        if in_place:
            ctx.mark_dirty(x)
            y = x.clamp_min_(level)
        else:
            y = x.clamp_min(level)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return _above(grad, y, ctx.level), None, None


def _above(grad, y, level):
    """The gradient where an output lies above its floor, else 0."""
    return torch.ops.aten.threshold_backward(grad, y, level)


def _above_(grad, y, level):
    """`_above`, written over the gradient."""
    return torch.ops.aten.threshold_backward.grad_input(grad, y, level, grad_input=grad)


def _by_input(grad, x, weight, stride, padding):
    """The gradient of a convolution's input."""
    bias, one = [len(weight)], [1, 1]
    return torch.ops.aten.convolution_backward(
        grad, x, weight, bias, stride, padding, one, False, [0, 0], 1, [True, False, False]
    )[0]


class _Convolution(nn.Module):
    """A convolution of channels-last maps."""

    def __init__(self, weight, bias, like):
        super().__init__()
        self.stride, self.padding = like.stride, like.padding
        # The library's gradient by images of few channels takes as long as that by many.
        self.thin = weight.shape[1] <= 4 and self.stride == (1, 1)
        self.register_buffer("weight", _last(weight))
        self.register_buffer("bias", bias)

    def lift(self, number):
        self.bias += number

    def forward(self, x):
        x = _last(x)
        if self.thin:
            return _Thin.apply(x, self.weight, self.bias, self.padding)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


def _last(x):
    """The same numbers channels-last; with one channel, too, the strides say so."""
    if x.shape[1] == 1:
        _, _, h, w = x.shape
        return x.contiguous().as_strided(x.shape, (h * w, 1, w, 1))
    return x.contiguous(memory_format=LAST)


class _Thin(torch.autograd.Function):
    """A convolution of images, stride 1, with a quick gradient: one matrix product, then sums."""

    @staticmethod
    def forward(ctx, x, weight, bias, padding):
        ctx.save_for_backward(weight)
        ctx.shape, ctx.padding = x.shape, padding
        return F.conv2d(x, weight, bias, 1, padding)

    @staticmethod
    def backward(ctx, grad):
        (weight,) = ctx.saved_tensors
        (n, channels, high, wide), (top, left) = ctx.shape, ctx.padding
        rows, columns = weight.shape[2:]
        h, w = grad.shape[2:]
        taps = weight.permute(1, 2, 3, 0).flatten(0, 2) @ grad.permute(1, 0, 2, 3).flatten(1)
        taps = taps.view(channels, rows, columns, n, h, w)
        out = taps.new_zeros(channels, n, high + 2 * top, wide + 2 * left)
        for i in range(rows):
            for j in range(columns):
                out[:, :, i : i + h, j : j + w] += taps[:, i, j]
        inside = out[:, :, top : top + high, left : left + wide]
        return inside.transpose(0, 1), None, None, None


class _NormalisedReLU(nn.Module):
    """Normalisation, then ReLU."""

    def __init__(self, bn):
        super().__init__()
        factor, offset = _affine(bn)
        self.register_buffer("factor", factor[:, None, None].clone())
        self.register_buffer("offset", offset[:, None, None].clone())

    def forward(self, x):
        return _Activated.apply(_last(x), self.factor, self.offset)


class _Activated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor, offset):
        y = torch.addcmul(offset, x, factor).clamp_min_(0)
        ctx.save_for_backward(y, factor)
        return y

    @staticmethod
    def backward(ctx, grad):
        y, factor = ctx.saved_tensors
        return _above(grad, y, 0).mul_(factor), None, None


class _Preactivation(nn.Module):
    """`models.PreactivationBlock`, the second normalisation folded into the first convolution."""

    def __init__(self, block):
        super().__init__()
        self.activate = _NormalisedReLU(block.bn1)
        self.conv1 = _Convolution(*_folded(block.conv1, block.bn2), block.conv1)
        self.conv2 = _Convolution(*_folded(block.conv2), block.conv2)
        self.shortcut = None
        if block.shortcut is not None:
            self.shortcut = _Convolution(*_folded(block.shortcut), block.shortcut)

    def forward(self, x):
        return _Preactivated.apply(_last(x), self)


class _Preactivated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, block):
        z = block.activate(x)
        hidden = block.conv1(z).clamp_min_(0)
        shortcut = x if block.shortcut is None else block.shortcut(z)
        ctx.save_for_backward(z, hidden)
        ctx.block = block
        return block.conv2(hidden).add_(shortcut)

    @staticmethod
    def backward(ctx, grad):
        (z, hidden), block = ctx.saved_tensors, ctx.block
        conv1, conv2, shortcut = block.conv1, block.conv2, block.shortcut
        grad = _last(grad)
        inner = _by_input(grad, hidden, conv2.weight, conv2.stride, conv2.padding)
        inner = _above_(inner, hidden, 0)
        inner = _by_input(inner, z, conv1.weight, conv1.stride, conv1.padding)
        if shortcut is not None:
            inner += _by_input(grad, z, shortcut.weight, shortcut.stride, shortcut.padding)
        inner = _above_(inner, z, 0).mul_(block.activate.factor)
        return inner if shortcut is not None else inner.add_(grad), None


class _Fixup(nn.Module):
    """`models.FixupBlock` of an input that has its first scalar already."""

    def __init__(self, block):
        super().__init__()
        b1, b2, b3, b4 = (_number(getattr(block, f"bias{i}")) for i in (1, 2, 3, 4))
        self.widens = block.widens
        self.stride = block.stride
        self.conv1 = _Convolution(*_folded(block.conv1), block.conv1)
        self.conv2 = _Convolution(*_folded(block.conv2), block.conv2)
        # relu(u + b2) + b3 = max(u + b2 + b3, b3); the shortcut is the input without b1.
        self.conv1.lift(b2 + b3)
        self.conv2.lift(b4 if block.widens else b4 - b1)
        self.inner, self.level = b3, 0.0

    def lift(self, number):
        self.conv2.lift(number)
        self.level += number

    def forward(self, x):
        return _Fixed.apply(_last(x), self)


class _Fixed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, block):
        hidden = block.conv1(x).clamp_min_(block.inner)
        out = block.conv2(hidden)
        if block.widens:
            out[:, : x.shape[1]] += x[:, :, :: block.stride, :: block.stride]
        else:
            out += x
        out.clamp_min_(block.level)
        ctx.save_for_backward(x, hidden, out)
        ctx.block = block
        return out

    @staticmethod
    def backward(ctx, grad):
        (x, hidden, out), block = ctx.saved_tensors, ctx.block
        conv1, conv2 = block.conv1, block.conv2
        grad = _above(_last(grad), out, block.level)
        inner = _by_input(grad, hidden, conv2.weight, conv2.stride, conv2.padding)
        inner = _above_(inner, hidden, block.inner)
        inner = _by_input(inner, x, conv1.weight, conv1.stride, conv1.padding)
        if block.widens:
            inner[:, :, :: block.stride, :: block.stride] += grad[:, : x.shape[1]]
        else:
            inner += grad
        return inner, None
