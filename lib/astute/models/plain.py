"""Plain networks, one layer after another.

Max-pooling comes before ReLU: both are monotone, so the function is the papers' own and ReLU meets
a quarter of the numbers.
"""

import math
from dataclasses import dataclass

from torch import nn

from .. import values
from .layers import GreyConv2d, StandardiseImage, build


@dataclass(frozen=True, kw_only=True)
class LeNet:
    """LeNet5 of Ding et al., appendix B.1, for 1 x 28 x 28 images; no input normalisation.

    Attributes
    ----------
    width : float
        Widen factor w: 32w and 64w channels, 1024w hidden units, each rounded down.

    Examples
    --------
    >>> sum(p.numel() for p in LeNet(width=0.25)(seed=0).parameters())
    206954
    """

    width: float = 1.0
    classes: int = 10

    def __call__(self, seed):
        c1, c2, hidden = (math.floor(n * self.width) for n in (32, 64, 1024))
        return build(
            seed,
            lambda: [
                ("conv1", GreyConv2d(c1, 5, padding=2)),
                ("pool1", nn.MaxPool2d(2)),
                ("relu1", nn.ReLU()),
                ("conv2", nn.Conv2d(c1, c2, 5, padding=2)),
                ("pool2", nn.MaxPool2d(2)),
                ("relu2", nn.ReLU()),
                ("flatten", nn.Flatten()),
                ("fc1", nn.Linear(7 * 7 * c2, hidden)),
                ("relu3", nn.ReLU()),
                ("fc2", nn.Linear(hidden, self.classes)),
            ],
        )


@dataclass(frozen=True, kw_only=True)
class CNN1:
    """The smaller MNIST network of Yang et al.'s code (A-CNN1), for 1 x 28 x 28 images.

    Attributes
    ----------
    hidden : int
        Units of the hidden dense layer; 128 in the code.
    second_relu : bool
        Whether a ReLU follows the second convolution; the code has none.
    """

    hidden: int = 128
    second_relu: bool = False
    classes: int = 10

    def __call__(self, seed):
        second = [("relu2", nn.ReLU())] if self.second_relu else []
        return build(
            seed,
            lambda: [
                ("conv1", GreyConv2d(32, 3)),
                ("relu1", nn.ReLU()),
                ("conv2", nn.Conv2d(32, 64, 3)),
                ("pool", nn.MaxPool2d(2)),
                *second,
                ("dropout1", nn.Dropout2d(0.25)),
                ("flatten", nn.Flatten()),
                ("fc1", nn.Linear(9216, self.hidden)),
                ("relu3", nn.ReLU()),
                ("dropout2", nn.Dropout(0.5)),
                ("fc2", nn.Linear(self.hidden, self.classes)),
            ],
        )


@dataclass(frozen=True, kw_only=True)
class CNN2:
    """The larger MNIST network of Yang et al.'s code (A-CNN2), for 1 x 28 x 28 images.

    Attributes
    ----------
    dropout : float
        Between the two hidden dense layers; 0.5 in the code.

    Examples
    --------
    >>> sum(p.numel() for p in CNN2()(seed=0).parameters())
    312202
    """

    dropout: float = 0.5
    classes: int = 10

    def __call__(self, seed):
        def layers():
            for i, (inside, outside) in enumerate(((1, 32), (32, 32), (32, 64), (64, 64)), 1):
                conv = GreyConv2d(outside, 3) if inside == 1 else nn.Conv2d(inside, outside, 3)
                nn.init.kaiming_normal_(conv.weight)
                yield f"conv{i}", conv
                if i % 2 == 0:
                    yield f"pool{i // 2}", nn.MaxPool2d(2)
                yield f"relu{i}", nn.ReLU()
            yield "flatten", nn.Flatten()
            yield "fc1", nn.Linear(1024, 200)
            yield "relu5", nn.ReLU()
            yield "dropout", nn.Dropout(self.dropout)
            yield "fc2", nn.Linear(200, 200)
            yield "relu6", nn.ReLU()
            last = nn.Linear(200, self.classes)
            nn.init.zeros_(last.weight), nn.init.zeros_(last.bias)
            yield "fc3", last

        return build(seed, layers)


