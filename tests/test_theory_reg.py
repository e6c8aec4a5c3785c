"""The checks of Wen, Li & Jia: their tools against independent truth, and broken tools noticed."""

import dataclasses
from fractions import Fraction
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astute import papers
from astute.theory import CHECKS, reg

FOLD = [[[1.0], [-1.0]], [[1.0, 1.0]]]  # |x|
cases = st.integers(0, 10_000).map(lambda seed: reg.paths.random_case(np.random.default_rng(seed)))


def along(case, t):
    weights, biases, pool, x, x_prime = case
    return reg.paths.feature_map(weights, x + t * (x_prime - x), biases, pool)


def regions_of(case):
    weights, biases, pool, x, x_prime = case
    return reg.paths.segment_regions(weights, x, x_prime, biases, pool)


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
    length = reg.paths.lemma_3_1(weights, x, x_prime, biases, pool).length
    points = np.stack([along(case, t) for t in np.linspace(0, 1, 200)])
    polyline = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert length * 0.95 - 1e-9 <= polyline <= length * (1 + 1e-9) + 1e-9


def test_the_fold_has_displacement_0_and_length_2():
    sides = reg.paths.lemma_3_1(FOLD, [-1.0], [1.0])
    assert (sides.displacement, sides.length, sides.regions) == (0.0, 2.0, 2)
    assert sides.length_by_quadrature == pytest.approx(2.0, abs=1e-12)
    assert not sides.parallel


def test_inside_one_region_both_sides_agree():
    sides = reg.paths.lemma_3_1(FOLD, [1.0], [3.0])
    assert (sides.displacement, sides.length, sides.regions) == (2.0, 2.0, 1)


def test_two_regions_can_keep_equality():
    """One ReLU from -1 to 1: at rest, then moving; so "only if one region" is too strong."""
    sides = reg.paths.lemma_3_1([[[1.0]]], [-1.0], [1.0])
    assert (sides.displacement, sides.length, sides.regions) == (1.0, 1.0, 2)
    assert sides.parallel


def test_a_bend_of_a_right_angle_has_pythagoras_against_the_sum():
    """(ReLU(x - 0), ReLU(-x)): from (0, 1) through the corner to (1, 0)."""
    sides = reg.paths.lemma_3_1([[[1.0], [-1.0]]], [-1.0], [1.0])
    assert sides.displacement == pytest.approx(np.sqrt(2))
    assert sides.length == pytest.approx(2.0)


def test_a_maximum_of_two_has_its_break_where_they_cross():
    regions = reg.paths.segment_regions([[[1.0], [-3.0]]], [-1.0], [1.0], pool=2)  # max(x, -3x, 0)
    assert regions.t.tolist() == [0.0, 0.5, 1.0]
    assert regions.velocity[:, 0].tolist() == [-6.0, 2.0]
    assert [int(w[0]) for w in regions.winners[0]] == [1, 0]


def test_units_that_lose_leave_no_break():
    regions = reg.paths.segment_regions([[[1.0], [-1.0]]], [-1.0], [1.0], [[9.0, 1.0]], pool=2)
    assert len(regions) == 1


def test_a_segment_of_no_length_goes_nowhere():
    sides = reg.paths.lemma_3_1(FOLD, [1.0], [1.0])
    assert sides.displacement == sides.length == sides.product == 0
    assert sides.parallel


def test_the_check_confirms_the_verdict():
    found = reg.paths.check_lemma_3_1(nets=60)
    assert found.confirmed
    assert 0 < found.control == found.strict < found.crossing


def test_a_lost_break_point_is_noticed(monkeypatch):
    """Drop every second break point: closed form and quadrature part."""
    honest = reg.paths.segment_regions

    def careless(*args, **kwargs):
        found = honest(*args, **kwargs)
        keep = np.arange(len(found)) % 2 == 0
        return dataclasses.replace(
            found, t=np.r_[found.t[:-1][keep], 1.0], velocity=found.velocity[keep]
        )

    monkeypatch.setattr(reg.paths, "segment_regions", careless)
    found = reg.paths.check_lemma_3_1(nets=6)
    assert found.disagreement > 1e-3
    assert not found.confirmed


