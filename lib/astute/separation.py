"""Distances between classes, exactly and without sampling: separation and what follows from it.

All distances are the largest difference of a pixel (linf). Far pairs are told apart by single
pixels, 64 of them in one machine word, so that a data set is compared with itself in seconds.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from . import norms, progress

BITS = 64  # tests in a machine word
WORDS = 16  # words at most; what they leave is compared pixel by pixel
ROWS, COLUMNS = 64, 8192  # pairs looked at together: half a million words fit a core's cache
STEPS = 256, 16, 1  # every 256th image first: the radius is small by the time there are many


class Pair(NamedTuple):
    """Two images of different classes.

    Attributes
    ----------
    distance : float
        linf distance: in pixel units, k / 255 exactly rounded where images are uint8.
    i, j : int
        Place of the one in ``x_other`` (or in ``x``) and of the other one in ``x``.
    """

    distance: float
    i: int
    j: int


class Nearest(NamedTuple):
    """The nearest image of a kind for each of M images.

    Attributes
    ----------
    distance : array of float64, shape (M,)
        linf, pixel units.
    index : array of int64, shape (M,)
        Its place.
    """

    distance: np.ndarray
    index: np.ndarray


def least_distance(x, y, x_other=None, y_other=None):
    """The smallest linf distance between two differently labelled images, and a pair that has it.

    Every pair counts: one is left out only when a pixel shows that it is no nearer than the best
    pair found so far. Half this distance is the largest r for which the classes are r-separated.

    Parameters
    ----------
    x, y : Tensor or array, shapes (N, ...) and (N,)
        Images, uint8 or floats, and integer labels.
    x_other, y_other : the same, shapes (M, ...) and (M,), optional
        If given, pairs are one image of each set ("test-train"); else two of ``x``.

    Returns
    -------
    Pair
        Distance in pixel units; of several pairs at this distance, any one.

    Raises
    ------
    ValueError
        If there is no pair of different labels, or images and labels do not fit.

    References
    ----------
    Yang et al. (2020), "A Closer Look at Accuracy vs. Robustness", section 2: definition of
    r-separation and the table of separations.

    Examples
    --------
    >>> x = torch.tensor([[0, 9], [200, 50], [90, 40]], dtype=torch.uint8)
    >>> least_distance(x, [0, 0, 1])
    Pair(distance=0.35294117647058826, i=0, j=2)
    """
    base, query = _ordered(x, y), None if x_other is None else _ordered(x_other, y_other)
    radius, partner = _search(*_problem(base, query, once=True), shared=True)
    i = int(radius.argmin())
    pair = int((query or base).order[i]), int(base.order[partner[i]])
    return Pair(_in_pixel_units(radius[i], base.images).item(), *pair)


def nearest_other_class(x, y, x_other=None, y_other=None):
    """For every image the nearest image of ``x`` with another label.

    Parameters
    ----------
    x, y, x_other, y_other
        As for `least_distance`; the M images are ``x_other`` if given, else ``x``.

    Returns
    -------
    Nearest
        Of several images at the least distance, any one.

    Raises
    ------
    ValueError
        As `least_distance`, and if one image has no such neighbour.

    Examples
    --------
    >>> x = torch.tensor([[0, 9], [200, 50], [90, 40]], dtype=torch.uint8)
    >>> nearest_other_class(x, [0, 0, 1]).index
    array([2, 2, 0])
    """
    return _nearest(x, y, x_other, y_other, own=False)


def nearest_own_class(x, y, x_other, y_other):
    """For every image of ``x_other`` the nearest image of ``x`` with the same label.

    With `nearest_other_class` this is the nearest-neighbour classifier: right where the own class
    is nearer, by a margin of the difference of the two distances. See `DistanceClassifier`.
    """
    return _nearest(x, y, x_other, y_other, own=True)


def _nearest(x, y, x_other, y_other, own):
    base, query = _ordered(x, y), None if x_other is None else _ordered(x_other, y_other)
    radius, partner = _search(*_problem(base, query, own=own))
    back = (query or base).order.argsort()
    distance = _in_pixel_units(radius, base.images)
    return Nearest(distance[back], base.order[partner][back])


def towards(x, z, eps, away=None):
    """Move images towards others, as far as the linf ball allows.

    Every pixel closes its gap to z by eps, or all of it, so no point of the ball is nearer to z.
    Most pixels need not move for that: only the greatest gap counts. With ``away`` they use this
    freedom, each going as far from ``away`` as it may without adding to the distance from z.

    Parameters
    ----------
    x, z : Tensor, shape (N, ...)
        uint8, or floats in [0, 1]; of one dtype.
    eps : float
        Radius, pixel units; of uint8 images the whole levels in it, so that they stay uint8.
    away : Tensor, shape (N, ...), optional
        What to leave behind: to cross from one class into another, x's nearest of its own.

    Returns
    -------
    Tensor, shape (N, ...)

    Examples
    --------
    >>> x, z = torch.tensor([[0, 9]]).byte(), torch.tensor([[90, 8]]).byte()
    >>> towards(x, z, 40 / 255), towards(x, z, 40 / 255, away=x)
    (tensor([[40,  8]], dtype=torch.uint8), tensor([[40, 49]], dtype=torch.uint8))
    """
    norms.check("linf", eps)
    if not x.dtype == z.dtype == (x if away is None else away).dtype:
        raise ValueError(f"images need one dtype; got {x.dtype} and {z.dtype}")
    kind, top = x.dtype, 1
    if kind == torch.uint8:
        # 45 / 255 * 255 may fall short of 45 by a rounding.
        x, z, eps, top = x.short(), z.short(), int(255 * eps + 1e-6), 255
    if away is None:
        return (x + (z - x).clamp(-eps, eps)).to(kind)
    gap = (z - x).abs().flatten(1).amax(1)
    left = (gap - eps).clamp_min(0).view(-1, *[1] * (x.dim() - 1))
    low = torch.maximum(x - eps, z - left).clamp_min(0)
    high = torch.minimum(x + eps, z + left).clamp_max(top)
    return torch.where(away - low > high - away, low, high).to(kind)


@dataclass(frozen=True, kw_only=True, eq=False)
class DistanceClassifier:
    """f(x)_i = dist(x, X^(i)) / r, the least score wins: the astute classifier of Theorem 2.

    Each score is 1/r-Lipschitz, as a distance to a set is. So inside a closed ball of radius rho a
    score moves by at most rho / r, and the label's score stays below all others wherever

        dist(x, X^(other)) - dist(x, X^(own)) > 2 rho,

    which is the certificate: on a training image the second distance is 0. It is sufficient only.
    `towards` the nearest image z of another class is an attack that lowers the first distance by
    all of rho. On a training image with dist(x, z) <= 2 rho it wins, or ties at equality, unless
    another image of the own class lies near the way. So at rho = r, half of the separation, the
    point between the closest pair **ties**: astuteness 1 needs a radius below r, or ties counted
    as right.

    Attributes
    ----------
    x, y : Tensor, shapes (N, ...) and (N,)
        The sets X^(i); labels 0 .. K - 1, each at least once.
    r : float
        Pixel units, more than 0.

    Examples
    --------
    >>> x = torch.tensor([[0, 9], [200, 50], [90, 40]], dtype=torch.uint8)
    >>> f = DistanceClassifier(x=x, y=torch.tensor([0, 0, 1]), r=45 / 255)
    >>> f(torch.tensor([[0, 9], [45, 20]], dtype=torch.uint8))
    tensor([[0., 2.],
            [1., 1.]], dtype=torch.float64)
    """

    x: torch.Tensor
    y: torch.Tensor
    r: float

    def __post_init__(self):
        if not 0 < self.r < float("inf"):
            raise ValueError(
                f"r is half a separation, pixel units, more than 0; got {self.r:g}: "
                "images of two classes that are the same have no astute classifier"
            )
        labels = np.unique(_ordered(self.x, self.y).labels)
        if len(labels) < 2 or not np.array_equal(labels, np.arange(len(labels))):
            raise ValueError(
                f"labels are 0 .. K - 1 with K at least 2, each at least once; got "
                f"{', '.join(map(str, labels[:20]))}: number the classes anew"
            )

    def __call__(self, x):
        """(M, ...) -> (M, K) float64 scores; ``argmin(1)`` predicts, ties go to the lowest."""
        base = _ordered(self.x, self.y)
        scores = []
        for label in np.unique(base.labels):
            wanted = _ordered(x, np.full(len(x), label))
            radius, _ = _search(*_problem(base, wanted, own=True), desc=f"class {label}")
            scores.append(_in_pixel_units(radius, base.images) / self.r)
        return torch.from_numpy(np.stack(scores, 1))


class _Ordered(NamedTuple):
    """Images (N, D) in order of their labels, and where they were."""

    images: np.ndarray
    labels: np.ndarray
    order: np.ndarray


def _array(value):
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _images(x):
    """(N, ...) -> (N, D), refusing what is no set of images."""
    x = _array(x)
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"images have shape (N, ...) with N at least 1; got {x.shape}")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise ValueError(f"images are uint8 or floats in [0, 1]; got {x.dtype}: convert them")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError("images hold NaN or infinity; distances to them are undefined")
    return x.reshape(len(x), -1)


def _ordered(x, y):
    x = _images(x)
    y = _array(y if y is not None else [])
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise ValueError(
            f"each image needs one integer label; got {len(x)} images and labels of shape "
            f"{y.shape}, {y.dtype}"
        )
    order = np.argsort(y, kind="stable")
    return _Ordered(np.ascontiguousarray(x[order]), y[order], order)


def _in_pixel_units(distance, images):
    return distance / 255.0 if images.dtype == np.uint8 else distance.astype(float)


def _problem(base, query, once=False, own=False):
    """Queries, images, and groups: first query, end, spans of images these are compared with.

    With ``once`` two images of the same set meet once, not twice; with ``own`` each query meets
    the images of its own label, not the others.
    """
    same, query = query is None, query or base
    if query.images.shape[1] != base.images.shape[1] or query.images.dtype != base.images.dtype:
        raise ValueError(
            "both sets need images of one size and dtype; got "
            f"{query.images.shape[1]} values of {query.images.dtype} and "
            f"{base.images.shape[1]} of {base.images.dtype}"
        )
    groups = []
    for label in np.unique(query.labels):
        start, stop = np.searchsorted(query.labels, [label, label + 1])
        first, end = np.searchsorted(base.labels, [label, label + 1])
        spans = [(0, 0 if same and once else first), (end, len(base.images))]
        spans = [(a, b) for a, b in ([(first, end)] if own else spans) if b > a]
        if spans:
            groups.append((start, stop, spans))
        elif not once:
            raise ValueError(
                f"images of label {label} have no image of {'that' if own else 'another'} label "
                "to be compared with; add one"
            )
    if not groups:
        raise ValueError(
            f"all labels are {base.labels[0]}; a distance between classes needs two classes"
        )
    return query.images, base.images, groups


def _linf(a, b):
    """(P, D), (P, D) -> (P,): whole levels for uint8, so nothing is rounded."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    if high.dtype.kind == "f":
        high = high.astype(np.float64)
    return _signed((high - low).max(1))


