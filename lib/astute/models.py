"""The papers' networks, as frozen values that build a fresh module from a seed.

Every module takes images (N, C, H, W) in [0, 1] and returns logits (N, K); standardising, where a
paper does it, is the module's first layer. Max-pooling comes before ReLU: both are monotone, so
the function is the papers' own and ReLU meets a quarter of the numbers.
"""

import contextlib
import math
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn


def _build(seed, layers):
    """Fresh layers, initialised from ``seed`` without touching the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
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
        return _build(
            seed,
            lambda: [
                ("conv1", nn.Conv2d(1, c1, 5, padding=2)),
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
        return _build(
            seed,
            lambda: [
                ("conv1", nn.Conv2d(1, 32, 3)),
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

        return _build(seed, layers)
