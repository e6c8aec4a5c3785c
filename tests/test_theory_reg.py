"""Lemma 3.1's machinery: break points, Jacobians, both sides, and checks that can fail."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astute.theory import reg

FOLD = [[[1.0], [-1.0]], [[1.0, 1.0]]]  # |x|
cases = st.integers(0, 10_000).map(lambda seed: reg.random_case(np.random.default_rng(seed)))


def along(case, t):
    weights, biases, pool, x, x_prime = case
    return reg.feature_map(weights, x + t * (x_prime - x), biases, pool)


def regions_of(case):
    weights, biases, pool, x, x_prime = case
    return reg.segment_regions(weights, x, x_prime, biases, pool)


@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_the_pieces_join_up_to_the_feature_map(case):
    regions = regions_of(case)
    steps = regions.widths[:, None] * regions.velocity
    for j, t in enumerate(regions.t):
        expected = along(case, 0.0) + steps[:j].sum(0)
        np.testing.assert_allclose(along(case, t), expected, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(case=cases, part=st.floats(0.05, 0.95))
def test_inside_a_piece_the_feature_map_is_linear_with_the_induced_matrices(case, part):
    weights, _, _, x, x_prime = case
    regions = regions_of(case)
    for j in range(len(regions)):
        left, right = regions.t[j : j + 2]
        t = left + part * (right - left)
        expected = along(case, left) + (t - left) * regions.jacobian(weights, j) @ (x_prime - x)
        np.testing.assert_allclose(along(case, t), expected, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_without_pooling_the_induced_matrices_have_rows_set_to_zero(case):
    weights, regions = case[0], regions_of(case)
    if regions.pool > 1:
        return
    for j in range(len(regions)):
        for induced, weight in zip(regions.induced(weights, j), weights, strict=True):
            kept = induced.any(1)
            np.testing.assert_array_equal(induced[kept], weight[kept])


@settings(max_examples=20, deadline=None)
@given(case=cases)
def test_no_polyline_is_longer_than_the_length(case):
    """Brute force: the length is the supremum over subdivisions, met at a fine one."""
    weights, biases, pool, x, x_prime = case
    length = reg.lemma_3_1(weights, x, x_prime, biases, pool).length
    points = np.stack([along(case, t) for t in np.linspace(0, 1, 200)])
    polyline = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert length * 0.95 - 1e-9 <= polyline <= length * (1 + 1e-9) + 1e-9


def test_the_fold_has_displacement_0_and_length_2():
    sides = reg.lemma_3_1(FOLD, [-1.0], [1.0])
    assert (sides.displacement, sides.length, sides.regions) == (0.0, 2.0, 2)
    assert sides.length_by_quadrature == pytest.approx(2.0, abs=1e-12)
    assert not sides.parallel


def test_inside_one_region_both_sides_agree():
    sides = reg.lemma_3_1(FOLD, [1.0], [3.0])
    assert (sides.displacement, sides.length, sides.regions) == (2.0, 2.0, 1)


def test_two_regions_can_keep_equality():
    """One ReLU from -1 to 1: at rest, then moving; so "only if one region" is too strong."""
    sides = reg.lemma_3_1([[[1.0]]], [-1.0], [1.0])
    assert (sides.displacement, sides.length, sides.regions) == (1.0, 1.0, 2)
    assert sides.parallel


def test_a_bend_of_a_right_angle_has_pythagoras_against_the_sum():
    """(ReLU(x - 0), ReLU(-x)): from (0, 1) through the corner to (1, 0)."""
    sides = reg.lemma_3_1([[[1.0], [-1.0]]], [-1.0], [1.0])
    assert sides.displacement == pytest.approx(np.sqrt(2))
    assert sides.length == pytest.approx(2.0)


def test_a_maximum_of_two_has_its_break_where_they_cross():
    regions = reg.segment_regions([[[1.0], [-3.0]]], [-1.0], [1.0], pool=2)  # max(x, -3x, 0)
    assert regions.t.tolist() == [0.0, 0.5, 1.0]
    assert regions.velocity[:, 0].tolist() == [-6.0, 2.0]
    assert [int(w[0]) for w in regions.winners[0]] == [1, 0]


def test_units_that_lose_leave_no_break():
    regions = reg.segment_regions([[[1.0], [-1.0]]], [-1.0], [1.0], [[9.0, 1.0]], pool=2)
    assert len(regions) == 1


def test_a_segment_of_no_length_goes_nowhere():
    sides = reg.lemma_3_1(FOLD, [1.0], [1.0])
    assert sides.displacement == sides.length == sides.product == 0
    assert sides.parallel


def test_the_check_confirms_the_verdict():
    found = reg.check_lemma_3_1(nets=60)
    assert found.confirmed
    assert 0 < found.control == found.strict < found.crossing


def test_a_lost_break_point_is_noticed(monkeypatch):
    """Drop every second break point: closed form and quadrature part."""
    honest = reg.segment_regions

    def careless(*args, **kwargs):
        found = honest(*args, **kwargs)
        keep = np.arange(len(found)) % 2 == 0
        return dataclasses.replace(
            found, t=np.r_[found.t[:-1][keep], 1.0], velocity=found.velocity[keep]
        )

    monkeypatch.setattr(reg, "segment_regions", careless)
    found = reg.check_lemma_3_1(nets=6)
    assert found.disagreement > 1e-3
    assert not found.confirmed


@pytest.mark.parametrize("field", ["above", "misjudged", "above_product"])
def test_one_violation_is_enough_to_refute(field):
    found = reg.check_lemma_3_1(nets=20)
    assert not dataclasses.replace(found, **{field: 1}).confirmed


@pytest.mark.parametrize("field", ["strict", "control"])
def test_a_check_whose_control_passes_confirms_nothing(field):
    found = reg.check_lemma_3_1(nets=20)
    assert not dataclasses.replace(found, **{field: 0}).confirmed


def test_groups_must_divide_the_units():
    with pytest.raises(ValueError, match="3 units are not in groups of 2"):
        reg.feature_map([np.ones((3, 1))], [1.0], pool=2)


def test_equal_singular_values_of_a_square_matrix_leave_no_variance():
    assert reg.squared_norm_variance([2.0] * 5, dimension=5) == 0
    assert reg.norm_variance([2.0] * 5, dimension=5) < 1e-20


def test_the_null_space_of_a_wide_matrix_makes_variance():
    assert reg.squared_norm_variance([2.0] * 5, dimension=6) > 0.1
    assert reg.norm_variance([2.0] * 5, dimension=6) > 0.01


@settings(max_examples=8, deadline=None)
@given(rows=st.integers(1, 6), columns=st.integers(2, 6), seed=st.integers(0, 99))
def test_the_closed_form_is_the_variance_over_the_sphere(rows, columns, seed):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(rows, columns))
    delta = rng.normal(size=(20_000, columns))
    delta *= 1.5 / np.linalg.norm(delta, axis=1, keepdims=True)
    lengths = np.linalg.norm(delta @ weight.T, axis=1)
    values = np.linalg.svd(weight, compute_uv=False)
    exact = reg.squared_norm_variance(values, columns, radius=1.5)
    assert exact == pytest.approx((lengths**2).var(), rel=0.15, abs=1e-12)
    sampled = reg.norm_variance(values, columns, radius=1.5, samples=8000)
    assert sampled == pytest.approx(lengths.var(), rel=0.2, abs=1e-12)
