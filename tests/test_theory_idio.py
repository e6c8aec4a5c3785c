"""The exact tools behind the checks of the idiosyncrasy paper, and checks that can fail."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from astute import papers
from astute.theory import CHECKS, idio

numbers = st.integers(-9, 9)


def rows(columns):
    return st.lists(st.tuples(*[numbers] * columns), min_size=4, max_size=6)


@settings(max_examples=60, deadline=None)
@given(x=rows(2), data=st.data())
def test_least_squares_agrees_with_numpy_or_says_that_it_is_not_unique(x, data):
    t = data.draw(st.lists(numbers, min_size=len(x), max_size=len(x)))
    if np.linalg.matrix_rank(np.array(x)) < 2:
        with pytest.raises(ValueError, match="the minimiser is not unique"):
            idio.lemmas.least_squares(x, t)
        return
    expected = np.linalg.lstsq(np.array(x, float), np.array(t, float), rcond=None)[0]
    found = [float(v) for v in idio.lemmas.least_squares(x, t)]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(x=rows(2), data=st.data())
def test_no_theta_is_better_than_the_vertices(x, data):
    t = data.draw(st.lists(numbers, min_size=len(x), max_size=len(x)))
    found = idio.lemmas.least_absolute(x, t)
    if not found:
        return
    losses = {idio.lemmas.absolute_loss(theta, x, t) for theta in found}
    assert len(losses) == 1
    assert float(losses.pop()) == pytest.approx(idio.lemmas.least_absolute_by_lp(x, t), abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(
    matrix=st.lists(st.tuples(*[numbers] * 3), min_size=3, max_size=3), x=st.tuples(*[numbers] * 3)
)
def test_solve_undoes_a_product_or_says_that_it_cannot(matrix, x):
    found = idio.lemmas.solve(matrix, [idio.lemmas.dot(row, x) for row in matrix])
    if round(float(np.linalg.det(np.array(matrix, float)))) == 0:
        assert found is None
    else:
        assert found == x


def test_a_median_of_an_even_number_of_points_has_two_vertices():
    assert idio.lemmas.least_absolute([(1,), (1,)], [0, 2]) == [(0,), (2,)]


@pytest.mark.parametrize(
    ("data", "fit", "expected"),
    [
        (idio.lemmas.ALONG, idio.lemmas.least_squares, (1, Fraction(101, 100))),
        (idio.lemmas.ALONG, idio.lemmas.least_absolute, (1, Fraction(101, 100))),
        (idio.lemmas.NOISE, idio.lemmas.least_squares, (Fraction(10000, 10001), 1)),
        (idio.lemmas.NOISE, idio.lemmas.least_absolute, (Fraction(100, 101), 1)),
        (idio.lemmas.AGAINST, idio.lemmas.least_squares, (1, Fraction(99, 100))),
    ],
)
def test_both_lemmas_fail_in_numbers_done_by_hand(data, fit, expected):
    assert idio.lemmas.trained(data, fit) == expected
    assert sum(d for _, d, _ in data) == 0


@settings(max_examples=60, deadline=None)
@given(g=rows(1), d=rows(1), data=st.data())
def test_a_penalty_shrinks_the_model_that_is_trained_with_it(g, d, data):
    """The exchange argument, by grid search: the reverse of what the lemmas say."""
    n = min(len(g), len(d))
    t = data.draw(st.lists(numbers, min_size=n, max_size=n))
    grid = [(Fraction(k, 4),) for k in range(-40, 41)]
    loss = {a: idio.lemmas.absolute_loss(a, g[:n], t) for a in grid}
    penalty = {a: idio.lemmas.absolute_loss(a, d[:n], [0] * n) for a in grid}
    with_penalty = min(grid, key=lambda a: loss[a] + penalty[a])
    assert penalty[with_penalty] <= penalty[min(grid, key=loss.get)]


@settings(max_examples=40, deadline=None)
@given(
    x=st.fractions(-3, 3, max_denominator=8),
    c=st.fractions(Fraction(1, 8), 3, max_denominator=8),
    low=st.fractions(-3, 3, max_denominator=8),
    width=st.fractions(0, 3, max_denominator=8),
)
def test_the_share_under_noise_is_what_a_fine_grid_counts(x, c, low, width):
    plus = [(low, low + width)]
    score, clean = idio.equations.score(plus, [(x, 1)], c)
    grid = np.linspace(float(x - c), float(x + c), 20_001)
    share = np.mean((grid >= float(low)) & (grid < float(low + width)))
    assert float(score + clean) == pytest.approx(share, abs=2e-4)
    assert clean in (0, 1)


def test_the_counterexample_to_remark_1_by_hand():
    half, made = Fraction(1, 2), idio.equations
    assert made.score(made.STEADY, made.REMARK, half) == (0, 1)
    assert made.score(made.FICKLE, made.REMARK, half) == (
        Fraction(-5, 24),
        Fraction(2, 3),
    )
    at_semantic = [any(a <= 0 < b for a, b in plus) for plus in (made.STEADY, made.FICKLE)]
    assert at_semantic == [True, True]
    assert half <= max(abs(d) for d, _ in made.REMARK)


@settings(max_examples=100, deadline=None)
@given(says=st.lists(st.booleans(), min_size=11, max_size=11), data=st.data())
def test_robust_accuracy_never_exceeds_accuracy_on_the_semantic_part(says, data):
    """The ceiling, with a semantic part of its own for each point."""
    points = data.draw(
        st.lists(st.tuples(st.integers(2, 8), st.integers(-2, 2), st.booleans()), min_size=1)
    )
    robust = sum(
        all(says[g + d + e] == y for e in range(-2, 3) if 0 <= g + d + e < 11) for g, d, y in points
    )
    assert robust <= sum(says[g] == y for g, _, y in points)


def test_the_worst_case_of_a_world_is_found_by_brute_force():
    models = idio.equations._worlds(5)
    clean, mean, worst = idio.equations._accuracies(models, [(2, 1), (3, -1)], (-1, 0, 1))
    for says, c, m, w in zip(models, clean, mean, worst, strict=True):
        right = [[says[x + s] == (y > 0) for s in (-1, 0, 1)] for x, y in ((2, 1), (3, -1))]
        assert c == np.mean([row[1] for row in right])
        assert m == pytest.approx(np.mean(right))
        assert w == np.mean([all(row) for row in right])


def test_the_farthest_point_is_at_least_half_a_diameter_away():
    for points in product(range(0, 9, 2), repeat=3):
        for x in points:
            far = idio.equations.farthest(x, points)
            assert 2 * abs(x - far[0]) >= max(points) - min(points)


def test_relative_mce_of_a_model_against_itself_is_1_and_needs_drops():
    low = [[0.25, 0.125]] * 3
    assert idio.scores.relative_mce(0.5, low, 0.5, low) == 1
    with pytest.raises(ZeroDivisionError):
        idio.scores.relative_mce(0.5, low, 0.5, [[0.5, 0.5]] * 3)


def test_a_model_that_resists_scores_less():
    scores = [idio.scores.distance_score(["failed"] * k + [4] * (3 - k)) for k in range(4)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0
    assert idio.scores.distance_score([]) == 0


def test_categories_taken_alike_give_back_a_table_made_that_way(monkeypatch):
    """RmCE from category means is RmCE, if all corruptions of a category are the same."""
    base = {"acc_noise": 0.1, "acc_blur": 0.2, "acc_weather": 0.3, "acc_digital": 0.4}
    own = {key: value / 2 for key, value in base.items()}
    table = {
        "AlexNet": base | {"accuracy_coordinate": 0.0},
        "x": own | {"accuracy_coordinate": 0.2},
    }
    monkeypatch.setattr(idio.scores, "figure_2", lambda: table)
    expand = [
        [[row[key]] for key, n in idio.scores.CATEGORIES.items() for _ in range(n)]
        for row in (own, base)
    ]
    alexnet = idio.scores.ALEXNET
    expected = 1 - idio.scores.relative_mce(1.2 * alexnet, expand[0], alexnet, expand[1])
    assert idio.scores.category_robustness("x") == pytest.approx(expected)


def test_the_least_move_reproduces_both_printed_coordinates():
    found = idio.scores._least_move()
    rows, moves = idio.scores.figure_2(), found.x[:15]
    reference = papers.printed("reference_alexnet_imagenet_c")
    drop = [idio.scores.ALEXNET - 1 + float(r["alexnet_mean_error"]) for r in reference]
    clean = idio.scores.ALEXNET * (0.148 - 0.151)
    change = -np.mean([(clean - m) / d for m, d in zip(moves, drop, strict=True)])
    assert change == pytest.approx(-0.112 - 0.022, abs=1e-9)
    for column in idio.scores.CATEGORIES:
        own = [m for m, r in zip(moves, reference, strict=True) if f"acc_{r['category']}" == column]
        difference = rows["ResNet(M1P25)"][column] - rows["ResNet18"][column]
        assert np.mean(own) == pytest.approx(difference, abs=1e-9)
    assert max(abs(moves)) == pytest.approx(found.fun, abs=1e-9)


# Broken tools are noticed


def verdict(name):
    return CHECKS[name]().verdict


def test_a_fit_that_forgets_x_d_is_noticed(monkeypatch):
    monkeypatch.setattr(idio.lemmas, "trained", lambda data, fit: (Fraction(1), Fraction(1)))
    assert verdict("idio/lemma-1") == "open"
    assert verdict("idio/lemma-2") != "FALSE AS PRINTED"


def test_a_shrinking_theorem_that_fails_once_is_open(monkeypatch):
    monkeypatch.setattr(idio.lemmas, "_ridge_shrinks", lambda *_: False)
    assert verdict("idio/lemma-2") == "open"


def test_a_linear_program_that_disagrees_is_noticed(monkeypatch):
    monkeypatch.setattr(idio.lemmas, "least_absolute_by_lp", lambda x, t: 1e9)
    assert verdict("idio/lemma-1") == "open"


def test_a_removal_that_removes_nothing_is_noticed(monkeypatch):
    monkeypatch.setattr(idio.lemmas.pruning.methods, "_share", lambda p, count: 0)
    assert verdict("idio/M1-norms") == "open"


def test_singular_values_that_stay_are_noticed(monkeypatch):
    kept = lambda weight, p: weight.detach().clone()  # noqa: E731
    monkeypatch.setattr(idio.lemmas.pruning.methods, "_low_rank", kept)
    assert verdict("idio/M2-frobenius") == "open"


def test_a_score_that_counts_failures_fairly_would_hold(monkeypatch):
    honest = idio.scores.distance_score
    monkeypatch.setattr(
        idio.scores, "distance_score", lambda o, failure=0: honest(o, failure=failure or 9)
    )
    assert verdict("idio/distance-score") != "FALSE AS PRINTED"


def test_accuracy_that_counts_one_perturbation_for_all_is_noticed(monkeypatch):
    honest = idio.equations._accuracies

    def careless(classifiers, data, shifts):
        clean, mean, _ = honest(classifiers, data, shifts)
        return clean, mean, mean

    monkeypatch.setattr(idio.equations, "_accuracies", careless)
    assert verdict("idio/remark-1") == "open"
    assert verdict("idio/eq-4-range") == "open"


def test_a_solver_that_stops_early_is_noticed(monkeypatch):
    honest = optimize.linprog

    def careless(*args, **kwargs):
        found = honest(*args, **kwargs)
        found.fun *= 2
        return found

    monkeypatch.setattr(idio.equations.optimize, "linprog", careless)
    assert verdict("idio/tsipras-example") != "HOLDS"