def _signed(x):
    return x.astype(np.int16 if x.dtype == np.uint8 else np.float64, copy=False)


# A sieve is a list of words, each of BITS tests: (pixels, levels, signs). Test (p, t, s) on a query
# a of radius m and an image b: if s (a_p - t) >= m and s (b_p - t) <= 0 then |a_p - b_p| >= m, so b
# is no nearer. (Rounding is monotone, so this holds for the computed difference of floats too.)
# The two halves are bits of two words, and a pair is out if these have a bit in common. The radius
# is in the query's half alone, so that each query may have its own.


def _far(queries, radius, word, rows=slice(None)):
    """(B, D), (B,) -> (B,) uint64: the queries' half."""
    return _packed(_above(queries, word, rows) >= np.reshape(radius[rows], (-1, 1)))


def _near(images, word, rows=slice(None)):
    """(N, D) -> (N,) uint64: the images' half."""
    return _packed(_above(images, word, rows) <= 0)


def _above(images, word, rows):
    pixels, levels, signs = word
    rows = rows if isinstance(rows, slice) else rows[:, None]
    return signs * (_signed(images[rows, pixels]) - levels)


def _packed(bits):
    """(N, BITS) bool -> (N,) uint64."""
    return np.packbits(np.ascontiguousarray(bits), axis=1).view(np.uint64)[:, 0]