@dataclass(frozen=True, kw_only=True)
class ConvNet:
    """The network of Wong & Kolter (2018) that Ding et al. train with a certificate.

    Two convolutions of 4 x 4 with stride 2 and two dense layers, for 1 x 28 x 28 images.

    Examples
    --------
    >>> sum(p.numel() for p in ConvNet()(seed=0).parameters())
    166406
    """

    classes: int = 10

    def __call__(self, seed):
        return build(
            seed,
            lambda: [
                ("conv1", nn.Conv2d(1, 16, 4, 2, padding=1)),
                ("relu1", nn.ReLU()),
                ("conv2", nn.Conv2d(16, 32, 4, 2, padding=1)),
                ("relu2", nn.ReLU()),
                ("flatten", nn.Flatten()),
                ("fc1", nn.Linear(32 * 7 * 7, 100)),
                ("relu3", nn.ReLU()),
                ("fc2", nn.Linear(100, self.classes)),
            ],
        )


@dataclass(frozen=True, kw_only=True)
class ThreeConv:
    """Three convolutions and a hidden dense layer for 3 x 32 x 32 images: ours, for two cores.

    It stands in for the papers' wide residual networks at the scale ``cpu``; no normalisation by
    batches, so that it has one mode.

    Attributes
    ----------
    channels : (int, int, int)
    hidden : int
    standardise : bool
        Whether every image is first brought to mean 0 and standard deviation 1.
    width : float
        Widen factor of ``channels`` and ``hidden``, rounded down; no layer may vanish.
    """

    channels: tuple[int, int, int] = (16, 32, 64)
    hidden: int = 256
    standardise: bool = True
    classes: int = 10
    width: float = values.added(1.0)

    def __call__(self, seed):
        *channels, hidden = (int(n * self.width) for n in (*self.channels, self.hidden))
        if min(*channels, hidden) < 1:
            raise ValueError(
                f"width leaves every layer a channel or unit: at least "
                f"{1 / min(*self.channels, self.hidden):g}; got {self.width:g}"
            )

        def layers():
            if self.standardise:
                yield "standardise", StandardiseImage()
            inside = 3
            for i, (outside, stride) in enumerate(zip(channels, (1, 2, 2), strict=True), 1):
                yield f"conv{i}", nn.Conv2d(inside, outside, 3, stride, padding=1)
                yield f"relu{i}", nn.ReLU()
                inside = outside
            yield "flatten", nn.Flatten()
            yield "fc1", nn.Linear(8 * 8 * inside, hidden)
            yield "relu4", nn.ReLU()
            yield "fc2", nn.Linear(hidden, self.classes)

        return build(seed, layers)


@dataclass(frozen=True, kw_only=True)
class CifarAlexNet:
    """AlexNet's plan for 3 x 32 x 32 images: convolutions, then three dense layers with dropout.

    It stands in for AlexNet, the base of figure 2 of Wu et al. The second-to-last dense layer,
    ``fc2``, is square, as AlexNet's 4096 x 4096 is.

    Attributes
    ----------
    channels : (int, int, int)
    hidden : int
        Units of each of the two hidden dense layers.
    dropout : float
        Before each of them; 0.5 in AlexNet.

    Examples
    --------
    >>> sum(p.numel() for p in CifarAlexNet()(seed=0).parameters())
    850442
    """

    channels: tuple[int, int, int] = (32, 64, 64)
    hidden: int = 512
    dropout: float = 0.5
    classes: int = 10

    def __call__(self, seed):
        def layers():
            inside, sizes = 3, (5, 3, 3)
            for i, (outside, size) in enumerate(zip(self.channels, sizes, strict=True), 1):
                yield f"conv{i}", nn.Conv2d(inside, outside, size, padding=size // 2)
                yield f"pool{i}", nn.MaxPool2d(2)
                yield f"relu{i}", nn.ReLU()
                inside = outside
            yield "flatten", nn.Flatten()
            inside *= 4 * 4
            for i in (1, 2):
                yield f"dropout{i}", nn.Dropout(self.dropout)
                yield f"fc{i}", nn.Linear(inside, self.hidden)
                yield f"relu{i + 3}", nn.ReLU()
                inside = self.hidden
            yield "fc3", nn.Linear(inside, self.classes)

        return build(seed, layers)


@dataclass(frozen=True, kw_only=True)
class MLP:
    """A dense ReLU network on flattened images.

    Attributes
    ----------
    sizes : tuple of int
        Units of every layer, pixels first and classes last, such as (784, 64, 10).
    bias : bool
        False gives the bias-free network of Wen, Li & Jia, equation 2 (last layer linear).
    """

    sizes: tuple[int, ...] = (784, 64, 10)
    bias: bool = True

    def __call__(self, seed):
        def layers():
            yield "flatten", nn.Flatten()
            last = len(self.sizes) - 1
            for i in range(1, last + 1):
                yield f"fc{i}", nn.Linear(self.sizes[i - 1], self.sizes[i], bias=self.bias)
                if i < last:
                    yield f"relu{i}", nn.ReLU()

        return build(seed, layers)
