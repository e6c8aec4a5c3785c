"""Data sets: one function from a name to images in [0, 1] and labels.

Files are looked for in the folder that ``ASTUTE_DATA`` names, in torchvision's layouts and in the
compact ones (gzipped idx files; .npz of lossless WebP strips), then where torchvision keeps data
sets, and are else fetched there by torchvision. What has a published checksum is held to it.
The handwritten digits that come with scikit-learn are always at hand.
"""

import os
import socket
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from ..progress import bar
from .embedded import natural_patches
from .formats import cache, damaged, layouts, picture

__all__ = ["NAMES", "Dataset", "cache", "load", "natural_patches", "pixels"]

#: Data sets by name, and the torchvision class that fetches it where there is one.
FETCHED = {
    "mnist": "MNIST",
    "fmnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn": "SVHN",
    "tinyimagenet": None,
    "imagefolder": None,
    "digits": None,
}
NAMES = tuple(FETCHED)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one split.

    Attributes
    ----------
    x : Tensor, shape (N, C, H, W)
        float32 in [0, 1] from `load`, uint8 from `pixels`.
    y : Tensor of int64, shape (N,)
        Labels 0 .. K - 1.
    name, split : str
        As they were asked for.
    classes : tuple of str
        The K names of the labels.
    """

    x: torch.Tensor = field(repr=False)
    y: torch.Tensor = field(repr=False)
    name: str
    split: str
    classes: tuple

    def __len__(self):
        return len(self.y)


def load(name, split="train", **options):
    """A data set with float32 images: the 8-bit levels of `pixels` over 255.

    Parameters
    ----------
    name, split, **options
        As for `pixels`.

    Returns
    -------
    Dataset
        ``x`` (N, C, H, W) float32 in [0, 1]; the same numbers on every device.

    Examples
    --------
    >>> test = load("digits", "test")
    >>> test.x.shape, test.x.dtype, test.x.max().item()
    (torch.Size([360, 1, 28, 28]), torch.float32, 1.0)
    """
    data = pixels(name, split, **options)
    # By a tensor: a GPU would multiply by the rounded reciprocal of a plain 255.
    return replace(data, x=data.x.float().div_(torch.tensor(255.0, device=data.x.device)))


def pixels(
    name,
    split="train",
    *,
    limit=None,
    device="cpu",
    root=None,
    download=True,
    verify=True,
    size=None,
):
    """A data set with its exact 8-bit levels.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    split : str
        "train" or "test". ``cifar100`` has "train-subset" too, 10,000 of the 50,000. The test split
        of ``tinyimagenet`` and ``imagefolder`` is their folder ``val``, which has the labels.
    limit : int, optional
        The first ``limit`` images only.
    device : str or torch.device
    root : str or Path, optional
        Folder to look in instead of the one named by ``ASTUTE_DATA``.
    download : bool
        Whether torchvision may fetch what is not found.
    verify : bool
        Whether files must have the published checksum (or, Tiny-ImageNet, number of images).
        torchvision's CIFAR files are pickles, which are code: theirs is always checked.
    size : (int, int), optional
        ``imagefolder`` only: the shorter side after resizing, and the side of the square then cut
        from the centre, in pixels; (256, 224) if not given.

    Returns
    -------
    Dataset
        ``x`` (N, C, H, W) uint8.

    Raises
    ------
    ValueError
        If a choice is not on its list, ``limit`` is not between 1 and the size of the split, or
        the files are truncated or altered.
    FileNotFoundError
        If the data are not at hand; says how to get them.

    Notes
    -----
    Images are in the original order, except that folders are read one image of each class in turn
    (by file name), and that ``digits`` and the test split of ``cifar100`` are *balanced*: within a
    class by the sha256 of the pixels, a shuffle that no library version and no layout can change,
    and the classes interleaved in proportion to their sizes. So the first n are balanced too.

    ``digits``: the first 1,437 of 1,797 in that order are for training, the last 360 for testing.
    The 8x8 images are enlarged bilinearly to 20x20 in the middle of 28x28, the frame of MNIST.

    Examples
    --------
    >>> pixels("digits", limit=100).y.bincount()
    tensor([10, 10, 10, 10, 10, 10, 10, 10, 10, 10])
    """
    splits = ("train", "train-subset", "test") if name == "cifar100" else ("train", "test")
    if name not in NAMES:
        raise ValueError(f"no data set {name!r}; choose one of {', '.join(NAMES)}")
    if split not in splits:
        raise ValueError(f"{name} has no split {split!r}; choose one of {', '.join(splits)}")
    if size is not None and not (name == "imagefolder" and 1 <= size[1] <= size[0]):
        raise ValueError(f"size is (shorter side, crop <= it), imagefolder only; got {size}")
    read, folder, files = _locate(name, split, root, download)
    try:
        images, y, classes = read(folder, files, verify)
        y = np.asarray(y, np.int64)
        if not 0 < len(images) == len(y):
            raise ValueError(f"{len(images)} images, {len(y)} labels")
        if y.min() < 0 or y.max() >= len(classes):
            raise ValueError(f"labels {y.min()} to {y.max()} of {len(classes)} classes")
    except (ImportError, MemoryError, PermissionError):
        raise
    except Exception as error:  # a damaged file makes its reader raise nearly anything
        raise damaged(" or ".join(str(folder / file) for file in files), error) from error
    if limit is not None and not 1 <= limit <= len(y):
        raise ValueError(f"limit is {limit}; {name} {split!r} has images 1 to {len(y)}")
    images, y = images[:limit], y[:limit]
    if isinstance(images, list):  # paths, so that only what is asked for is decoded
        crop = size or ((256, 224) if name == "imagefolder" else None)
        images = np.stack([picture(path, crop) for path in bar(images, desc=name)])
    x = torch.tensor(images, dtype=torch.uint8, device=device)
    return Dataset(x, torch.tensor(y, device=device), name, split, tuple(classes))


def _locate(name, split, root, download):
    """(reader, folder, files) of the first layout that is there, fetched if need be."""
    root = root or os.environ.get("ASTUTE_DATA")
    kept = Path(torch.hub.get_dir()).parent / "datasets" / "vision"  # as torchvision's prototypes
    hint = " (one folder of images for each class)" if name == "imagefolder" else ""
    for folder in [Path(root).expanduser(), kept] if root else [kept]:
        for read, files in layouts(name, split):
            absent = [file for file in files if not (folder / file).exists()]
            if not absent:
                return read, folder, files
            if len(absent) < len(files):
                hint = f" ({folder} lacks {', '.join(absent)})"
        if (folder / "cifar100/train-subset.npz").exists() and name == "cifar100":
            hint = " (at hand is only a fifth of it, the split 'train-subset')"
    fetched = FETCHED[name] and split != "train-subset"
    if fetched and download:
        try:
            _fetch(FETCHED[name], split, kept)
            return _locate(name, split, kept, download=False)
        except Exception as error:
            reason = str(error).partition("\n")[0].rstrip(":")
            hint += f" (torchvision could not download it: {reason})"
    wanted = (os.path.commonpath(files) for _, files in layouts(name, split))
    last = "let torchvision download it (download=True, with internet access)"
    raise FileNotFoundError(
        f"{name} {split!r} is not at hand{hint}: put {' or '.join(dict.fromkeys(wanted))} in the "
        f"folder that ASTUTE_DATA names (now {root or 'unset'}), or in {kept}, or "
        f"{last if fetched else 'fetch it by hand, as torchvision does not offer it'}"
    )


def _fetch(kind, split, kept):
    """Has torchvision download a data set, and moves it whole, so that two can do so at once."""
    import torchvision

    kept.mkdir(parents=True, exist_ok=True)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # torchvision sets none: behind a firewall it would hang
    try:
        with tempfile.TemporaryDirectory(dir=kept) as part:
            choice = {"split": split} if kind == "SVHN" else {"train": split == "train"}
            getattr(torchvision.datasets, kind)(part, download=True, **choice)
            for file in Path(part).rglob("*"):
                if file.is_file():
                    target = kept / file.relative_to(part)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(target)
    finally:
        socket.setdefaulttimeout(timeout)
