"""Exact class separation against all distances by torch.cdist, on the embedded digits."""

import torch

from astute import data, separation

from . import ratio


def measurements():
    """Yield (what, ratio) pairs; the reference computes every distance, in blocks."""
    parts = [data.pixels("digits", split) for split in ("train", "test")]
    x, y = (torch.cat([getattr(p, name) for p in parts])[:800] for name in ("x", "y"))
    levels = x.flatten(1).float()

    def every_pair():
        return min(
            torch.cdist(block, levels, p=float("inf"))[labels[:, None] != y].min()
            for block, labels in zip(levels.split(256), y.split(256), strict=True)
        )

    label = f"least linf distance between classes, {len(x)} digits"
    yield f"{label}: ours", ratio(lambda: separation.least_distance(x, y), every_pair, 3)