@pytest.mark.parametrize("field", ["above", "misjudged", "above_product"])
def test_one_violation_is_enough_to_refute(field):
    found = reg.paths.check_lemma_3_1(nets=20)
    assert not dataclasses.replace(found, **{field: 1}).confirmed


@pytest.mark.parametrize("field", ["strict", "control"])
def test_a_check_whose_control_passes_confirms_nothing(field):
    found = reg.paths.check_lemma_3_1(nets=20)
    assert not dataclasses.replace(found, **{field: 0}).confirmed


def test_groups_must_divide_the_units():
    with pytest.raises(ValueError, match="3 units are not in groups of 2"):
        reg.paths.feature_map([np.ones((3, 1))], [1.0], pool=2)


def test_equal_singular_values_of_a_square_matrix_leave_no_variance():
    assert reg.gains.squared_norm_variance([2.0] * 5, dimension=5) == 0
    assert reg.gains.norm_variance([2.0] * 5, dimension=5) < 1e-20


def test_the_null_space_of_a_wide_matrix_makes_variance():
    assert reg.gains.squared_norm_variance([2.0] * 5, dimension=6) > 0.1
    assert reg.gains.norm_variance([2.0] * 5, dimension=6) > 0.01


@settings(max_examples=8, deadline=None)
@given(rows=st.integers(1, 6), columns=st.integers(2, 6), seed=st.integers(0, 99))
def test_the_closed_form_is_the_variance_over_the_sphere(rows, columns, seed):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(rows, columns))
    delta = rng.normal(size=(20_000, columns))
    delta *= 1.5 / np.linalg.norm(delta, axis=1, keepdims=True)
    lengths = np.linalg.norm(delta @ weight.T, axis=1)
    values = np.linalg.svd(weight, compute_uv=False)
    exact = reg.gains.squared_norm_variance(values, columns, radius=1.5)
    assert exact == pytest.approx((lengths**2).var(), rel=0.15, abs=1e-12)
    sampled = reg.gains.norm_variance(values, columns, radius=1.5, samples=8000)
    assert sampled == pytest.approx(lengths.var(), rel=0.2, abs=1e-12)


def test_every_statement_of_the_paper_has_a_check():
    named = {name for name in papers.statements() if name.startswith("reg/")}
    assert {name for name in CHECKS if name.startswith("reg/")} == named


planes = st.integers(0, 10_000).map(lambda s: reg.bound.random_plane(np.random.default_rng(s)))


@settings(max_examples=15, deadline=None)
@given(case=planes)
def test_in_the_plane_the_nearest_boundary_point_is_the_foot_on_a_ray_of_zeros(case):
    """Slower and by another route: the zero of every sector's gradient, where it lies inside."""
    network, x = case
    borders, slopes = reg.bound.plane_slopes(network)
    following = np.r_[borders[1:], borders[0] + 2 * np.pi]
    nearest = np.linalg.norm(x)  # the origin
    for start, end, slope in zip(borders, following, slopes, strict=True):
        if np.linalg.norm(slope) < 1e-9:
            return  # a sector of zeros: covered by the rays of the other test
        for ray in (np.array([-slope[1], slope[0]]), np.array([slope[1], -slope[0]])):
            angle = np.mod(np.arctan2(ray[1], ray[0]) - start, 2 * np.pi)
            if angle <= end - start + 1e-9:
                ray = ray / np.linalg.norm(ray)
                nearest = min(nearest, np.linalg.norm(x - max(0, x @ ray) * ray))
    assert reg.bound.boundary(network, x)[0] == pytest.approx(nearest)


@settings(max_examples=15, deadline=None)
@given(case=planes)
def test_the_nearest_boundary_point_is_on_the_boundary_and_no_ray_has_a_nearer_one(case):
    network, x = case
    distance, point = reg.bound.boundary(network, x)
    assert reg.bound.difference(network, point) == pytest.approx(0, abs=1e-9)
    assert np.linalg.norm(x - point) == pytest.approx(distance)
    angle = np.linspace(0, 2 * np.pi, 400)
    around = x + distance * 0.999 * np.column_stack([np.cos(angle), np.sin(angle)])
    for share in (0.3, 0.7, 1.0):
        inside = np.maximum((x + share * (around - x)) @ network[0].T, 0) @ network[1]
        assert inside.min() > 0


