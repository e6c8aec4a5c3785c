"""The papers' networks, as frozen values that build a fresh module from a seed.

Every module takes images (N, C, H, W) in [0, 1] and returns logits (N, K); standardising, where a
paper does it, is the module's first layer.
"""

from .layers import Scalar, StandardiseChannels, StandardiseImage, evaluating
from .plain import CNN1, CNN2, MLP, CifarAlexNet, ConvNet, LeNet, ThreeConv
from .residual import Fixup, FixupBlock, PreactivationBlock, WideResNet
from .vision import AlexNet, CifarResNet18, ResNet18, ResNet50, TinyWideResNet50, weights_file

__all__ = [
    "CNN1",
    "CNN2",
    "MLP",
    "AlexNet",
    "CifarAlexNet",
    "CifarResNet18",
    "ConvNet",
    "Fixup",
    "FixupBlock",
    "LeNet",
    "PreactivationBlock",
    "ResNet18",
    "ResNet50",
    "Scalar",
    "StandardiseChannels",
    "StandardiseImage",
    "ThreeConv",
    "TinyWideResNet50",
    "WideResNet",
    "evaluating",
    "weights_file",
]
