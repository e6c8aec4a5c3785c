"""Images that come with scikit-learn: handwritten digits and two photographs, always at hand."""

import hashlib

import numpy as np
import torch

DIGITS = tuple("0123456789")


def digits(part, folder, files, verify):
    """scikit-learn's digits in MNIST's frame, by whole numbers, so the same on every machine."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    at = np.clip(4 * np.arange(20) - 3, 0, 70)  # centres of 20 pixels on 8, in tenths
    tenths = np.clip(10 - abs(at[:, None] - 10 * np.arange(8)), 0, 10)
    x = tenths @ x.reshape(-1, 8, 8).astype(np.int64) @ tenths.T  # 16 * 10 * 10 is white
    x = np.pad((255 * x + 800) // 1600, ((0, 0), (4, 4), (4, 4)))[:, None].astype(np.uint8)
    x, y, classes = balanced(x, y, DIGITS)
    return x[part], y[part], classes


def balanced(x, y, classes):
    """The images in an order that depends on them alone, with every first n of them balanced."""
    y = np.asarray(y)
    shuffled = np.argsort([hashlib.sha256(image.tobytes()).hexdigest() for image in x])
    one_hot = y[shuffled, None] == np.arange(len(classes))
    share = one_hot.cumsum(0)[one_hot] / np.bincount(y)[y[shuffled]]  # of its class, so far
    order = shuffled[np.lexsort((y[shuffled], share))]
    return x[order], y[order], classes


def natural_patches(n, size=32):
    """Colour patches of the two photographs that come with scikit-learn.

    For looking at what a variant does to real colours where no colour data set is at hand. The
    photographs are halved (the mean of 2x2 pixels) and the patches spread evenly over both.

    Parameters
    ----------
    n : int
        Number of patches, from 1 up to all on a grid of step ``size // 4``.
    size : int
        Side of a patch, in pixels.

    Returns
    -------
    Tensor, shape (n, 3, size, size)
        float32 in [0, 1], multiples of 1 / 255.

    Raises
    ------
    ValueError
        If there are not so many patches, or none of that size.

    Examples
    --------
    >>> natural_patches(6).shape
    torch.Size([6, 3, 32, 32])
    """
    from sklearn.datasets import load_sample_images

    patches = []
    for photo in load_sample_images().images:
        h, w = photo.shape[0] // 2, photo.shape[1] // 2
        sums = photo[: 2 * h, : 2 * w].reshape(h, 2, w, 2, 3).sum((1, 3), dtype=np.int64)
        half = torch.from_numpy((sums + 2) // 4).permute(2, 0, 1)
        if 4 <= size <= min(h, w):
            grid = half.unfold(1, size, size // 4).unfold(2, size, size // 4)
            patches.append(grid.permute(1, 2, 0, 3, 4).reshape(-1, 3, size, size))
    total = sum(map(len, patches))
    if not 1 <= n <= total:
        raise ValueError(f"{total} patches of {size} x {size} pixels are there; got n = {n}")
    return torch.cat(patches)[torch.arange(n) * total // n] / 255
