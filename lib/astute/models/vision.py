"""Networks that torchvision has, or has but for a layer; weights it publishes, by checksum."""

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .. import data
from .layers import IMAGENET, StandardiseChannels, seeded


def _torchvision(name, seed, **options):
    """A fresh network of torchvision; the first use imports torchvision, which takes a second."""
    import torchvision

    with seeded(seed):
        return getattr(torchvision.models, name)(**options)


@dataclass(frozen=True, kw_only=True)
class ResNet50:
    """torchvision's ResNet-50 for 3 x 64 x 64 images of restricted ImageNet (Yang et al.)."""

    classes: int = 9

    def __call__(self, seed):
        return _torchvision("resnet50", seed, num_classes=self.classes)


@dataclass(frozen=True, kw_only=True)
class TinyWideResNet50:
    """WRN-50-2 for the 3 x 56 x 56 crops of Tiny-ImageNet (Wen, Li & Jia, appendix A).

    torchvision's, but for a first convolution of 3 x 3 and stride 1, no max-pooling, and
    convolutions drawn as Glorot & Bengio do.
    """

    classes: int = 200

    def __call__(self, seed):
        with seeded(seed):
            model = _torchvision("wide_resnet50_2", seed, num_classes=self.classes)
            model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
            model.maxpool = nn.Identity()
            for part in model.modules():
                if isinstance(part, nn.Conv2d):
                    nn.init.xavier_uniform_(part.weight)
        return model


@dataclass(frozen=True, kw_only=True)
class CifarResNet18:
    """ResNet-18 for 3 x 32 x 32 images with a hidden dense layer: `idio`'s baseline on CIFAR-10.

    The paper does not name its network. Its methods shrink a hidden dense layer, which this one
    therefore has; the first convolution is 3 x 3 with stride 1, without max-pooling.
    """

    hidden: int = 512
    classes: int = 10

    def __call__(self, seed):
        with seeded(seed):
            model = _torchvision("resnet18", seed, num_classes=self.classes)
            model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
            model.maxpool = nn.Identity()
            model.fc = nn.Sequential(
                OrderedDict(
                    fc1=nn.Linear(512, self.hidden),
                    relu=nn.ReLU(),
                    fc2=nn.Linear(self.hidden, self.classes),
                )
            )
        return model


#: torchvision's file of weights: the end of its name is the start of its SHA-256.
FILES = {"alexnet": "alexnet-owt-7be5be79.pth", "resnet18": "resnet18-f37072fd.pth"}


def weights_file(name, download=True):
    """The checked file of torchvision's weights trained on ImageNet.

    Looked for in ``weights/`` of the folder that ``ASTUTE_DATA`` names, then of the cache, then
    fetched there by torchvision.

    Parameters
    ----------
    name : {"alexnet", "resnet18"}
    download : bool
        Whether torchvision may fetch what is not found.

    Raises
    ------
    FileNotFoundError
        If it is nowhere and can't be fetched, with the ways to get it.
    ValueError
        If its SHA-256 is not the one in its name.
    """
    file = FILES[name]
    cache = data.cache() / "weights"
    here = os.environ.get("ASTUTE_DATA")
    for folder in ([Path(here) / "weights"] if here else []) + [cache]:
        if (path := folder / file).exists():
            return _checked(path)
    try:
        if not download:
            raise OSError("downloading was switched off")
        cache.mkdir(parents=True, exist_ok=True)
        url = f"https://download.pytorch.org/models/{file}"
        # Its checksum is compared while it is fetched, before it gets its name.
        torch.hub.download_url_to_file(url, cache / file, Path(file).stem[-8:], progress=False)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"{file}, torchvision's weights of {name}, is not here ({error}). Put the file into "
            f"{cache} or into weights/ of the folder ASTUTE_DATA names, or let torchvision "
            f"download it"
        ) from error
    return _checked(cache / file)


def _checked(path):
    """The path, if the file's SHA-256 begins as its name says."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    expected = path.stem.rpartition("-")[2]
    if not found.startswith(expected):
        raise ValueError(
            f"{path} is damaged: its SHA-256 begins with {found[:8]}, not {expected}; delete it"
        )
    return path


class _ImageNet:
    """A network of torchvision for 224 x 224 images in [0, 1]; see `AlexNet`."""

    def __call__(self, seed):
        name = type(self).__name__.lower()
        model = _torchvision(name, seed, num_classes=self.classes)
        if self.pretrained:
            path = weights_file(name)
            model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        first = StandardiseChannels(*IMAGENET)
        return nn.Sequential(OrderedDict(standardise=first, net=model))


@dataclass(frozen=True, kw_only=True)
class AlexNet(_ImageNet):
    """torchvision's AlexNet for 3 x 224 x 224 images.

    Attributes
    ----------
    pretrained : bool
        torchvision's weights, checked by checksum (see `weights_file`); the seed plays no part.
    """

    pretrained: bool = False
    classes: int = 1000

    def __post_init__(self):
        _pretrained_classes(self)


@dataclass(frozen=True, kw_only=True)
class ResNet18(_ImageNet):
    """torchvision's ResNet-18 for 3 x 224 x 224 images.

    Attributes
    ----------
    pretrained : bool
        torchvision's weights, checked by checksum (see `weights_file`); the seed plays no part.
    """

    pretrained: bool = False
    classes: int = 1000

    def __post_init__(self):
        _pretrained_classes(self)


def _pretrained_classes(setting):
    if setting.pretrained and setting.classes != 1000:
        raise ValueError(
            f"torchvision's weights have the 1000 classes of ImageNet; got {setting.classes}"
        )
