"""What the live page embeds: a few digits, and the library's numbers that a browser must meet.

The browser computes for itself, by `book/_static/variants.js`, in double precision and in the same
order of operations. Before it shows anything it computes the `checks` and says how far it is off.
"""

import base64
import html
import json
import math
from dataclasses import asdict, dataclass

from . import data, interclass, transforms, volume

EPS = 0.3  # Ding et al.'s radius on MNIST, pixel units
SHARE = 0.1
BINS = 20
#: Stops of the slider for saturation; 2 changes nothing.
LEVELS = (1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 4, 6, 8, 16, 32, 64, math.inf)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where the sliders stand: smoothing, then saturation, gamma and scale, one after the other.

    Attributes
    ----------
    size : int
        Of the smoothing, 1 for none.
    kind : {"column", "square"}
    level : float
        Of saturation, 2 for none.
    gamma : float
        1 for none.
    factor : float
        Of the contrast, in [0, 1]; 1 for none.

    Examples
    --------
    >>> import torch
    >>> Setting(level=math.inf)(torch.tensor([[[[0.2, 0.7]]]])).flatten().tolist()
    [0.0, 1.0]
    """

    size: int = 1
    kind: str = "column"
    level: float = 2.0
    gamma: float = 1.0
    factor: float = 1.0

    def __call__(self, x):
        """(N, C, H, W) -> the same; what stands at its neutral value is left out."""
        steps = (
            (self.size != 1, transforms.Smooth(size=self.size, kind=self.kind)),
            (self.level != 2, transforms.Saturate(level=self.level)),
            (self.gamma != 1, transforms.Gamma(gamma=self.gamma)),
            (self.factor != 1, transforms.Scale(factor=self.factor)),
        )
        for moved, step in steps:
            x = step(x) if moved else x
        return x


#: Every slider alone at both ends and between, then together; none at a bin's very border.
CHECKS = (
    Setting(),
    *(Setting(size=size, kind=kind) for kind in ("column", "square") for size in (2, 3, 5, 8)),
    *(Setting(level=level) for level in LEVELS if level != 2),
    *(Setting(gamma=gamma) for gamma in (0.4, 0.6, 1.4, 2.5)),
    *(Setting(factor=factor) for factor in (0.0, 0.35, 0.75)),
    Setting(size=4, level=3, gamma=0.7, factor=0.85),
    Setting(size=7, kind="square", level=1.5, gamma=1.6, factor=0.55),
    Setting(size=3, level=math.inf, factor=0.5),
)


def numbers(setting, x, y):
    """What the page shows beside the images.

    Parameters
    ----------
    setting : Setting
    x, y : Tensor (N, C, H, W), (N,)

    Returns
    -------
    dict
        ``volume`` : mean log2 perturbable volume at `EPS`, bits; ``distance`` : inter-class
        distance, l2, pixel units; ``histogram`` : share of pixels in each of `BINS` bins.
    """
    x = setting(x.double())
    at = (x * BINS).long().clamp(max=BINS - 1).flatten()
    return {
        "volume": volume.log2_volume(x, EPS).mean().item(),
        "distance": interclass.interclass_distance(x, y, SHARE),
        "histogram": (at.bincount(minlength=BINS).double() / len(at)).tolist(),
    }


def constants(count=30):
    """All that the script is given, as plain JSON data.

    Parameters
    ----------
    count : int
        Of the first test digits, which are balanced: a multiple of 10 gives each as often.

    Returns
    -------
    dict
        Pixels as 8-bit levels in base 64, labels, the measures' settings, slider stops, and
        ``checks``: settings with the `numbers` the library finds there. Infinity is "inf".
    """
    digits = data.pixels("digits", "test", limit=count)
    # As the script divides: in double precision, not rounded to single first.
    x = digits.x.double() / 255
    finite = lambda value: "inf" if value == math.inf else value  # noqa: E731
    return {
        "pixels": base64.b64encode(digits.x.numpy().tobytes()).decode(),
        "shape": list(digits.x.shape),
        "labels": digits.y.tolist(),
        "eps": EPS,
        "share": SHARE,
        "bins": BINS,
        "levels": [finite(level) for level in LEVELS],
        "checks": [
            {"setting": {key: finite(v) for key, v in asdict(setting).items()}}
            | numbers(setting, x, digits.y)
            for setting in CHECKS
        ],
    }


class Page:
    """The sliders for a page of the book: HTML with its data, and words where nothing runs."""

    def __init__(self, count=30):
        self.data = constants(count)

    def _repr_html_(self):
        held = json.dumps(self.data, separators=(",", ":")).replace("<", "\\u003c")
        return (
            '<div class="astute-live" data-astute="variants">'
            f'<p class="astute-live-without">{html.escape(WITHOUT)}</p>'
            f'<script type="application/json">{held}</script>'
            '<script defer src="../../_static/variants.js"></script></div>'
        )

    def _repr_markdown_(self):
        return WITHOUT

    __repr__ = __str__ = _repr_markdown_


WITHOUT = (
    "The sliders need JavaScript, and the compiled book. Without them, the figure and the table "
    "above show what they would at some settings."
)
