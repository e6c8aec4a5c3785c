"""Separation: every distance against all pairs, and the distance classifier against its theorem."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astute import data, separation
from astute.separation import (
    DistanceClassifier,
    least_distance,
    nearest_other_class,
    nearest_own_class,
    towards,
)


def all_pairs(x, x_other):
    """(M, N) distances in pixel units, by the definition."""
    a, b = (torch.as_tensor(v).flatten(1).double() for v in (x_other, x))
    distance = (a[:, None] - b).abs().amax(2)
    return distance / 255 if torch.as_tensor(x).dtype == torch.uint8 else distance


def draw(rng, n, shape, levels=256, classes=3, floats=False):
    """Images whose distances differ widely (blends of a few), and labels."""
    kinds = rng.integers(0, levels, (6, *shape))
    x = kinds[rng.integers(6, size=n)] * rng.random((n, *[1] * len(shape)))
    x = (x + rng.integers(0, 12, (n, *shape))).clip(0, 255)
    x = (x / 255).astype(np.float32) if floats else x.astype(np.uint8)
    return torch.from_numpy(x), torch.from_numpy(rng.integers(classes, size=n))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(2, 60), st.integers(1, 40), st.integers(1, 4), st.booleans()
)
def test_the_least_distance_is_that_of_all_pairs(seed, n, m, width, floats):
    rng = np.random.default_rng(seed)
    x, y = draw(rng, n, (1, width, width), floats=floats)
    y[:2] = torch.tensor([0, 1])
    x_other, y_other = draw(rng, m, (1, width, width), classes=2, floats=floats)
    for others in ((), (x_other, y_other)):
        z, labels = others or (x, y)
        distance = all_pairs(x, z)
        distance[labels[:, None] == y] = np.inf
        found = least_distance(x, y, *others)
        assert found.distance == distance.min().item()
        assert labels[found.i] != y[found.j]
        assert distance[found.i, found.j] == found.distance


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(1, 90), st.booleans())
def test_the_nearest_of_own_and_other_class_are_those_of_all_pairs(seed, n, m, floats):
    rng = np.random.default_rng(seed)
    x, y = draw(rng, n, (7,), classes=2, floats=floats)
    y[:2] = torch.tensor([0, 1])
    z, labels = draw(rng, m, (7,), classes=2, floats=floats)
    distance, same = all_pairs(x, z), labels[:, None] == y
    for nearest, out in ((nearest_other_class, same), (nearest_own_class, ~same)):
        found = nearest(x, y, z, labels)
        expected = distance.masked_fill(out, np.inf)
        np.testing.assert_array_equal(found.distance, expected.amin(1))
        np.testing.assert_array_equal(expected[range(m), found.index], found.distance)


@pytest.mark.parametrize("floats", [False, True])
def test_a_set_large_enough_for_every_step_of_the_search(floats):
    rng = np.random.default_rng(5)
    x, y = draw(rng, 17_000, (12,), floats=floats)
    z, labels = draw(rng, 50, (12,), floats=floats)
    distance = all_pairs(x, z).masked_fill(labels[:, None] == y, np.inf)
    np.testing.assert_array_equal(nearest_other_class(x, y, z, labels).distance, distance.amin(1))
    assert least_distance(x, y, z, labels).distance == distance.min()
    assert len(x) > 64 * separation.STEPS[0]


def test_within_one_set_the_closest_pair_is_the_nearest_of_all_neighbours():
    part = data.pixels("digits", limit=300)
    pair, nearest = least_distance(part.x, part.y), nearest_other_class(part.x, part.y)
    assert pair.distance == nearest.distance.min() == nearest.distance[pair.i]
    assert round(255 * pair.distance) / 255 == pair.distance


def test_levels_and_floats_of_the_same_images_agree():
    part = data.pixels("digits", limit=300)
    levels, floats = least_distance(part.x, part.y), least_distance(part.x / 255, part.y)
    assert levels.distance == pytest.approx(floats.distance, abs=1e-6)


def test_order_of_images_and_names_of_classes_do_not_matter():
    part = data.pixels("digits", limit=300)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    shuffled = least_distance(part.x[order], 90 - 7 * part.y[order])
    assert shuffled.distance == least_distance(part.x, part.y).distance


def test_an_image_with_two_labels_leaves_no_separation():
    x = torch.tensor([[7, 8], [200, 1], [7, 8]], dtype=torch.uint8)
    assert least_distance(x, [0, 1, 1]) in ((0.0, 0, 2), (0.0, 2, 0))


def separated(rng, floats):
    """A set with its separation 2r, as r."""
    x, y = draw(rng, 50, (1, 3, 3), floats=floats)
    y[:3] = torch.arange(3)
    return x, y, least_distance(x, y).distance / 2


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_scores_are_distances_to_the_classes_over_r_and_lipschitz(seed, floats):
    rng = np.random.default_rng(seed)
    x, y, r = separated(rng, floats)
    if r == 0:
        return
    f = DistanceClassifier(x=x, y=y, r=r)
    a, b = (draw(rng, 20, (1, 3, 3), floats=floats)[0] for _ in "ab")
    distance = all_pairs(x, a)
    expected = torch.stack([distance[:, y == k].amin(1) for k in range(3)], 1) / r
    torch.testing.assert_close(f(a), expected, rtol=1e-12, atol=0)
    change = (f(a) - f(b)).abs().amax(1)
    assert (change <= all_pairs(b, a).diagonal() / r + 1e-9).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_below_r_no_attack_moves_the_label_of_a_training_image(seed):
    rng = np.random.default_rng(seed)
    x, y, r = separated(rng, floats=False)
    levels = int(255 * r - 0.25)  # whole levels strictly below r
    if levels < 1:
        return
    f = DistanceClassifier(x=x, y=y, r=r)
    z = x[nearest_other_class(x, y).index]
    noise = torch.from_numpy(rng.integers(-levels, levels + 1, x.shape))
    corner = torch.from_numpy(rng.choice([-levels, levels], x.shape))
    attacked = [towards(x, z, levels / 255)]
    attacked += [(x.long() + delta).clamp(0, 255).byte() for delta in (noise, corner)]
    for x_adv in attacked:
        assert (all_pairs(x, x_adv).diagonal() <= levels / 255).all()
        scores = f(x_adv)
        own = scores.gather(1, y[:, None])
        assert ((scores > own).sum(1) == 2).all()  # strictly above, both other classes


def test_at_r_itself_the_closest_pair_ties_and_one_of_the_two_loses():
    """Smallest counterexample to astuteness in the closed ball: two points on a line."""
    x, y = torch.tensor([[0], [100]], dtype=torch.uint8), torch.tensor([0, 1])
    f = DistanceClassifier(x=x, y=y, r=50 / 255)
    middle = towards(x, x.flip(0), 50 / 255)
    assert middle.tolist() == [[50], [50]]
    assert f(middle).tolist() == [[1, 1], [1, 1]]
    assert f(middle).argmin(1).tolist() == [0, 0]
    inside = f(towards(x, x.flip(0), 49 / 255))
    assert inside.argmin(1).tolist() == [0, 1]


def test_the_certificate_of_the_nearest_neighbour_rule_survives_its_attack():
    train, test = data.pixels("digits"), data.pixels("digits", "test", limit=120)
    other = nearest_other_class(train.x, train.y, test.x, test.y)
    own = nearest_own_class(train.x, train.y, test.x, test.y)
    margin, levels = np.rint(255 * (other.distance - own.distance)), 20
    f = DistanceClassifier(x=train.x, y=train.y, r=0.1)
    assert ((f(test.x).argmin(1) == test.y).numpy() == (margin > 0))[margin != 0].all()
    x_adv = towards(test.x, train.x[other.index], levels / 255)
    right = (f(x_adv).argmin(1) == test.y).numpy()
    certified = margin > 2 * levels
    assert 0 < certified.sum() < len(certified)
    assert right[certified].all()
    assert not right.all()  # the attack is no formality


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_moving_towards_an_image_leaves_no_nearer_point_in_the_ball(dtype):
    generator = torch.Generator().manual_seed(2)
    x, z = (torch.randint(0, 256, (30, 9), generator=generator).byte() for _ in "xz")
    x, z = (x, z) if dtype == torch.uint8 else (x / 255, z / 255)
    moved = towards(x, z, 30 / 255)
    assert moved.dtype == dtype
    assert (all_pairs(moved, x).diagonal() <= 30 / 255 + 1e-6).all()
    gap = all_pairs(z, x).diagonal() - all_pairs(z, moved).diagonal()
    torch.testing.assert_close(gap, torch.full((30,), 30 / 255).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("seed", range(8))
def test_free_pixels_go_as_far_away_as_the_distance_to_the_other_image_allows(seed):
    """Against all 7 x 7 images of the ball."""
    x, z, w = torch.from_numpy(np.random.default_rng(seed).integers(0, 9, (3, 1, 2)))
    ball = x + torch.cartesian_prod(torch.arange(-3, 4), torch.arange(-3, 4))
    ball = ball[(ball >= 0).all(1)]
    gaps = (ball - z).abs().amax(1)
    nearest = ball[gaps == gaps.min()]
    moved = towards(x.byte(), z.byte(), 3 / 255, away=w.byte()).long()
    assert (nearest == moved).all(1).any()
    assert (moved - w).abs().sum() == (nearest - w).abs().sum(1).max()


X = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((X, [0, 0, 0]), "all labels are 0.*needs two classes"),
        ((X, [0, 1]), r"3 images and labels of shape \(2,\)"),
        ((X, [0.0, 1.0, 1.0]), "one integer label.*float64"),
        ((X.long(), [0, 1, 1]), "uint8 or floats.*int64"),
        ((X[:0], []), r"N at least 1; got \(0, 1, 2, 2\)"),
        ((torch.zeros(3), [0, 1, 1]), r"shape \(N, ...\)"),
        ((torch.full((3, 2), float("nan")), [0, 1, 1]), "NaN or infinity"),
        ((X, [0, 1, 1], X[:, :, :1], [0, 1, 1]), "one size and dtype.*2 values.*4"),
        ((X, [0, 1, 1], X / 255, [0, 1, 1]), "float32 and 4 of uint8"),
        ((X, [0, 1, 1], X, None), r"labels of shape \(0,\)"),
    ],
)
def test_what_has_no_separation_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        least_distance(*arguments)


def test_a_query_without_a_neighbour_of_the_kind_is_refused():
    with pytest.raises(ValueError, match="label 0 have no image of another label"):
        nearest_other_class(X, [0, 0, 0], X, [0, 1, 1])
    with pytest.raises(ValueError, match="label 1 have no image of that label"):
        nearest_own_class(X, [0, 0, 0], X, [0, 1, 1])


@pytest.mark.parametrize(
    ("y", "r", "words"),
    [
        ([0, 2, 2], 0.1, "each at least once; got 0, 2"),
        ([0, 0, 0], 0.1, "K at least 2"),
        ([0, 1, 1], 0.0, "more than 0; got 0"),
        ([0, 1, 1], float("nan"), "got nan"),
    ],
)
def test_a_distance_classifier_needs_classes_apart(y, r, words):
    with pytest.raises(ValueError, match=words):
        DistanceClassifier(x=X, y=torch.tensor(y), r=r)


def test_a_radius_in_levels_is_refused():
    with pytest.raises(ValueError, match="write 8 / 255"):
        towards(X, X, 8)
    with pytest.raises(ValueError, match="one dtype"):
        towards(X, X / 255, 0.1)
