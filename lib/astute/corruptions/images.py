"""The fifteen corruptions themselves and their constants."""

import io
import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from .. import attacks

GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
KINDS = tuple(kind for kinds in GROUPS.values() for kind in kinds)
SEVERITIES = (1, 2, 3, 4, 5)
SMALL = 64  # greatest side that the constants of 32 x 32 images are used for

#: By kind, for small and for large images, the constants of the five severities.
CONSTANTS = {
    # standard deviation
    "gaussian_noise": ((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    # photons that a white pixel counts
    "shot_noise": ((500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    # share of the pixels
    "impulse_noise": ((0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)),
    # radius of the disk, standard deviation of its border, pixels
    "defocus_blur": (
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    # standard deviation before and after, reach of the exchanges, rounds
    "glass_blur": (
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ),
    # length, standard deviation
    "motion_blur": (
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    ),
    # greatest zoom, step
    "zoom_blur": (
        ((1.05, 0.01), (1.10, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)),
        ((1.10, 0.01), (1.15, 0.01), (1.20, 0.02), (1.24, 0.02), (1.30, 0.03)),
    ),
    # mean and deviation of the flakes, zoom, threshold, length and deviation of the fall, share of
    # the image
    "snow": (
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    # share of the image, share of the ice
    "frost": (
        ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ),
    # share of the fog, how fast its details fade
    "fog": (
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    # added to the value of a colour
    "brightness": ((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    # factor of the distance from the mean
    "contrast": ((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    # in sides of the image: height and smoothness of the waves, shift of the corners
    "elastic_transform": (
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        (
            (2, 0.7, 0.1),
            (2, 0.08, 0.2),
            (0.05, 0.01, 0.02),
            (0.07, 0.01, 0.02),
            (0.12, 0.01, 0.02),
        ),
    ),
    # size of the small image
    "pixelate": ((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
    # quality
    "jpeg_compression": ((80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
}


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One kind of corruption at one severity, a function of images alone.

    Chance is drawn anew for every image, from ``seed`` and the image itself: no image depends on
    its place in a batch.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    severity : int
        1 to 5.
    seed : int
    version : int
        1. Another one when any image changes; results of two versions do not compare.

    Examples
    --------
    >>> x = torch.full((1, 3, 8, 8), 0.5)
    >>> Corruption(kind="brightness", severity=5)(x).unique()
    tensor([0.8000])
    """

    kind: str
    severity: int
    seed: int = 0
    version: int = 1

    VERSION: ClassVar[int] = 1

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}; got {self.kind!r}")
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity is 1, 2, 3, 4 or 5; got {self.severity!r}")
        if self.version != self.VERSION:
            raise ValueError(
                f"this is version {self.VERSION} of the corruptions; {self.version} asked"
            )

    @property
    def label(self):
        return f"{self.kind.replace('_', ' ')} {self.severity}"

    def __call__(self, x):
        """Corrupted images, rounded to 8-bit levels: (N, C, H, W) -> (N, C, H, W) in [0, 1]."""
        attacks.check_images(x)
        if x.dim() != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:], default=0) < 8:
            raise ValueError(
                "images are (N, C, H, W) with 1 or 3 channels and sides of at least 8 pixels; got "
                f"{tuple(x.shape)}"
            )
        constants = CONSTANTS[self.kind][max(x.shape[2:]) > SMALL][self.severity - 1]
        constants = constants if isinstance(constants, tuple) else (constants,)
        images = x.detach().cpu().double().permute(0, 2, 3, 1).numpy()
        made = []
        for image in images:
            chance = np.random.default_rng(
                [self.seed, KINDS.index(self.kind), zlib.crc32(np.rint(255 * image).tobytes())]
            )
            new = FUNCTIONS[self.kind](image, chance, *constants)
            made.append(np.rint(255 * np.clip(new, 0, 1)) / 255)
        made = torch.from_numpy(np.stack(made) if made else images)
        return made.permute(0, 3, 1, 2).to(x).contiguous()


# Each function: image (H, W, C) in [0, 1], source of chance, constants -> image, not yet clipped.


def _gaussian_noise(x, chance, deviation):
    return x + chance.normal(0, deviation, x.shape)


def _shot_noise(x, chance, photons):
    return chance.poisson(x * photons) / photons


def _impulse_noise(x, chance, share):
    """Salt and pepper, half and half, every channel by itself."""
    hit = chance.random(x.shape) < share
    return np.where(hit, chance.random(x.shape) < 0.5, x)


def _defocus_blur(x, chance, radius, border):
    reach = 8 if radius <= 8 else int(radius)
    i, j = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (i**2 + j**2 <= radius**2).astype(float)
    disk = ndimage.gaussian_filter(disk / disk.sum(), border, radius=1 if reach <= 8 else 2)
    return ndimage.convolve(x, disk[:, :, None] / disk.sum(), mode="mirror")


def _glass_blur(x, chance, deviation, reach, rounds):
    x = _smooth(x, deviation)
    height, width = x.shape[:2]
    for _ in range(rounds):
        for i in range(height - reach - 1, reach - 1, -1):
            steps = chance.integers(-reach, reach, (width, 2), endpoint=True)
            for j in range(width - reach - 1, reach - 1, -1):
                a, b = i + steps[j, 0], j + steps[j, 1]
                x[[i, a], [j, b]] = x[[a, i], [b, j]]
    return _smooth(x, deviation)


def _smooth(x, deviation):
    return ndimage.gaussian_filter(x, (deviation, deviation, 0), mode="nearest")


def _motion_blur(x, chance, length, deviation):
    return _dragged(x, chance.uniform(-45, 45), length, deviation)


def _dragged(x, degrees, length, deviation):
    """The weighted mean of copies shifted along a line, the farther the fainter."""
    steps = np.arange(2 * int(length) + 1)
    weights = np.exp(-0.5 * (steps / deviation) ** 2)
    angle, total = np.deg2rad(degrees), 0
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        if weight > 1e-3:
            shift = (step * np.sin(angle), step * np.cos(angle), 0)
            total = total + weight * ndimage.shift(x, shift, order=1, mode="nearest")
    return total / weights[weights / weights.sum() > 1e-3].sum() * weights.sum()


def _zoom_blur(x, chance, most, step):
    factors = np.arange(1, most + step / 2, step)
    return (x + sum(_zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def _zoomed(x, factor):
    """The middle of an image, enlarged to its size."""
    centre = (np.array(x.shape[:2]) - 1) / 2
    offset = (*(centre - centre / factor), 0)
    return ndimage.affine_transform(x, (1 / factor, 1 / factor, 1), offset, order=1, mode="nearest")


def _snow(x, chance, mean, deviation, zoom, least, length, fall, share):
    layer = _zoomed(chance.normal(mean, deviation, (*x.shape[:2], 1)), zoom)
    layer = np.clip(np.where(layer < least, 0, layer), 0, 1)
    layer = _dragged(layer, chance.uniform(-135, -45), length, fall)
    grey = x.mean(2, keepdims=True)
    x = share * x + (1 - share) * np.maximum(x, 1.5 * grey + 0.5)
    return x + layer + layer[::-1, ::-1]


def _frost(x, chance, share, ice):
    """Needles of ice: the steep places of a rough surface, bluish white, thicker at the rim."""
    height, width = x.shape[:2]
    surface = _plasma(max(height, width), 1.6, chance)[:height, :width]
    slope = np.hypot(*np.gradient(surface))
    needles = np.clip(slope / np.quantile(slope, 0.95), 0, 1)
    i, j = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    cover = np.clip(0.75 * needles + 0.35 * np.maximum(abs(i), abs(j)), 0, 1)
    colour = np.array([0.85, 0.93, 1.0]) if x.shape[2] == 3 else np.array([0.92])
    return share * x + ice * cover[:, :, None] * colour


def _fog(x, chance, share, decay):
    height, width = x.shape[:2]
    fog = _plasma(max(height, width), decay, chance)[:height, :width, None]
    most = x.max()
    return (x + share * fog) * most / (most + share)


def _plasma(size, decay, chance):
    """A rough surface in [0, 1], at least size x size: midpoints displaced (diamond-square).

    It wraps round, and details half as wide are lower by the factor ``decay``.
    """
    side = 1 << int(np.ceil(np.log2(size)))
    surface, step, height = np.zeros((side, side)), side, 1.0

    def displaced(sums):
        return sums / 4 + height * chance.uniform(-1, 1, sums.shape)

    while step >= 2:
        half = step // 2
        corner = surface[::step, ::step]
        row = corner + np.roll(corner, -1, 0)
        surface[half::step, half::step] = displaced(row + np.roll(row, -1, 1))
        middle = surface[half::step, half::step]
        sides = corner + np.roll(corner, -1, 1) + middle + np.roll(middle, 1, 0)
        surface[::step, half::step] = displaced(sides)
        sides = corner + np.roll(corner, -1, 0) + middle + np.roll(middle, 1, 1)
        surface[half::step, ::step] = displaced(sides)
        step, height = half, height / decay
    surface -= surface.min()
    return surface / surface.max()


def _brightness(x, chance, more):
    """Added to the value of hue, saturation, value: colours keep the ratio of their channels."""
    value = x.max(2, keepdims=True)
    new = np.clip(value + more, 0, 1)
    return np.where(value > 0, x / np.where(value > 0, value, 1) * new, new)


def _contrast(x, chance, factor):
    mean = x.mean((0, 1), keepdims=True)
    return factor * (x - mean) + mean


def _elastic_transform(x, chance, height, smoothness, shift):
    side = min(x.shape[:2])
    centre, third = np.array(x.shape[:2]) / 2, side / 3
    corners = centre + third * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = corners + chance.uniform(-shift * side, shift * side, corners.shape)
    matrix = np.linalg.solve(np.c_[moved, np.ones(3)], corners)  # from new places to old ones
    i, j = np.mgrid[: x.shape[0], : x.shape[1]]
    places = np.stack([i, j, np.ones_like(i)], -1) @ matrix
    for axis in (0, 1):
        wave = chance.uniform(-1, 1, x.shape[:2])
        wave = ndimage.gaussian_filter(wave, smoothness * side, mode="reflect", truncate=3)
        places[..., axis] += height * side * wave
    places = np.moveaxis(places, -1, 0)
    planes = np.moveaxis(x, 2, 0)
    planes = [ndimage.map_coordinates(p, places, order=1, mode="reflect") for p in planes]
    return np.stack(planes, -1)


def _pixelate(x, chance, share):
    height, width = x.shape[:2]
    small = _picture(x).resize((int(width * share), int(height * share)), Image.Resampling.BOX)
    return _pixels(small.resize((width, height), Image.Resampling.BOX), x)


def _jpeg_compression(x, chance, quality):
    file = io.BytesIO()
    _picture(x).save(file, "JPEG", quality=quality)
    return _pixels(Image.open(file), x)


def _picture(x):
    levels = np.rint(255 * x).astype(np.uint8)
    return Image.fromarray(levels[:, :, 0] if x.shape[2] == 1 else levels)


def _pixels(picture, x):
    return np.asarray(picture).reshape(x.shape) / 255


FUNCTIONS = {kind: globals()[f"_{kind}"] for kind in KINDS}
