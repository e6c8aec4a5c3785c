"""The tools behind the checks of Ding et al. against independent truth, and variants that break."""

from fractions import Fraction as F
from itertools import product
from math import cos, e, pi, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astute import papers, transforms
from astute.theory import CHECKS, sens

exact, bayes, concentration = sens.exact, sens.bayes, sens.concentration
geometry, variants = sens.geometry, sens.variants

tenths = st.integers(0, 10).map(lambda k: F(k, 10))
unions = st.lists(st.tuples(tenths, tenths).map(sorted).map(tuple), min_size=1, max_size=4)
radii = st.integers(1, 5).map(lambda k: F(k, 10))


def inside(intervals, x):
    return any(a <= x <= b for a, b in intervals)


@given(first=unions, second=unions, eps=radii)
def test_interval_operations_agree_with_points(first, second, eps):
    points = [F(k, 40) for k in range(1, 40, 2)]  # no end point among them
    near = exact.enlarged(first, eps)
    for x in points:
        assert inside(exact.merged(first), x) == inside(first, x)
        assert inside(exact.common(first, second), x) == (inside(first, x) and inside(second, x))
        assert inside(exact.rest(first), x) == (not inside(first, x))
        assert inside(near, x) == any(a - eps <= x <= b + eps for a, b in first)
    assert exact.mass(first) + exact.mass(exact.rest(first)) == 1


@settings(max_examples=30, deadline=None)
@given(cut=st.lists(st.integers(0, 1), min_size=10, max_size=10), eps=radii)
def test_the_robust_error_agrees_with_a_fine_grid(cut, eps):
    cells = {y: [(F(k, 10), F(k + 1, 10)) for k in range(10) if cut[k] == y] for y in (0, 1)}
    truth = {0: [(F(0), F(1, 2))], 1: [(F(1, 2), F(1))]}
    grid = [F(2 * k + 1, 200) for k in range(100)]
    said = {x: cut[int(10 * x)] for x in grid}
    # Midpoints and radii are such that <= on the grid is < between the cells.
    reach = [[said[z] for z in grid if abs(z - x) <= eps] for x in grid]
    count = sum(any(s != (x > F(1, 2)) for s in r) for x, r in zip(grid, reach, strict=True))
    assert exact.robust_error(truth, cells, eps) == F(count, 100)
    assert exact.robust_error(truth, cells, eps) >= exact.robust_error(truth, cells, F(0))


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_irwin_hall_is_the_law_of_a_sum(d):
    n = 12  # lattice midpoints: bracket the volume below x from both sides
    lattice = [sum(p) for p in product(range(n), repeat=d)]
    for x in (F(d, 4), F(d, 3), F(d, 2)):
        low = sum(s + d <= x * n for s in lattice)
        high = sum(s <= x * n for s in lattice)
        assert F(low, n**d) <= exact.irwin_hall(d, x) <= F(high, n**d)


@pytest.mark.parametrize("d", [5, 12, 30])
def test_three_routes_to_the_robust_error_of_a_sum_agree(d):
    eps = F(1, 20)
    assert exact.attacked_by_fourier(d, 0.05) == pytest.approx(
        float(exact.attacked(d, eps)), abs=1e-6
    )
    x = np.random.default_rng(0).random((20_000, d))
    label = x.sum(1) > d / 2
    worst = np.where(label, np.maximum(x - 0.05, 0).sum(1), np.minimum(x + 0.05, 1).sum(1).T)
    share = ((worst > d / 2) != label).mean()
    assert share == pytest.approx(float(exact.attacked_inside(d, eps)), abs=0.02)
    assert exact.attacked_inside(d, eps) <= exact.attacked(d, eps)


def test_the_bounds_on_the_robust_error_are_told_from_wrong_ones():
    assert bayes.bound_holds(4)[0]
    assert bayes.bound_holds(12)[0]
    assert bayes.violated(48)
    assert not bayes.violated(12)
    assert not bayes.bound_holds(4, error=lambda d, eps: 2 * F(eps))[0]  # the cut across


@given(y=st.lists(tenths, min_size=2, max_size=5))
def test_the_nearest_point_of_the_slice_is_in_it_and_no_lattice_point_is_nearer(y):
    z = bayes.onto_slice(y)
    assert sum(z) == F(len(y), 2)
    assert all(0 <= v <= 1 for v in z)
    least = sum((a - b) ** 2 for a, b in zip(y, z, strict=True))
    rng = np.random.default_rng(0)
    for _ in range(20):
        w = [F(int(k), 10) for k in rng.integers(0, 11, len(y))]
        if sum(w) == F(len(y), 2):
            assert sum((a - b) ** 2 for a, b in zip(y, w, strict=True)) >= least