def _learn(queries, images, bound, i, j, rng, candidates=256, steps=4, sample=2048):
    """A sieve for pairs like these: queries ``i`` (P,) and images ``j`` (P,).

    Each test is the one that tells most of the remaining pairs apart; each word starts from the
    pairs that the words before it leave. The choice decides how fast a search is, not its result.
    """
    some, middle = _signed(images[j[:sample]]), np.median(bound[i])
    kind = np.result_type(_signed(queries[:1]), some)
    levels = np.linspace(some.min(), max(some.max() - middle, some.min()), steps)
    levels = np.concatenate([levels, levels + middle]).astype(kind)
    signs = np.repeat(np.array([1, -1], kind), steps)
    sieve = []
    while not sieve or (len(sieve) < WORDS and len(i) > 32):
        pixels = rng.permutation(images.shape[1])[:candidates]
        radius = bound[i[:sample]]
        a = _signed(queries[i[:sample], pixels[:, None]])
        b = _signed(images[j[:sample], pixels[:, None]])
        kills = np.concatenate(
            [
                (sign * (a - level) >= radius) & (sign * (b - level) <= 0)
                for level, sign in zip(levels, signs, strict=True)
            ]
        )
        counts, picks = kills.sum(1), []
        while len(picks) < BITS and (kills.shape[1] or not picks):
            picks.append(counts.argmax())
            killed = kills[picks[-1]]
            counts -= kills[:, killed].sum(1)
            kills = kills[:, ~killed]
        which, pixel = np.divmod(np.resize(picks, BITS), len(pixels))
        word = pixels[pixel], levels[which], signs[which]
        sieve.append(word)
        left = _far(queries, bound, word, i) & _near(images, word, j) == 0
        i, j = i[left], j[left]
    return sieve


