"""Exact separation of classes against all linf distances by torch.cdist, which are scaled up."""

import os

import torch

from astute import data, separation

from . import Row, peer, ratios

ROWS = 16  # images the reference compares with all others


def pixels():
    """All of MNIST's training images where ASTUTE_DATA has them, else the embedded digits."""
    if os.environ.get("ASTUTE_DATA"):
        part = data.pixels("mnist", download=False)
        return part.x, part.y, "MNIST images"
    parts = [data.pixels("digits", split) for split in ("train", "test")]
    return *(torch.cat([getattr(p, name) for p in parts]) for name in ("x", "y")), "digits"


def measurements():
    """The least distance of all, and every image's nearest of another class."""
    x, y, name = pixels()
    levels = x.flatten(1).float()
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:ROWS]

    def every_pair():
        distance = torch.cdist(levels[rows], levels, p=float("inf"))
        return distance.masked_fill(y[rows, None] == y, torch.inf).min(1)

    pairwise, theirs = peer("sklearn.metrics"), None
    if pairwise is not None:
        flat = levels.numpy()

        def theirs():
            return pairwise.pairwise_distances(flat[rows], flat, metric="chebyshev").min(1)

    scale = ROWS / len(x)
    sklearn = ratios({"scikit-learn": theirs}, every_pair, 3)
    for what, ours, goal in (
        ("least linf distance between classes", separation.least_distance, 0.003),
        ("nearest other-class linf distance of every image", separation.nearest_other_class, 0.015),
    ):
        found = ratios({"ours": lambda ours=ours: ours(x, y)}, every_pair, 1)["ours"] * scale
        yield Row(
            f"{what}, {len(x)} {name}; all distances by torch.cdist",
            found,
            goal,
            sklearn,
            f"the reference and its peer look at {ROWS} images and are scaled to all; the goal is "
            "set for MNIST",
        )
