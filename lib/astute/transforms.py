"""Data variants: maps from images to images that a reader would still label the same.

Each is a frozen value that is called on images (N, C, H, W) in [0, 1] and returns new ones in
[0, 1]; ``label`` is its name in the tables of Ding et al. ("smooth 3").
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import label as connected

BLOCK = 2**16  # numbers worked on together: they stay in a core's cache between the steps


@dataclass(frozen=True, kw_only=True)
class Original:
    """The images as they are."""

    label = "original"

    def __call__(self, x):
        return x.clone()


@dataclass(frozen=True, kw_only=True)
class Binarize:
    """Every pixel rounded to 0 or 1 (v >= 0.5 becomes 1); Ding et al., footnote 5.

    Examples
    --------
    >>> Binarize()(torch.tensor([[[[0.2, 0.5, 0.9]]]])).flatten().tolist()
    [0.0, 1.0, 1.0]
    """

    label = "binarized"

    def __call__(self, x):
        return (x >= 0.5).to(x.dtype)


@dataclass(frozen=True, kw_only=True)
class Smooth:
    """The pixelwise maximum of an image and its moving average; Ding et al., section 3.1.

    Two readings of "average filter of kernel size s". ``kind="square"`` is what the text says: the
    mean over s x s pixels, zeros outside the image, the extra tap of an even s to the top left.
    ``kind="column"`` is what the printed numbers follow: the mean over s pixels of the column,
    wrapping round the border.

    Attributes
    ----------
    size : int
        Number of taps s, at least 1; 1 changes nothing.
    kind : {"column", "square"}
    """

    size: int
    kind: str = "column"

    def __post_init__(self):
        if self.kind not in ("column", "square"):
            raise ValueError(f'kind is "column" or "square"; got {self.kind!r}')
        if self.size < 1:
            raise ValueError(f"size is a number of pixels, at least 1; got {self.size}")

    @property
    def label(self):
        return f"smooth {self.size}"

    def __call__(self, x):
        if self.size > min(x.shape[-2:]):
            raise ValueError(f"size is at most the image side {min(x.shape[-2:])}; got {self.size}")
        before, after = self.size // 2, (self.size - 1) // 2
        smooth = torch.empty_like(x)
        images = max(1, BLOCK // max(1, x[:1].numel()))
        for part, out in zip(x.split(images), smooth.split(images), strict=True):
            if self.kind == "column":
                mean = _sums(F.pad(part, (0, 0, before, after), mode="circular"), self.size, 2)
                mean /= self.size
            else:
                mean = _sums(F.pad(part, (before, after, before, after)), self.size, 2)
                mean = _sums(mean, self.size, 3).div_(self.size**2)
            # An average of 255 ones can exceed 1 by one rounding.
            torch.maximum(part, mean.clamp_(max=1), out=out)
        return smooth


def _sums(x, size, axis):
    """Sums of ``size`` neighbours along an axis, which becomes shorter by size - 1."""
    length = x.shape[axis] - size + 1
    total = x.narrow(axis, 0, length).clone()
    for start in range(1, size):
        total += x.narrow(axis, start, length)
    return total


def _by_level(formula, x):
    """A pixelwise formula, looked up where pixels are 8-bit levels: (N, C, H, W) -> the same.

    Two pixels at a time: 65,536 pairs of results are a table that fits a core's cache.
    """
    if x.dtype != torch.float32 or x.device.type != "cpu" or x.numel() < BLOCK:
        return formula(x)
    table = formula(torch.arange(256) / 255).numpy()
    pair = np.arange(2**16)
    pairs = np.stack([table[pair & 255], table[pair >> 8]], 1).view(np.float64)[:, 0]
    pixels = x.detach().contiguous().view(-1)
    out = torch.from_numpy(np.empty(len(pixels), np.float32))  # numpy asks for large memory pages
    even = len(pixels) // 2 * 2
    source, target = pixels.numpy(), out[:even].numpy().view(np.float64)
    levels, codes = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.uint8)
    for start in range(0, even, BLOCK):
        part = source[start : min(start + BLOCK, even)]
        level, code = levels[: len(part)], codes[: len(part)]
        np.rint(np.multiply(part, 255, out=level), out=level)
        np.copyto(code, level, casting="unsafe")
        if not np.array_equal(np.divide(level, 255, out=level), part):
            return formula(x)
        place = slice(start // 2, (start + len(part)) // 2)
        np.take(pairs, code.view("<u2"), out=target[place], mode="clip")
    out[even:] = formula(pixels[even:])
    return out.view(x.shape)


@dataclass(frozen=True, kw_only=True)
class Saturate:
    """Pixels pushed towards 0 and 1: sign(2v-1) |2v-1|^(2/p) / 2 + 1/2; Ding et al., section 3.1.

    Attributes
    ----------
    level : float
        p > 0; below 2 pixels move towards 0.5, 2 changes nothing, infinity binarises.
    """

    level: float

    def __post_init__(self):
        if not self.level > 0:
            raise ValueError(f"level is positive, or inf to binarise; got {self.level}")

    @property
    def label(self):
        return "original" if self.level == 2 else f"saturate {self.level:g}"

    def __call__(self, x):
        return x.clone() if self.level == 2 else _by_level(self._formula, x)

    def _formula(self, x):
        v = 2 * x - 1
        if math.isinf(self.level):
            # The limit: every pixel goes to its side. At 0.5, which no 8-bit level hits, up.
            return (v >= 0).to(x.dtype)
        return v.sign() * v.abs() ** (2 / self.level) / 2 + 0.5


@dataclass(frozen=True, kw_only=True)
class Gamma:
    """Gamma correction v^gamma: below 1 brighter, above 1 darker; Ding et al., section 4.1."""

    gamma: float

    def __post_init__(self):
        if not 0 < self.gamma < math.inf:
            raise ValueError(f"gamma is a positive number; got {self.gamma}")

    @property
    def label(self):
        return f"gamma {self.gamma:g}"

    def __call__(self, x):
        return _by_level(lambda v: v**self.gamma, x)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Contrast about mid-grey, factor * (v - 0.5) + 0.5; Ding et al., section 5.2.

    Attributes
    ----------
    factor : float
        In [0, 1], so that pixels stay in [0, 1]; all distances shrink by it.
    """

    factor: float

    def __post_init__(self):
        if not 0 <= self.factor <= 1:
            raise ValueError(f"factor lies in [0, 1], else pixels leave the box; got {self.factor}")

    @property
    def label(self):
        return f"scale {self.factor:g}"

    def __call__(self, x):
        return self.factor * (x - 0.5) + 0.5