def _search(queries, images, groups, shared=False, desc="distances"):
    """Radius and partner (M,) of every query: distance and place of its nearest image.

    With ``shared`` only the least radius is sought, and the others are upper bounds.
    """
    rng = np.random.default_rng(0)  # decides the speed only
    some = np.zeros(len(queries), bool)
    partner = np.zeros(len(queries), int)
    for start, stop, spans in groups:
        some[start:stop], partner[start:stop] = True, spans[0][0]
    kind = _signed(queries[:1]).dtype
    radius = np.full(len(queries), np.iinfo(kind).max if kind.kind == "i" else np.inf, kind)
    for rows in np.array_split(np.flatnonzero(some), len(queries) // 2048 + 1):
        radius[rows] = _linf(queries[rows], images[partner[rows]])
    steps = [step for step in STEPS if step == 1 or len(images) > 64 * step]
    with progress.bar(total=len(steps) * int(some.sum()), desc=desc, unit="image") as bar:
        for step in steps:
            thin = [(*g[:2], [(-(-a // step), -(-b // step)) for a, b in g[2]]) for g in groups]
            thin = [group for group in thin if any(b > a for a, b in group[2])]
            if thin:
                _scan(queries, images[::step], thin, radius, partner, step, shared, rng, bar)
    return radius, partner


def _scan(queries, images, groups, radius, partner, step, shared, rng, bar):
    """Lower radii, in place, to the distances of these images, which are every ``step``-th."""
    i, j = _sample(groups, rng)
    bound = np.minimum(radius, radius.min()) if shared else radius
    sieve = _learn(queries, images, bound, i, j, rng)
    near = [_near(images, word) for word in sieve]
    buffer = np.empty(ROWS * COLUMNS, np.uint64)
    least = radius.min()
    for start, stop, spans in groups:
        for row in range(start, stop, ROWS):
            rows = slice(row, min(row + ROWS, stop))
            block, found, place = queries[rows], radius[rows], partner[rows]  # views
            far = None
            for first, end in _pieces(spans):
                if far is None:
                    limit = np.minimum(found, least) if shared else found.copy()
                    far = [_far(block, limit, word) for word in sieve]
                r, c = _survivors(far, [half[first:end] for half in near], buffer)
                for a, b, distance in _nearer(block, images, r, c + first, limit):
                    found[a], place[a], limit[a] = distance, b * step, distance
                    far = None
                least = min(least, found.min())
            bar.update(len(block))


def _nearer(queries, images, r, c, limit, size=2048):
    """Rows, columns and distances below ``limit``, the least of each row, a part at a time."""
    d = images.shape[1]
    centre = slice(7 * d // 16, 9 * d // 16 + 1)  # most pairs differ there already
    for k in range(0, len(r), size):
        rows, columns = r[k : k + size], c[k : k + size]
        keep = _linf(queries[rows, centre], images[columns, centre]) < limit[rows]
        rows, columns = rows[keep], columns[keep]
        distance = _linf(queries[rows], images[columns])
        order = np.lexsort((distance, rows))
        order = order[distance[order] < limit[rows[order]]]
        order = order[np.unique(rows[order], return_index=True)[1]]
        if len(order):
            yield rows[order], columns[order], distance[order]


def _pieces(spans):
    """Spans cut into pieces of at most COLUMNS."""
    for first, end in spans:
        for piece in range(first, end, COLUMNS):
            yield piece, min(piece + COLUMNS, end)


def _survivors(far, near, buffer):
    """Rows and columns of the pairs that no word tells apart."""
    shape = len(far[0]), len(near[0])
    common = buffer[: shape[0] * shape[1]].reshape(shape)
    np.bitwise_and(far[0][:, None], near[0], out=common)
    r, c = np.divmod(np.flatnonzero(common == 0), shape[1])
    for a, b in zip(far[1:], near[1:], strict=True):
        if not len(r):
            break
        keep = np.flatnonzero(a[r] & b[c] == 0)
        r, c = r[keep], c[keep]
    return r, c


def _sample(groups, rng):
    """Places (P,), (P,) of random pairs that have to be told apart."""
    spans = np.array([(*group[:2], *span) for group in groups for span in group[2]])
    weights = (spans[:, 1] - spans[:, 0]) * (spans[:, 3] - spans[:, 2])
    size = np.clip(weights.sum() // 64, 64, 100_000)  # little effort where there is little to do
    start, stop, first, end = spans[rng.choice(len(spans), size, p=weights / weights.sum())].T
    return rng.integers(start, stop), rng.integers(first, end)