@settings(max_examples=30, deadline=None)
@given(case=planes)
def test_margins_lie_between_the_least_slope_and_the_largest_gain_times_the_distance(case):
    network, x = case
    v = reg.bound.boundary(network, x)[0]
    u = reg.bound.difference(network, x)
    assert reg.bound.least_slope(network) * v <= u * (1 + 1e-9)
    assert u <= reg.bound.largest_margin(network, v) * (1 + 1e-9)


def test_the_least_slope_sees_the_corner_of_a_tent():
    """u = |x1| + x2 has slope sqrt 2 on either side of x1 = 0, and 1 along it."""
    tent = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]), np.array([1.0, 1, 1, -1])
    assert reg.bound.least_slope(tent) == pytest.approx(1)


def test_the_smallest_counterexample_to_equation_5():
    v = reg.bound.boundary(reg.bound.IDENTITY, [1.0])[0]
    assert v == pytest.approx(1)
    assert reg.bound.difference(reg.bound.IDENTITY, [1.0]) == 1
    assert reg.bound.printed_margin(reg.bound.IDENTITY, v) == pytest.approx(2)


def test_the_two_drawn_networks_are_what_their_names_say():
    start = [1.0, 0.0]
    for network in (reg.bound.BEND, reg.bound.RISE):
        assert reg.bound.boundary(network, start)[1] == pytest.approx([0.5, 0.5], abs=1e-9)
    assert reg.bound.decreases(reg.bound.way(reg.bound.BEND, start))
    assert reg.bound.way(reg.bound.RISE, start).max() == pytest.approx(1.5)


def test_the_memoriser_is_the_network_that_its_margins_describe():
    net = reg.bound.Memoriser(n=5, seen=(1, 3))
    for j in range(5):
        x = np.r_[np.eye(5)[j] * float(net.arm), float(net.height)]
        assert reg.bound.difference(net.network, x) == pytest.approx(float(net.margin(j)))
    assert net.gap(Fraction(1)) == Fraction(3, 5) * Fraction(99, 100)
    assert np.linalg.svd(net.network[0], compute_uv=False)[-1] == pytest.approx(1)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999))
def test_the_memorisers_distance_is_that_of_the_search(seed):
    net = reg.bound.Memoriser(n=3, seen=(0, 2), slope=Fraction(1, 4), gain=Fraction(2))
    z = np.random.default_rng(seed).uniform(-0.5, 0.5, size=3)
    found, point = reg.bound.boundary(net.network, np.r_[z, 2.0])
    by_hand, expected = net.nearest(z)
    assert found == pytest.approx(by_hand)
    np.testing.assert_allclose(point, expected, atol=1e-7)


def test_a_memoriser_too_flat_for_the_argument_is_refused():
    with pytest.raises(ValueError, match="gain x height is at least slope"):
        reg.bound.Memoriser(n=3, seen=(0,), gain=Fraction(1, 1000))


def test_the_memoriser_breaks_the_printed_bound_for_every_sample_and_not_the_repaired_one():
    for _, gap, u_min, printed, fixed in reg.covering.check_memoriser():
        assert u_min >= 198
        assert printed < gap <= fixed


def test_a_ramp_without_width_is_refused():
    with pytest.raises(ValueError, match="gamma is the width of the ramp and positive; got 0"):
        reg.covering.ramp(Fraction(1), 0)


@settings(max_examples=20, deadline=None)
@given(m=st.integers(1, 7), cells=st.integers(1, 4))
def test_multinomial_probabilities_of_all_counts_add_up_to_one(m, cells):
    weights = [Fraction(2 * k + 1, cells**2) for k in range(cells)]
    every = list(reg.covering.counts(m, cells))
    assert len(set(every)) == len(every) == comb(m + cells - 1, cells - 1)
    assert sum(reg.covering.multinomial(n, weights) for n in every) == 1


