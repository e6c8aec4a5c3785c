"""Inter-class distance of Ding et al.: how far images lie from the nearest of other classes.

Distances are Euclidean. A class is as far away as the nearest tenth of its images, and an image as
the nearest tenth of all others: a single odd image decides nothing (`separation` is where it does).
"""

from typing import NamedTuple

import numpy as np
import torch

from . import progress, separation

ROWS = 128  # images compared with all others at a time
DIRECTIONS = 128  # of the projection that bounds distances from below
SLACK = 1e-5  # of the greatest squared length: single precision errs by less in a squared distance
NEAR = 0.01  # of an image's squared length: nearer ones are subtracted pixel by pixel


def interclass_distance(x, y, share=0.1):
    """Mean over classes of `class_distances`: the number behind the scale factors of table 1.

    Returns
    -------
    float
        l2, pixel units.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.0], [0.0, 0.1], [0.6, 0.8], [1.0, 1.0]])
    >>> round(interclass_distance(x, [0, 0, 1, 1]), 4)
    0.922
    """
    return float(np.mean(list(class_distances(x, y, share).values())))


def class_distances(x, y, share=0.1):
    """How near each class comes to the others.

    An image's distance is the mean l2 distance to the nearest ``share`` of all images of other
    classes; a class's distance the mean over the ``share`` of its images that are nearest. Most
    images can't be among these: a projection to `DIRECTIONS` dimensions, where the parts left over
    count by the difference of their lengths, never lengthens a distance, and shows it.

    Parameters
    ----------
    x, y : Tensor or array, shapes (N, ...) and (N,)
        Images, uint8 or floats in [0, 1], and integer labels.
    share : float
        In (0, 1]; rounded to a whole number of images, at least one.

    Returns
    -------
    dict of int to float
        By label; l2, pixel units. Computed in single precision, exact to about 1e-6 of itself.

    Raises
    ------
    ValueError
        If there is one class only, if images and labels do not fit, if ``share`` is no fraction.

    References
    ----------
    Ding et al., section 5.2 and appendix D.2.1.
    """
    cloud, labels = _prepared(x, y, share)
    short, slack, found = _projected(cloud), SLACK * cloud.squares.max().item(), {}
    with progress.bar(total=len(labels), desc="inter-class distance", unit="image") as bar:
        for label, first, end in _classes(labels):
            bound = _nearest_mean(short, np.arange(first, end), first, end, share)
            order, k, d = np.argsort(bound, kind="stable"), number(share, end - first), []
            for block in np.split(order, range(ROWS, len(order), ROWS)):
                if len(d) >= k and bound[block[0]] ** 2 - slack > d[k - 1] ** 2:
                    break
                d = np.sort(np.append(d, _nearest_mean(cloud, first + block, first, end, share)))
            found[int(label)] = float(d[:k].mean())
            bar.update(end - first)
    return found


def image_distances(x, y, share=0.1):
    """Every image's mean l2 distance to the nearest ``share`` of images of other classes.

    Parameters
    ----------
    x, y, share
        As for `class_distances`.

    Returns
    -------
    array of float64, shape (N,)
        Pixel units, in the order of ``x``.
    """
    cloud, labels = _prepared(x, y, share)
    found = []
    with progress.bar(total=len(labels), desc="inter-class distance", unit="image") as bar:
        for _, first, end in _classes(labels):
            found.append(_nearest_mean(cloud, np.arange(first, end), first, end, share))
            bar.update(end - first)
    order = np.argsort(separation._array(y), kind="stable")
    return np.concatenate(found)[np.argsort(order)]


class _Cloud(NamedTuple):
    """Points (N, D), single precision, and their squared lengths (N,)."""

    points: torch.Tensor
    squares: torch.Tensor


def _cloud(points):
    squares = torch.cat([part.double().square().sum(1) for part in points.split(ROWS)])
    return _Cloud(points, squares)


def number(share, count):
    """Images that a share of them are: rounded, a half up."""
    return max(1, int(share * count + 0.5))


def _prepared(x, y, share):
    """Images in order of their labels, about their mean, and the labels."""
    if not 0 < share <= 1:
        raise ValueError(f"share is a fraction of the images, in (0, 1]; got {share:g}")
    base = separation._ordered(x, y)
    if base.labels[0] == base.labels[-1]:
        raise ValueError(
            f"all labels are {base.labels[0]}; a distance between classes needs two classes"
        )
    images = torch.from_numpy(base.images).float()  # of floats no second copy: ordering made one
    if base.images.dtype == np.uint8:
        images /= 255
    images -= images.mean(0)  # distances stay, and short vectors lose least in their squares
    return _cloud(images), base.labels


def _classes(labels):
    """Label, first place and end of each class."""
    values, first = np.unique(labels, return_index=True)
    return list(zip(values, first, [*first[1:], len(labels)], strict=True))


def _projected(cloud):
    """A cloud of `DIRECTIONS` + 1 dimensions whose distances are no longer; itself if it is small.

    Any orthonormal directions would do; those along which images differ most lose least.
    """
    points = cloud.points
    if points.shape[1] <= 2 * DIRECTIONS:
        return cloud
    generator = torch.Generator().manual_seed(0)  # decides the speed only
    some = points[torch.randperm(len(points), generator=generator)[:4000]]
    basis = torch.randn(points.shape[1], DIRECTIONS, generator=generator)
    for _ in range(3):
        basis = torch.linalg.qr(some.T @ (some @ basis)).Q
    short = points @ basis
    left = (cloud.squares - _cloud(short).squares).clamp_min(0).sqrt()
    return _cloud(torch.cat([short, left.float()[:, None]], 1))


def _nearest_mean(cloud, places, first, end, share):
    """Mean distance of images at these places to the nearest share of those outside first..end."""
    points, squares = cloud
    spans = [(a, b) for a, b in ((0, first), (end, len(points))) if b > a]
    others = sum(b - a for a, b in spans)
    k, found = number(share, others), []
    table = torch.empty(min(ROWS, len(places)), others)
    for rows in torch.from_numpy(places).split(ROWS):
        part = table[: len(rows)]
        for (a, b), columns in zip(spans, part.split([b - a for a, b in spans], 1), strict=True):
            torch.addmm(squares[a:b].float(), points[rows], points[a:b].T, alpha=-2, out=columns)
        nearest = part.numpy()
        nearest.partition(k - 1, axis=1)  # by value, in place: nothing is sorted
        lengths = squares[rows].numpy()[:, None]
        squared = nearest[:, :k] + lengths
        found.append(np.sqrt(squared.clip(0)).mean(1))
        for i in np.flatnonzero((squared < NEAR * lengths).any(1)):
            found[-1][i] = _subtracted(points, rows[i], spans, k)
    return np.concatenate(found)


def _subtracted(points, row, spans, k):
    """The same for one image, where the difference of large squares would be inexact."""
    parts = [
        (part - points[row]).double().norm(dim=1)
        for a, b in spans
        for part in points[a:b].split(16 * ROWS)
    ]
    return np.partition(torch.cat(parts).numpy(), k - 1)[:k].mean()