def test_the_map_to_the_sum_keeps_volume_and_its_impostors_are_found_out():
    x = np.random.default_rng(1).random((20_000, 3))
    y = bayes.to_sum(x)
    assert bayes.looks_uniform(y)
    assert ((y >= 0) & (y <= 1)).all()
    assert ((x[:, 0] > 0.5) == (y.sum(1) > 1.5)).all()
    assert not bayes.looks_uniform(np.sort(y, axis=1))
    assert not bayes.looks_uniform(y**1.1)
    assert not bayes.looks_uniform(np.c_[x[:, 0], x[:, 0]])  # right margins, wrong pair


def test_the_map_is_area_preserving_in_two_dimensions_by_its_jacobian():
    at, step = np.array([[0.2, 0.3]]), 1e-6
    columns = [
        (bayes.to_sum(at + step * unit) - bayes.to_sum(at - step * unit))[0] / (2 * step)
        for unit in np.eye(2)
    ]
    assert abs(np.linalg.det(columns)) == pytest.approx(1, abs=1e-4)


def test_the_box_constant_is_below_what_the_printed_bound_needs():
    assert bayes.box_constant(0) == pytest.approx(1 / 6)
    assert all(bayes.box_constant(k / 100) < 0.25 for k in range(50))


def test_bounds_of_theorem_2_1_at_known_points():
    assert concentration.cube_bound(0, 0.3) == pytest.approx(0.3)
    assert concentration.cube_bound(0.1, 0.5) < 0.6  # the half-cube
    assert concentration.ball_bound(2, 0.5, 7) == 1
    assert concentration.ball_bound(1, 0.5, 1) == pytest.approx(1 - 2 * 0.75)
    assert concentration.vulnerable(1.0) == 1


def test_the_modulus_refuses_distances_that_the_sphere_has_not():
    assert concentration.modulus(2) == 1
    with pytest.raises(ValueError, match=r"unit sphere, \[0, 2\]; got 2.5"):
        concentration.modulus(2.5)


def test_the_exact_families_are_what_they_say():
    for name, before, _eps, after in concentration.cube_families():
        assert 0 <= before <= after <= 1 + 1e-12, name
    for d, before, eps, after in concentration.ball_families():
        assert before <= after + 1e-12
        assert d > 1 or eps < 2 or after == pytest.approx(1)


def test_the_half_ball_in_two_dimensions():
    # Area of |x_1| < h in the unit disc: 2 (h sqrt(1 - h^2) + arcsin h).
    h = 0.3
    area = 2 * (h * sqrt(1 - h * h) + np.arcsin(h))
    assert concentration.half_ball_error(2, h) == pytest.approx(area / pi)
    assert concentration.half_ball_error(2, 2 * h, radius=2) == pytest.approx(area / pi)


@given(x=st.lists(tenths, min_size=1, max_size=4), eps=radii)
def test_volumes_lie_between_their_limits_and_double_away_from_the_faces(x, eps):
    found = geometry.exact_volume(x, eps)
    assert eps ** len(x) <= found <= (2 * eps) ** len(x)
    if all(eps <= v <= 1 - eps for v in x):
        assert found == (2 * eps) ** len(x)


def test_caps_in_two_and_three_dimensions():
    for h in (-0.7, 0.0, 0.2, 0.9):
        assert geometry.cap(2, h) == pytest.approx(np.arccos(h) / pi)
        assert geometry.cap(3, h) == pytest.approx((1 - h) / 2)
    assert geometry.cap(1, 0.5) == 0.5
    assert geometry.cap(1, -1.5) == 1


def test_the_greatest_margin_is_half_the_linf_distance_of_two_points():
    x = np.array([[0.0, 0.0], [3.0, 1.0]])
    y = np.array([-1, 1])
    assert geometry.max_margin(x, y) == pytest.approx(1.5)
    assert geometry.robustly_separable(x, y, 1.49)
    assert not geometry.robustly_separable(x, y, 1.51)
    assert geometry.max_margin(np.zeros((2, 2)), y) == pytest.approx(0, abs=1e-9)


def test_a_shared_budget_goes_to_one_point():
    margins = np.array([0.5, 3.0])
    best = max(max(0, 0.5 + t) + max(0, -2 + (4 - t)) for t in np.linspace(0, 4, 401))
    assert geometry.coupled_loss(margins, 4.0) == pytest.approx(best)
    # No point loses anything: less than the regularised loss, which Xu et al. therefore exclude.
    assert geometry.coupled_loss(np.array([3.0, 3.0]), 1.0) == 0


def test_a_polytope_is_cut_until_it_is_round_enough():
    normals = geometry.polytope(2, distance=1.1)
    reach = np.linalg.norm(geometry.vertices(normals), axis=1).max()
    assert reach <= 1.1 + 1e-9
    assert len(normals) >= pi / np.arccos(1 / 1.1)  # each edge closes 2 arccos(1/1.1) at most
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)