def test_covering_numbers_of_a_square_of_points():
    square = [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert [reg.covering.cover_number(square, r) for r in (0.9, 1.0, 1.5)] == [4, 2, 1]


def test_the_repaired_bound_is_half_of_the_printed_term_for_half_as_many_cells():
    printed = reg.covering.spread_term(6, 50, 0.1)
    repaired = reg.covering.repaired_bound(variation=0.2, cells=3, labels=2, m=50, eta=0.1)
    assert repaired == pytest.approx(0.2 + printed / 2)


def test_balls_are_a_partition_of_their_radius():
    x, _ = reg.evaluated.clusters()
    for radius in (0.2, 0.7, 5.0):
        cell = reg.evaluated.balls(x, radius)
        for i in range(cell.max() + 1):
            own = x[cell == i]
            assert np.linalg.norm(own[:, None] - own, axis=2).max(1).min() <= 2 * radius
    assert len(set(reg.evaluated.balls(x, 0.7))) == 2


def test_the_chain_on_a_small_network_is_consistent():
    chain = reg.evaluated.tiny_chain(m=60)
    assert chain.pure
    assert chain.slope <= chain.margin <= chain.largest
    assert chain.variation <= max(0, 1 - chain.margin / chain.gamma) + 1e-12
    assert chain.variation <= 2 * chain.eps * chain.lipschitz / chain.gamma
    assert chain.gap <= chain.variation + chain.deviation / 2


def test_a_network_that_is_not_robust_at_the_radius_of_the_balls_is_refused():
    x, sign = reg.evaluated.clusters()
    network = reg.evaluated.fit(x, sign, seed=2)
    with pytest.raises(ValueError, match="balls of radius 3 need a network robust beyond it"):
        reg.evaluated.chain(network, x, sign, np.arange(10), eps=3)


def test_the_dense_torus_is_a_circular_convolution():
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(2, 3, 3, 3)), rng.normal(size=(3, 4, 5))
    wrapped = np.pad(x, ((0, 0), (0, 2), (0, 2)), mode="wrap")
    expected = torch.nn.functional.conv2d(torch.tensor(wrapped)[None], torch.tensor(kernel))[0]
    found = reg.layers.torus_matrix(kernel, 4, 5) @ x.ravel()
    np.testing.assert_allclose(found.reshape(2, 4, 5), expected.numpy(), atol=1e-12)


def test_the_least_gain_ignores_the_null_space():
    assert reg.layers.least_gain([[3.0, 0.0], [0.0, 0.0]]) == pytest.approx(3)
    assert reg.layers.least_gain(np.zeros((2, 2))) == np.inf


def test_layer_counts_are_those_that_rounding_allows():
    assert reg.tables.whole_numbers(Fraction("4.7465"), Fraction("0.1158")) == [41]
    assert reg.tables.whole_numbers(Fraction("0.4372"), Fraction("0.1103")) == []


def verdict_with(monkeypatch, name, module, attribute, replacement):
    monkeypatch.setattr(module, attribute, replacement)
    return CHECKS[name]().verdict


def test_a_boundary_that_is_too_near_is_noticed(monkeypatch):
    honest = reg.bound.boundary

    def near(network, x):
        distance, point = honest(network, x)
        return 0.2 * distance, point

    assert verdict_with(monkeypatch, "reg/eq-13-eq-5", reg.bound, "boundary", near) == "open"


def test_deviations_counted_twice_break_the_inequality_of_bhc(monkeypatch):
    honest = reg.covering.deviation
    broken = verdict_with(
        monkeypatch, "reg/fact-BHC", reg.covering, "deviation", lambda n, w: 2 * honest(n, w)
    )
    assert broken != "HOLDS"


def test_a_torus_that_does_not_wrap_is_noticed(monkeypatch):
    def flat(kernel, height, width):
        return reg.layers.padded_matrix(kernel, (height, width))

    assert verdict_with(monkeypatch, "reg/fact-sedghi", reg.layers, "torus_matrix", flat) != "HOLDS"


def test_an_altered_table_is_noticed(monkeypatch):
    honest = reg.tables.printed

    def altered(name):
        found = honest(name)
        if name == "reg_table3":
            found[0] = found[0] | {"ar8": "98.95"}
        return found

    assert (
        verdict_with(monkeypatch, "reg/tables-arithmetic", reg.tables, "printed", altered)
        != "HOLDS"
    )


def test_a_formula_that_forgets_the_null_space_earns_no_verdict(monkeypatch):
    """Without its zeros it finds no variance for (1 0), and the corrected form fails with it."""

    def bare(values, dimension, radius=1.0):
        return float(2 / (dimension + 2) * np.square(values).var())

    found = verdict_with(
        monkeypatch, "reg/sec1.1-variance", reg.gains, "squared_norm_variance", bare
    )
    assert found == "open"
