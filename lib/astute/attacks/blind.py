"""Attacks that ask for no gradient: they tell a robust network from one whose gradients mislead."""

import math
from dataclasses import dataclass

import torch

from .. import losses, norms
from .base import beaten, check_images, right

#: Shares of the queries after which squares are halved in area (Andriushchenko et al., section 5).
HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, kw_only=True)
class SquareSearch:
    """Random search over squares of +eps or -eps (Andriushchenko et al. 2020, algorithms 1 and 2).

    Starts from vertical stripes; every query sets one random square of every image to +eps or -eps,
    a sign for each channel, and keeps it where the margin falls. All it visits are corners of the
    ball, cut to [0, 1]: the pixels of a binarised image stay or move by eps. Broken images leave
    the batch.

    Attributes
    ----------
    eps : float
        Radius of the linf ball, pixel units.
    queries : int
        Evaluations of the model, an image.
    share : float
        Area of the first squares over that of the image, in (0, 1].

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> _ = torch.nn.init.zeros_(model[1].weight); model[1].weight.data[0] = 1.0
    >>> x, y = torch.full((1, 1, 2, 2), 0.05), torch.tensor([0])
    >>> SquareSearch(eps=0.1, queries=50)(model, x, y).flatten()
    tensor([0., 0., 0., 0.])
    """

    eps: float
    queries: int
    share: float = 0.8

    norm = "linf"

    def __post_init__(self):
        norms.check("linf", self.eps)
        if self.queries < 1 or not 0 < self.share <= 1:
            raise ValueError(
                "queries is at least 1 and share a fraction in (0, 1]; got "
                f"{self.queries}, {self.share:g}"
            )

    @torch.no_grad()
    def __call__(self, model, x, y, generator=None):
        logits, rows = right(model, x, y)
        found, best = x.clone(), losses.margin(logits, y)
        least = torch.full_like(best, math.inf)  # the search starts from the stripes, whatever
        n, channels, high, wide = x.shape
        chance = {"generator": generator, "device": x.device}
        signs = torch.randint(0, 2, (n, channels, 1, wide), **chance)
        delta = (self.eps * (2 * signs - 1)).to(x.dtype).expand_as(x).contiguous()[rows]
        place_i, place_j = (torch.arange(side, device=x.device) for side in (high, wide))
        for query in range(self.queries):
            if not len(rows):
                break
            if query:
                side = self._side(query, high, wide)
                # Drawn for all, so that no search depends on when other images finish.
                i, j = (
                    torch.randint(0, end - side + 1, (n, 1), **chance)[rows] for end in (high, wide)
                )
                inside_i = (place_i >= i) & (place_i < i + side)
                inside_j = (place_j >= j) & (place_j < j + side)
                inside = (inside_i[:, :, None] & inside_j[:, None, :])[:, None]
                signs = 2 * torch.randint(0, 2, (n, channels, 1, 1), **chance)[rows] - 1
                tried = torch.where(inside, self.eps * signs, delta)
            else:
                tried = delta
            images = (x[rows] + tried).clamp(0, 1)
            logits = model(images)
            m = losses.margin(logits, y[rows])
            kept, better = m < least[rows], m < best[rows]
            delta = torch.where(kept[:, None, None, None], tried, delta)
            least[rows], best[rows] = m.minimum(least[rows]), m.minimum(best[rows])
            found[rows[better]] = images[better]
            left = ~beaten(logits, y[rows])
            rows, delta = rows[left], delta[left]
        return found

    def _side(self, query, high, wide):
        """Side of the squares at a query, pixels."""
        halvings = sum(query >= self.queries * share for share in HALVED)
        side = round(math.sqrt(self.share / 2**halvings * high * wide))
        return min(max(1, side), high, wide)


@dataclass(frozen=True, kw_only=True)
class Grey:
    """Every pixel moved towards 0.5 by up to eps: contrast taken away, nothing asked of the model.

    From eps = 0.5 on all images become one and the same, so no model is right on more of them than
    the most frequent class has.

    Attributes
    ----------
    eps : float
        Radius of the linf ball, pixel units.

    Examples
    --------
    >>> Grey(eps=0.25)(None, torch.tensor([[[[0.0, 0.5, 0.375, 1.0]]]]), None).flatten()
    tensor([0.2500, 0.5000, 0.5000, 0.7500])
    """

    eps: float

    norm = "linf"

    def __post_init__(self):
        norms.check("linf", self.eps)

    def __call__(self, model, x, y, generator=None):
        check_images(x)
        return x + (0.5 - x).clamp(-self.eps, self.eps)