@dataclass(frozen=True, kw_only=True)
class Band:
    """The part of an image whose frequencies lie in a ring: Wang et al. (2019b), section 3.

    The bands of adjoining rings add up to the image. Without the frequency 0 a part has mean 0 and
    is shown around 1/2; what then leaves [0, 1] is cut off, so that the sum is exact only where
    nothing was.

    Attributes
    ----------
    low, high : float
        Cycles an image: frequencies k with low <= |k| < high stay.

    Examples
    --------
    >>> Band(high=1)(torch.tensor([[[[0.2, 0.4], [0.6, 0.8]]]])).flatten().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """

    low: float = 0.0
    high: float = math.inf

    def __post_init__(self):
        if not 0 <= self.low < self.high:
            raise ValueError(
                f"a band runs from low to a higher frequency; got {self.low:g} to {self.high:g}"
            )

    @property
    def label(self):
        end = "" if self.high == math.inf else f" below {self.high:g}"
        return f"frequencies{f' from {self.low:g}' if self.low else ''}{end}"

    def __call__(self, x):
        """(N, C, H, W) -> (N, C, H, W) in [0, 1]."""
        part = self.part(x)
        return (part + 0.5 if self.low > 0 else part).clamp(0, 1)

    def part(self, x):
        """The summand itself, neither moved nor cut off: (N, C, H, W) -> (N, C, H, W)."""
        high, wide = x.shape[-2:]
        rows = torch.fft.fftfreq(high, 1 / high, device=x.device)
        columns = torch.fft.rfftfreq(wide, 1 / wide, device=x.device)
        size = (rows[:, None].square() + columns.square()).sqrt()
        kept = (size >= self.low) & (size < self.high)
        return torch.fft.irfft2(torch.fft.rfft2(x) * kept, s=(high, wide)).to(x.dtype)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Variants one after the other, such as binarised images of lower contrast.

    Attributes
    ----------
    parts : tuple of variants

    Examples
    --------
    >>> variant = Chain(parts=(Binarize(), Scale(factor=0.5)))
    >>> variant.label, variant(torch.tensor([[[[0.2, 0.9]]]])).flatten().tolist()
    ('binarized, scale 0.5', [0.25, 0.75])
    """

    parts: tuple

    def __post_init__(self):
        if not self.parts:
            raise ValueError("a chain has at least one part; for none there is Original()")

    @property
    def label(self):
        return ", ".join(part.label for part in self.parts)

    def __call__(self, x):
        for part in self.parts:
            x = part(x)
        return x


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Edges after Canny (1986): 1 on them, 0 elsewhere; Ding et al.'s "edge Fashion-MNIST".

    Gaussian smoothing (zeros outside, divided by what of the bell lies inside), Sobel gradients,
    pixels at least as steep as both neighbours across the edge, and of these the connected ones
    that are steeper than ``low`` and somewhere steeper than ``high``. Each channel by itself; the
    outermost pixels are never edges. The same as scikit-image's ``canny``, but for ties between
    neighbours that a rounding decides.

    Attributes
    ----------
    sigma : float
        Standard deviation of the bell, pixels, cut off at 4 sigma.
    low, high : float
        Of the Sobel gradient's length (8 is the greatest of one component), pixel units.

    Examples
    --------
    >>> x = torch.zeros(1, 1, 7, 7)
    >>> x[..., 3], x[..., 4:] = 0.4, 1
    >>> Edges()(x)[0, 0, 3].int().tolist()
    [0, 0, 0, 1, 0, 0, 0]
    """

    sigma: float = 1.0
    low: float = 0.1
    high: float = 0.2

    label = "edge"

    def __post_init__(self):
        if not 0 < self.sigma < math.inf or not 0 < self.low <= self.high:
            raise ValueError(
                "sigma is positive, and 0 < low <= high; got "
                f"{self.sigma:g}, {self.low:g}, {self.high:g}"
            )

    def __call__(self, x):
        edges = torch.empty_like(x)
        height, width = x.shape[-2:]
        maps = (_bell(n, self.sigma, x) for n in (height, width))
        (slope_i, mean_i), (slope_j, mean_j) = maps
        images = max(1, 4 * BLOCK // max(1, x[:1].numel()))
        for part, out in zip(x.split(images), edges.split(images), strict=True):
            planes = part.reshape(-1, height, width)
            i = slope_i @ planes @ mean_j.T
            j = mean_i @ planes @ slope_j.T
            out.copy_(self._traced(*self._crests(i, j)).view(part.shape))
        return edges

    def _crests(self, i, j):
        """Gradients (P, H, W) -> lengths, and places of pixels no flatter than their neighbours."""
        length = (i.square() + j.square()).sqrt_()
        inner = length >= self.low
        inner[:, [0, -1]] = inner[:, :, [0, -1]] = False
        place = inner.view(-1).nonzero()[:, 0]
        flat = length.view(-1)
        own, i, j = flat[place], i.view(-1)[place], j.view(-1)[place]
        width = length.shape[2]
        down, right = torch.where(i > 0, width, -width), torch.where(j > 0, 1, -1)
        steep_i, steep_j = i.abs(), j.abs()
        along = torch.where(steep_i > steep_j, down, right)
        # Between the pixel along the greater component and the one along both.
        w = torch.minimum(steep_i, steep_j) / torch.maximum(steep_i, steep_j)
        crest = torch.ones_like(place, dtype=torch.bool)
        for sign in (1, -1):
            far, near = flat[place + sign * (down + right)], flat[place + sign * along]
            crest &= far * w + near * (1 - w) <= own
        return length, place[crest]

    def _traced(self, length, place):
        """Connected crests with at least one steep pixel: (P, H, W) bool."""
        crests = torch.zeros(length.numel(), dtype=torch.bool, device=length.device)
        crests[place] = True
        steep = place[length.view(-1)[place] >= self.high].cpu().numpy()
        around = np.zeros((3, 3, 3), bool)
        around[1] = True  # within an image, corners included
        labels, count = connected(crests.view_as(length).cpu().numpy(), around)
        kept = np.zeros(count + 1, bool)
        kept[labels.reshape(-1)[steep]] = True
        return torch.from_numpy(kept[labels])


def _bell(n, sigma, like):
    """Matrices (n, n) that smooth a row, then take differences or sums of neighbours (Sobel)."""
    place = torch.arange(n, dtype=torch.float64)
    gap = place[:, None] - place
    bell = torch.exp(-0.5 * (gap / sigma) ** 2)
    bell = bell.masked_fill(gap.abs() > int(4 * sigma + 0.5), 0)
    bell = bell / bell.sum(1, keepdim=True)
    up, down = (bell[(place.long() + k).clamp(0, n - 1)] for k in (-1, 1))
    return (down - up).to(like), (up + 2 * bell + down).to(like)
