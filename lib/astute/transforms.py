"""Data variants: maps from images to images that a reader would still label the same.

Each is a frozen value that is called on images (N, C, H, W) in [0, 1] and returns new ones in
[0, 1]; ``label`` is its name in the tables of Ding et al. ("smooth 3").
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F


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
        if self.kind == "column":
            padded = F.pad(x, (0, 0, before, after), mode="circular")
            mean = F.avg_pool2d(padded, (self.size, 1), stride=1)
        else:
            padded = F.pad(x, (before, after, before, after))
            mean = F.avg_pool2d(padded, self.size, stride=1)
        # An average of 255 ones can exceed 1 by one rounding.
        return torch.maximum(x, mean.clamp(max=1))


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
        if self.level == 2:
            return x.clone()
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
        return x**self.gamma


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
