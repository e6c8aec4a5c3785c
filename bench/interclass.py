"""Inter-class l2 distance against all distances by a matrix product, sorted."""

import torch

from astute import interclass

from . import Row, peer, ratios
from .separation import pixels

ROWS = 256  # images the references compare with all others


def measurements():
    """Yield one row; its note has the greatest error of an image's distance."""
    x, y, name = pixels()
    flat = x.flatten(1).float() / 255
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:ROWS]
    k = len(x) // 10

    def sort_all():
        some = flat[rows]
        squared = some.square().sum(1, keepdim=True) + flat.square().sum(1) - 2 * some @ flat.T
        distance = squared.clamp_min(0).sqrt().masked_fill(y[rows, None] == y, torch.inf)
        return distance.sort(1).values[:, :k].mean(1)

    neighbours, theirs = peer("sklearn.neighbors"), None
    if neighbours is not None:
        search = neighbours.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(flat.numpy())

        def theirs():
            return search.kneighbors(flat[rows].numpy())[0].mean(1)

    peers = ratios({"scikit-learn": theirs}, sort_all, 3)
    ours = ratios({"ours": lambda: interclass.interclass_distance(x, y)}, sort_all, 1)["ours"]
    yield Row(
        f"inter-class l2 distance (nearest tenth), {len(x)} {name}; matrix product and sort",
        ours * ROWS / len(x),
        0.35,
        peers,
        f"relative error {_error(x[:3000], y[:3000]):.1e} against double precision; the "
        f"references look at {ROWS} images and are scaled to all",
    )


def _error(x, y):
    """Greatest relative error of an image's distance, against all distances in float64."""
    flat = x.flatten(1).double() / 255
    distance = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    distance = distance.masked_fill(y[:, None] == y, torch.inf).sort(1).values
    count = [interclass.number(0.1, int((y != label).sum())) for label in y]
    true = torch.stack([row[:k].mean() for row, k in zip(distance, count, strict=True)])
    return (torch.from_numpy(interclass.image_distances(x, y)) / true - 1).abs().max().item()
