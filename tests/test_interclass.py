"""Inter-class distance against its definition, image by image and pair by pair."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astute import data, interclass
from astute.interclass import class_distances, image_distances, interclass_distance


def by_definition(x, y, share):
    """Every image's distance, and every class's, from all pairs in double precision."""
    flat, y = torch.as_tensor(x).flatten(1).double(), torch.as_tensor(y)
    flat = flat / 255 if torch.as_tensor(x).dtype == torch.uint8 else flat

    def nearest(values):
        return values.sort().values[: max(1, math.floor(share * len(values) + 0.5))].mean().item()

    images = [nearest((flat[y != y[i]] - flat[i]).norm(dim=1)) for i in range(len(y))]
    images = torch.tensor(images, dtype=torch.float64)
    return images, {int(k): nearest(images[y == k]) for k in y.unique()}


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(3, 60),
    st.sampled_from([(3,), (2, 9, 30)]),
    st.floats(0.01, 1),
    st.booleans(),
)
def test_it_is_the_mean_over_the_nearest_of_the_nearest(seed, n, shape, share, levels):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.random((n, *shape)) ** 3).float()
    x = (255 * x).byte() if levels else x
    y = torch.from_numpy(rng.choice([3, 5, 11], n))
    y[:2] = torch.tensor([5, 11])
    images, classes = by_definition(x, y, share)
    np.testing.assert_allclose(image_distances(x, y, share), images, rtol=2e-6, atol=1e-6)
    found = class_distances(x, y, share)
    assert found == pytest.approx(classes, rel=2e-6, abs=1e-6)
    assert interclass_distance(x, y, share) == pytest.approx(np.mean(list(found.values())))


def test_images_that_are_left_out_would_not_have_counted(monkeypatch):
    """Digits with noise, which a projection loses: the order it gives is not the true one."""
    part = data.load("digits", limit=200)
    x = part.x + 0.3 * torch.rand(part.x.shape, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(interclass, "ROWS", 1)
    calls, inside = [], interclass._nearest_mean

    def watched(cloud, places, *rest):
        calls.append((cloud.points.shape[1], len(places)))
        return inside(cloud, places, *rest)

    monkeypatch.setattr(interclass, "_nearest_mean", watched)
    found = class_distances(x, part.y)
    assert sum(n for width, n in calls if width == 784) < 0.8 * len(x)  # it leaves some out
    assert found == pytest.approx(by_definition(x, part.y, 0.1)[1], rel=2e-6)


def test_it_scales_with_the_images_and_does_not_see_a_shift():
    part = data.load("digits", limit=300)
    whole = interclass_distance(part.x, part.y)
    assert interclass_distance(0.7 * part.x + 0.2, part.y) == pytest.approx(0.7 * whole, rel=2e-6)


def test_arguments_are_left_as_they_were():
    part = data.load("digits", limit=60)
    x, y = part.x.clone(), part.y.sort().values  # sorted already: the copy must still be made
    interclass_distance(x, y)
    assert torch.equal(x, part.x)


@pytest.mark.parametrize(
    ("y", "share", "words"),
    [
        ([4, 4, 4], 0.1, "all labels are 4.*needs two classes"),
        ([0, 1], 0.1, "3 images and labels"),
        ([0, 1, 1], 10, r"share is a fraction of the images, in \(0, 1\]; got 10"),
        ([0, 1, 1], 0, "got 0"),
        ([0, 1, 1], math.nan, "got nan"),
    ],
)
def test_what_has_no_such_distance_is_refused(y, share, words):
    with pytest.raises(ValueError, match=words):
        class_distances(torch.zeros(3, 1, 2, 2), y, share)
