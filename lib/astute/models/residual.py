"""Residual networks for 3 x 32 x 32 images: wide ones, and those without normalisation."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from .layers import CIFAR, Scalar, StandardiseChannels, StandardiseImage, build


class PreactivationBlock(nn.Module):
    """Normalisation and ReLU before each of two convolutions, added to the block's input.

    Where the shape changes, the shortcut is a 1 x 1 convolution of the *activated* input.
    """

    def __init__(self, inside, outside, stride, dropout):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.relu2 = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        same = inside == outside and stride == 1
        self.shortcut = None if same else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x):
        z = self.relu1(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(z)
        return self.conv2(self.dropout(self.relu2(self.bn2(self.conv1(z))))) + shortcut


@dataclass(frozen=True, kw_only=True)
class WideResNet:
    """WRN-depth-width of Zagoruyko & Komodakis (2016), for 3 x 32 x 32 images.

    Three groups of (depth - 4) / 6 blocks, with first strides 1, 2 and 2.

    Attributes
    ----------
    depth : int
        6 n + 4: 16, 28, 34, 40 ...
    width : float
        Widen factor w: 16w, 32w and 64w channels, each rounded down.
    dropout : float
        Between the two convolutions of a block.
    standardise : bool
        Whether every image is first brought to mean 0 and standard deviation 1 (Madry et al.'s
        and Ding et al.'s networks).

    Examples
    --------
    >>> sum(p.numel() for p in WideResNet(depth=28, width=1)(seed=0).parameters())
    369498
    """

    depth: int
    width: float
    dropout: float = 0.0
    standardise: bool = False
    classes: int = 10

    def __post_init__(self):
        if self.depth < 10 or self.depth % 6 != 4:
            raise ValueError(f"depth is 6 n + 4, such as 16, 28, 34 or 40; got {self.depth}")
        if math.floor(16 * self.width) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                "width is at least 1/16 and dropout lies in [0, 1); got "
                f"{self.width:g}, {self.dropout:g}"
            )

    def __call__(self, seed):
        return build(seed, self._layers)

    def _layers(self):
        if self.standardise:
            yield "standardise", StandardiseImage()
        yield "conv", _he(nn.Conv2d(3, 16, 3, padding=1, bias=False))
        inside = 16
        for group, (channels, stride) in enumerate(((16, 1), (32, 2), (64, 2)), 1):
            outside = math.floor(channels * self.width)
            for i in range((self.depth - 4) // 6):
                block = PreactivationBlock(inside, outside, stride if i == 0 else 1, self.dropout)
                yield f"block{group}_{i + 1}", _he(block)
                inside = outside
        yield "bn", nn.BatchNorm2d(inside)
        yield "relu", nn.ReLU()
        yield "pool", nn.AdaptiveAvgPool2d(1)
        yield "flatten", nn.Flatten()
        yield "fc", nn.Linear(inside, self.classes)


def _he(module):
    """Convolutions drawn with variance 2 / fan-out (He et al. 2015)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    return module


class FixupBlock(nn.Module):
    """Two convolutions and four scalars; the shortcut has no weights.

    Where the shape changes, the shortcut is every second pixel of (x + b1), and as many channels
    of zeros.
    """

    def __init__(self, inside, outside, stride, blocks, biases):
        super().__init__()
        scalar = Scalar if biases else nn.Identity
        self.stride, self.widens = stride, outside != inside
        self.bias1, self.bias2, self.bias3, self.bias4 = (scalar() for _ in range(4))
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.relu2 = nn.ReLU()
        # He's deviation over the square root of the depth, and nothing from the second one: at
        # first every block passes its input on (Zhang et al. 2019, section 3).
        nn.init.normal_(self.conv1.weight, 0, math.sqrt(2 / (9 * outside * blocks)))
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x):
        moved = self.bias1(x)
        z = self.relu1(self.bias2(self.conv1(moved)))
        z = self.bias4(self.conv2(self.bias3(z)))
        if self.widens:
            x = moved[:, :, :: self.stride, :: self.stride]
            x = torch.cat([x, torch.zeros_like(x)], 1)
        return self.relu2(z + x)


@dataclass(frozen=True, kw_only=True)
class Fixup:
    """ResNet without normalisation and without multipliers (Zhang, Dauphin & Ma 2019).

    The network of Wen, Li & Jia, section 4: a convolution, three stages of ``n`` blocks with 16,
    32 and 64 channels, and a linear layer, for 3 x 32 x 32 images. n = 9 is their "ResNet-56",
    n = 18 their "ResNet-110".

    Attributes
    ----------
    n : int
        Blocks a stage.
    standardise : bool
        Whether CIFAR's mean and deviation of each channel are taken out first.
    biases : bool
        Whether the scalars are there.

    Examples
    --------
    >>> sum(p.numel() for p in Fixup(n=9)(seed=0).parameters())
    849064
    """

    n: int
    classes: int = 10
    standardise: bool = True
    biases: bool = True

    def __post_init__(self):
        if self.n < 1:
            raise ValueError(f"n is a number of blocks a stage, at least 1; got {self.n}")

    def __call__(self, seed):
        return build(seed, self._layers)

    def _layers(self):
        scalar = Scalar if self.biases else nn.Identity
        if self.standardise:
            yield "standardise", StandardiseChannels(*CIFAR)
        yield "conv", nn.Conv2d(3, 16, 3, padding=1, bias=False)
        yield "bias1", scalar()
        yield "relu", nn.ReLU()
        inside = 16
        for stage, outside in enumerate((16, 32, 64), 1):
            for i in range(self.n):
                stride = 1 if inside == outside else 2
                block = FixupBlock(inside, outside, stride, 3 * self.n, self.biases)
                yield f"block{stage}_{i + 1}", block
                inside = outside
        yield "pool", nn.AdaptiveAvgPool2d(1)
        yield "flatten", nn.Flatten()
        yield "bias2", scalar()
        last = nn.Linear(inside, self.classes)
        nn.init.zeros_(last.weight), nn.init.zeros_(last.bias)
        yield "fc", last
