"""Data variants of 60,000 images against their formulas and per-image scikit-image."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from astute import transforms

from . import Row, peer, ratios
from .separation import pixels

IMAGES, EDGES = 60_000, 4000


def measurements():
    """Saturation and gamma, smoothing, edges."""
    levels, _, name = pixels()
    levels = levels[torch.arange(IMAGES) % len(levels)]
    x = levels / 255
    many = f"{IMAGES} {name}"
    yield _against(
        f"saturation 4, {many}; its formula in torch",
        transforms.Saturate(level=4),
        x,
        _saturation,
        0.15,
        {"numpy": lambda a: np.sign(2 * a - 1) * np.abs(2 * a - 1) ** np.float32(0.5) / 2 + 0.5},
    )
    gamma = np.float32(0.6)
    yield _against(
        f"gamma 0.6, {many}; its formula in numpy",
        transforms.Gamma(gamma=0.6),
        x,
        lambda x: x.numpy() ** gamma,
        0.15,
        {"torch": lambda a: torch.from_numpy(a) ** 0.6},
    )
    for kind, theirs in (
        ("column", lambda a: np.maximum(a, ndimage.uniform_filter1d(a, 5, axis=2, mode="wrap"))),
        (
            "square",
            lambda a: np.maximum(a, ndimage.uniform_filter(a, 5, axes=(2, 3), mode="constant")),
        ),
    ):
        yield _against(
            f"smoothing 5, {kind}, {many}; padding and average pooling in torch",
            transforms.Smooth(size=5, kind=kind),
            x,
            _column if kind == "column" else _square,
            0.45,
            {"scipy": theirs},
        )
    feature = peer("skimage.feature")
    if feature is not None:
        few = x[:EDGES]
        each = lambda x: np.stack([feature.canny(image[0]) for image in x.numpy()])  # noqa: E731
        wrong = (each(few) != transforms.Edges()(few)[:, 0].bool().numpy()).mean()
        yield _against(
            f"edges, {EDGES} {name}; scikit-image's canny, image by image",
            transforms.Edges(),
            few,
            each,
            0.26,
            {},
            f"{wrong:.1e} of the pixels differ",
        )


def _against(label, variant, x, reference, goal, peers, note=""):
    images = x.numpy()
    functions = {"ours": lambda: variant(x)}
    functions |= {name: lambda peer=peer: peer(images) for name, peer in peers.items()}
    times = ratios(functions, lambda: reference(x), 3)
    return Row(label, times.pop("ours"), goal, times, note)


def _saturation(x, level=4):
    v = 2 * x - 1
    return v.sign() * v.abs() ** (2 / level) / 2 + 0.5


def _column(x, size=5):
    padded = F.pad(x, (0, 0, size // 2, (size - 1) // 2), mode="circular")
    return torch.maximum(x, F.avg_pool2d(padded, (size, 1), stride=1))


def _square(x, size=5):
    before, after = size // 2, (size - 1) // 2
    padded = F.pad(x, (before, after, before, after))
    return torch.maximum(x, F.avg_pool2d(padded, size, stride=1))
