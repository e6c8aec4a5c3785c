"""File formats: which files a split may lie in, and one reader for each format.

A reader takes a folder, the files in it and whether to verify them, and returns images, labels and
class names: images (N, C, H, W) uint8, or a list of image files to be decoded by `picture`.
"""

import gzip
import hashlib
import io
import os
import tempfile
import warnings
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import platformdirs
from PIL import Image

from .embedded import DIGITS, balanced, digits

CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
CLOTHES += ("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

# First 32 digits; of an idx file its content's, which is the same packed (.gz) and unpacked.
SHA256 = {
    "MNIST/raw/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738",
    "MNIST/raw/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5",
    "MNIST/raw/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77",
    "MNIST/raw/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351",
    "FashionMNIST/raw/train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f8388776",
    "FashionMNIST/raw/train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec29",
    "FashionMNIST/raw/t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe0",
    "FashionMNIST/raw/t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494",
    "cifar10/train-1of2.npz": "3d76d6e650c398b234febc04f5a07f1d",
    "cifar10/train-2of2.npz": "74971cf69ca51f93947ae59055c2960e",
    "cifar10/test.npz": "74c7d4c1936456909fa368529cee6032",
    "cifar100/train-subset.npz": "64ef5c635afb67b3c201d2872d512a3f",
    "cifar100/test.npz": "a1da2bfb68b3db7dfc90af2ff6e12223",
}


def layouts(name, split):
    """(reader, files it needs) for each layout a split may have, the quickest to read first."""
    test = split == "test"
    match name:
        case "mnist" | "fmnist":
            top, classes = ("MNIST", DIGITS) if name == "mnist" else ("FashionMNIST", CLOTHES)
            stem = f"{top}/raw/{'t10k' if test else 'train'}"
            kinds = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
            return [(partial(_idx, classes), [kind + end for kind in kinds]) for end in ("", ".gz")]
        case "cifar10":
            parts = ["test"] if test else ["train-1of2", "train-2of2"]
            compact = (_strips, [f"cifar10/{part}.npz" for part in parts])
            return [compact, (partial(_pickles, "CIFAR10", test), ["cifar-10-batches-py"])]
        case "cifar100":
            full = (partial(_pickles, "CIFAR100", test), ["cifar-100-python"])
            compact = (_strips, [f"cifar100/{split}.npz"])
            if test:
                both = (compact, full)
                return [(lambda *at, r=read: balanced(*r(*at)), files) for read, files in both]
            return [full] if split == "train" else [compact]
        case "svhn":
            return [(_mat, [f"{split}_32x32.mat"])]
        case "tinyimagenet":
            val = ["val/val_annotations.txt", "val/images", "wnids.txt"]
            read, files = (_annotated, val) if test else (partial(_folders, 100_000), ["train"])
            return [(read, [f"tiny-imagenet-200/{file}" for file in files])]
        case "imagefolder":
            return [(partial(_folders, None), ["val" if test else "train"])]
        case "digits":
            return [(partial(digits, slice(1437, None) if test else slice(1437)), [])]


def cache():
    """Folder of what can be made again: ``ASTUTE_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("ASTUTE_CACHE") or platformdirs.user_cache_dir("astute"))


def damaged(path, error):
    """The error for a file that is there but not as it should be."""
    return ValueError(f"{path} is truncated or altered ({error}); delete it and get it again")


def _content(folder, file, verify):
    """Bytes of a file, unpacked if it is an .gz, and 32 digits of their sha256, compared."""
    content = (folder / file).read_bytes()
    if file.endswith(".gz"):
        content, file = gzip.decompress(content), file.removesuffix(".gz")
    digest = hashlib.sha256(content).hexdigest()[:32]
    if verify and digest != SHA256[file]:
        raise ValueError(f"sha256 of {file} begins {digest}, must begin {SHA256[file]}")
    return content, digest


def _idx(classes, folder, files, verify):
    """MNIST's format: two zero bytes, a type, the number of axes, big-endian sizes, the data."""
    arrays = []
    for content, _ in (_content(folder, file, verify) for file in files):
        shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
        arrays.append(np.frombuffer(content, np.uint8, offset=4 + shape.nbytes).reshape(shape))
    return arrays[0][:, None], arrays[1], classes


def _strips(folder, files, verify):
    """Compact CIFAR: lossless WebP strips of 32x32 images on top of each other."""
    contents, digests = zip(*(_content(folder, file, verify) for file in files), strict=True)
    parts = [np.load(io.BytesIO(content), allow_pickle=False) for content in contents]

    def decode():
        strips = []
        for blobs, offsets in ((part["bytes"].tobytes(), part["offsets"]) for part in parts):
            for start, end in pairwise(offsets):
                with Image.open(io.BytesIO(blobs[start:end])) as strip:
                    strips.append(np.asarray(strip.convert("RGB")).reshape(-1, 32, 32, 3))
        return np.concatenate(strips).transpose(0, 3, 1, 2)

    x = _remember("-".join(digests), decode)
    y = np.concatenate([part["labels"] for part in parts])
    return x, y, parts[0]["classes"].astype(str).tolist()


def _remember(key, compute):
    """An array computed once and kept; the CRC inside an .npz betrays a damaged copy."""
    path = cache() / "data" / f"{key}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return kept["x"]
    except Exception:  # absent, or damaged in any way: made anew
        x = np.ascontiguousarray(compute())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as part:
            np.savez(Path(part) / path.name, x=x)
            (Path(part) / path.name).replace(path)  # whole or not at all, whoever else writes
    except OSError as error:
        warnings.warn(f"decoded images are not kept in {path.parent}: {error}", stacklevel=2)
    return x


def _pickles(kind, test, folder, files, verify):
    """torchvision's CIFAR, by its own class, which checks every md5 before it unpickles."""
    import torchvision

    data = getattr(torchvision.datasets, kind)(folder, train=not test)
    return data.data.transpose(0, 3, 1, 2), data.targets, data.classes


def _mat(folder, files, verify):
    """SVHN's cropped digits: (32, 32, 3, N) in a MATLAB file, where label 10 means 0."""
    from scipy.io import loadmat

    content = (folder / files[0]).read_bytes()
    if verify:
        from torchvision.datasets import SVHN

        published = {file: md5 for _, file, md5 in SVHN.split_list.values()}[files[0]]
        if (md5 := hashlib.md5(content, usedforsecurity=False).hexdigest()) != published:
            raise ValueError(f"md5 is {md5}, must be {published}")
    arrays = loadmat(io.BytesIO(content), variable_names=["X", "y"])
    return arrays["X"].transpose(3, 2, 0, 1), arrays["y"].ravel() % 10, DIGITS


def _folders(expected, folder, files, verify):
    """One folder of images for each class; one image of each class in turn."""
    top = folder / files[0]
    classes = sorted(entry.name for entry in top.iterdir() if entry.is_dir())
    endings = {".jpeg", ".jpg", ".png", ".webp", ".bmp"}
    found = []
    for label, name in enumerate(classes):
        paths = sorted(p for p in (top / name).rglob("*") if p.suffix.lower() in endings)
        found += [(rank, label, path) for rank, path in enumerate(paths)]
    if verify and expected not in (None, len(found)):
        raise ValueError(f"{len(found)} of {expected} images")
    found.sort()
    return [path for *_, path in found], [label for _, label, _ in found], classes


def _annotated(folder, files, verify):
    """Tiny-ImageNet's validation set: one folder, and a table of file name, class, box."""
    table, images, names = (folder / file for file in files)
    classes = sorted(names.read_text().split())
    rows = [line.split("\t")[:2] for line in table.read_text().splitlines()]
    if verify and len(rows) != 10_000:
        raise ValueError(f"{len(rows)} of 10000 images")
    return (
        [images / Path(file).name for file, _ in rows],
        [classes.index(c) for _, c in rows],
        classes,
    )


def picture(path, size):
    """(3, H, W) uint8 of an image file, resized and cropped as torchvision would."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except OSError as error:
        raise damaged(path, error) from error
    if size:
        short, side = size
        w, h = image.size
        w, h = (short, short * h // w) if w < h else (short * w // h, short)
        left, top = round((w - side) / 2), round((h - side) / 2)
        image = image.resize((w, h), Image.Resampling.BILINEAR)
        image = image.crop((left, top, left + side, top + side))
    return np.asarray(image).transpose(2, 0, 1)