def test_known_polytopes_hold_the_unit_ball_no_larger_than_they_say():
    found = {name: distance for name, _, _, distance in geometry.known_distances()}
    assert found["4-gon"] == pytest.approx(sqrt(2))
    assert found["6-gon"] == pytest.approx(1 / cos(pi / 6))
    golden = (1 + sqrt(5)) / 2
    dodecahedron = [(0, s * golden, t) for s in (1, -1) for t in (1, -1)]
    normals = np.array([np.roll(v, k) for v in dodecahedron for k in range(3)])
    normals /= np.linalg.norm(normals[0])
    reach = np.linalg.norm(geometry.vertices(normals), axis=1).max()
    assert found["dodecahedron"] == pytest.approx(reach)
    roots = [np.roll([a, b, 0, 0], k) for a in (1, -1) for b in (1, -1) for k in range(4)]
    roots += [np.roll([a, 0, b, 0], k) for a in (1, -1) for b in (1, -1) for k in range(2)]
    roots = np.unique(np.array(roots), axis=0) / sqrt(2)
    assert len(roots) == 24
    reach = np.linalg.norm(geometry.vertices(roots), axis=1).max()
    assert found["24-cell"] == pytest.approx(reach)


def test_pieces_of_a_network_on_the_line():
    w = np.array([1.0, 1.0, 1.0])
    zigzag = geometry.pieces(w, -np.array([0.0, 1.0, 3.0]), np.array([2.0, -4.0, 4.0]), -1.0)
    assert zigzag == (4, 3)  # -1, up to 1, down to -3, up again


def test_interpolated_squares_lie_above_by_a_quarter_step_squared_at_most():
    t = np.linspace(-2, 2, 1001)
    error = geometry.square_by_relu(t, 0.3) - t**2
    assert error.min() >= -1e-12
    assert error.max() <= 0.3**2 / 4 + 1e-12


def test_inter_class_distances_by_hand():
    x = np.array([[0.0], [1.0], [4.0], [6.0]])
    assert geometry.interclass_by_definition(x, np.array([0, 0, 1, 1]), share=0.5) == {0: 3, 1: 3}
    assert geometry.interclass_by_definition(x, np.array([0, 0, 1, 1]), share=1.0) == {
        0: (5 + 4) / 2,
        1: (3.5 + 5.5) / 2,
    }


def test_two_dark_pixels_merge_under_both_kernels_and_not_without():
    first, second = (variants.two_dark_pixels(*p) for p in ((0.2, 0.0), (0.0, 0.2)))
    assert not torch.equal(first, second)
    for kind in ("square", "column"):
        smooth = transforms.Smooth(size=3, kind=kind)
        assert torch.allclose(smooth(first), smooth(second))
        other = variants.two_dark_pixels(0.3, 0.0)
        assert not torch.allclose(smooth(first), smooth(other))


def test_printed_accuracies_are_apart_only_where_their_intervals_are():
    assert variants.apart(98.1, 96.1)
    assert variants.apart(96.1, 98.1)
    assert not variants.apart(98.1, 98.0)
    assert not variants.apart(98.1, 96.1, n=100)


def test_every_repeated_number_has_its_partner():
    where = {w.split()[0] for w, _, _ in variants.repetitions()}
    assert where == {"sens_table1", "sens_table4", "sens_table5", "sens_table7"}


def test_a_damaged_table_is_noticed(monkeypatch):
    def damaged(name):
        rows = papers.printed(name)
        if name == "sens_table2":
            rows[2]["robust_acc"] = "93.3"
        return rows

    monkeypatch.setattr(variants, "printed", damaged)
    assert CHECKS["sens/tables-cross"]().verdict != "HOLDS"


def test_a_broken_formula_is_noticed(monkeypatch):
    monkeypatch.setattr(geometry, "exact_volume", lambda x, eps: (2 * eps) ** len(x))
    assert CHECKS["sens/volume-formula"]().verdict != "HOLDS WITH FIX"
    monkeypatch.setattr(concentration, "cube_bound", lambda eps, p, constant=3: p + 2 * eps)
    assert CHECKS["sens/thm-2.1-cube-1"]().verdict != "HOLDS"
    monkeypatch.setattr(geometry, "cap", lambda n, h: e ** (-n * h * h))
    assert CHECKS["sens/fact-cap"]().verdict != "HOLDS WITH FIX"


def test_every_statement_of_the_paper_has_a_check():
    names = {name for name in papers.statements() if name.startswith("sens/")}
    assert names == {name for name in CHECKS if name.startswith("sens/")}
