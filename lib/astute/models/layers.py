"""What several networks are built of: fresh layers from a seed, modes, standardising, scalars."""

import contextlib
import math
from collections import OrderedDict

import torch
from torch import nn

#: Mean and standard deviation of the channels, pixel units: CIFAR's and ImageNet's training images.
CIFAR = ((125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@contextlib.contextmanager
def seeded(seed):
    """PyTorch's global generator at ``seed`` inside, as it was before again after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def build(seed, layers):
    """Fresh layers, initialised from ``seed`` without touching the global generator."""
    with seeded(seed):
        return nn.Sequential(OrderedDict(layers()))


@contextlib.contextmanager
def evaluating(module):
    """Evaluation mode inside, whatever mode each part of the module had before again after."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield module
    finally:
        for part, mode in modes:
            part.training = mode


class _ByTheImage(torch.autograd.Function):
    """Passes a convolution's output on and gives the image its gradient, the quick way.

    The convolution itself sees a detached image: what is asked of it later, the gradient of its
    weights, is then computed only if it is asked for.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(y, x, weight, padding):
        return y.view_as(y)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, x, weight, ctx.padding = inputs
        ctx.save_for_backward(weight)
        ctx.shape, ctx.dtype = x.shape, x.dtype

    @staticmethod
    def backward(ctx, grad):
        (weight,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # it will be differentiated again
            by_x = nn.grad.conv2d_input(ctx.shape, weight, grad, padding=ctx.padding)
        else:
            by_x = _spread(ctx.shape, weight, grad, ctx.padding)
        return grad, by_x.to(ctx.dtype), None, None


def _spread(shape, weight, grad, padding):
    """Every output's gradient back to the pixels it saw: (N, C, h, w) -> (N, 1, H, W)."""
    (n, _, high, wide), (rows, columns) = shape, weight.shape[2:]
    h, w = grad.shape[2:]
    taps = (
        weight.to(grad.dtype).flatten(1).t()
        @ grad.permute(0, 2, 3, 1).reshape(-1, grad.shape[1]).t()
    )
    taps = taps.view(rows, columns, n, h, w)
    out = grad.new_zeros((n, high + 2 * padding[0], wide + 2 * padding[1]), dtype=weight.dtype)
    for i in range(rows):
        for j in range(columns):
            out[:, i : i + h, j : j + w] += taps[i, j]
    return out[:, None, padding[0] : padding[0] + high, padding[1] : padding[1] + wide]


class GreyConv2d(nn.Conv2d):
    """A convolution of images with one channel, stride 1: ``nn.Conv2d``, but quick to attack.

    On a CPU the library's gradient by an image of one channel takes as long as a layer with thirty
    times the work (measured); ours is a quarter of it and the same but for rounding.
    """

    def __init__(self, outside, size, padding=0):
        super().__init__(1, outside, size, padding=padding)

    def forward(self, x):
        if x.requires_grad and x.device.type == "cpu":
            y = super().forward(x.detach())
            return _ByTheImage.apply(y, x, self.weight, self.padding)
        return super().forward(x)


class StandardiseImage(nn.Module):
    """Every image to mean 0 and standard deviation 1 over all its values, differentiably.

    (x - mean) / max(std, 1 / sqrt(n)) with n values an image, as TensorFlow's
    ``per_image_standardization`` does: the bound keeps a flat image from being blown up.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5]]).view(2, 1, 2, 2)
    >>> StandardiseImage()(x).flatten(1).tolist()
    [[-1.0, 1.0, -1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    """

    def forward(self, x):
        centred = x - x.mean((1, 2, 3), keepdim=True)
        # Bounded before the root: the root of 0 has no gradient.
        least = 1 / math.prod(x.shape[1:])
        variance = centred.square().mean((1, 2, 3), keepdim=True).clamp_min(least)
        return centred / variance.sqrt()


class StandardiseChannels(nn.Module):
    """(x - mean) / std with fixed numbers for every channel, pixel units."""

    def __init__(self, mean, std):
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            # Settings, not weights: no file holds them.
            values = torch.tensor(values).view(1, -1, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, x):
        return (x - self.mean) / self.std


class Scalar(nn.Module):
    """One learnable number, at first 0, added to everything."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.bias
