"""The tools behind the checks of Yang et al., and checks that can fail."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from astute.theory import CHECKS, closer


@settings(max_examples=40, deadline=None)
@given(gap=st.floats(0.1, 5), slope=st.floats(0.1, 3), distance=st.floats(0, 1))
def test_the_least_difference_is_the_gap_less_twice_the_slope(gap, slope, distance):
    found = closer.theorems.worst_difference(gap, slope, distance)
    assert found == pytest.approx(gap - 2 * slope * distance, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    own=st.integers(0, 8),
    gap=st.integers(8, 16),
    moves=st.tuples(st.integers(-4, 4), st.integers(-4, 4)),
)
def test_no_scores_that_satisfy_both_conditions_are_below_it(own, gap, moves):
    """Quarters: score differences of at least 2, moves of at most 1."""
    difference = (own + gap + moves[0]) - (own + moves[1])
    assert Fraction(difference, 4) >= Fraction(closer.theorems.worst_difference(gap / 4, 1, 1))


def test_ties_go_where_they_are_told():
    assert closer.theorems.least((1, 1, 2)) == 0
    assert closer.theorems.least((1, 1, 2), ties="last") == 1


def test_one_number_of_255_fits_three_printed_digits():
    assert closer.tables.levels("0.737") == [188]
    assert closer.tables.levels("0.5") == []
    for k in range(256):
        assert closer.tables.levels(f"{k / 255:.3f}") == [k]


def test_settings_group_ten_networks_and_keep_what_is_printed():
    found = closer.tables.settings("closer_lipschitz")
    assert [len(networks) for networks in found.values()] == [10] * 4
    first = found["MNIST CNN1"][0]
    assert first[0] == "Natural"
    assert first[1]["test_lipschitz"] == 67.25
    dropout = closer.tables.settings("closer_dropout")["SVHN"]
    assert sum("gap" not in row for _, row in dropout) == 2  # lost in the text


def test_the_attack_turns_what_lies_beyond_r_and_nothing_below():
    x = torch.tensor([[0], [100], [200]], dtype=torch.uint8)
    y = torch.tensor([0, 1, 0])
    images = torch.tensor([0, 1, 2])
    below, slope, _ = closer.theorems._attacked(x, y, 50 / 255, images, 49 / 255)
    assert below == 0
    assert slope == pytest.approx(1 / 50)  # 1 / r, by level
    beyond, *_ = closer.theorems._attacked(x, y, 50 / 255, images, 60 / 255)
    assert beyond == 3


# Broken tools are noticed


def verdict(name):
    return CHECKS[name]().verdict


def test_a_linear_program_without_a_condition_is_noticed(monkeypatch):
    monkeypatch.setattr(
        closer.theorems, "worst_difference", lambda gap, slope, distance: float(gap)
    )
    assert verdict("closer/thm-1") == "open"


def test_a_classifier_that_is_not_a_distance_is_noticed(monkeypatch):
    honest = closer.theorems.separation.DistanceClassifier.__call__
    monkeypatch.setattr(
        closer.theorems.separation.DistanceClassifier,
        "__call__",
        lambda self, x: honest(self, x) ** 2,
    )
    assert verdict("closer/thm-2") == "open"


def test_an_attack_that_does_nothing_is_noticed(monkeypatch):
    monkeypatch.setattr(
        closer.theorems.separation, "towards", lambda x, z, eps, away=None: x.clone()
    )
    assert verdict("closer/thm-2") != "HOLDS WITH FIX"


def test_a_divergence_with_its_sides_exchanged_is_noticed(monkeypatch):
    honest = closer.theorems.losses.kl
    monkeypatch.setattr(closer.theorems.losses, "kl", lambda p, q: honest(q, p))
    assert verdict("closer/objectives") == "open"


def changed(monkeypatch, name, change):
    """Let one printed table be read with a cell changed."""
    honest = closer.tables.printed

    def printed(table):
        found = honest(table)
        return [change(dict(row)) for row in found] if table == name else found

    monkeypatch.setattr(closer.tables, "printed", printed)


def test_a_gap_that_is_off_by_more_than_rounding_is_noticed(monkeypatch):
    def change(row):
        return row | ({"gap": "9.99"} if row["method"] == "GR" else {})

    changed(monkeypatch, "closer_generalization", change)
    assert verdict("closer/tables-gap") == "FALSE AS PRINTED"


def test_a_separation_below_2_eps_is_noticed(monkeypatch):
    def change(row):
        return row | ({"min_test_train_separation": "0.055"} if row["dataset"] == "SVHN" else {})

    changed(monkeypatch, "closer_separation", change)
    assert verdict("closer/table-separation") == "open"


@pytest.mark.parametrize(
    ("claim", "method", "parameter"),
    [("lipschitz-1", "AT", ""), ("lipschitz-2", "TRADES", "beta=6")],
)
def test_another_exception_among_lipschitz_values_is_noticed(monkeypatch, claim, method, parameter):
    def change(row):
        own = (row["method"], row["parameter"]) == (method, parameter)
        return row | ({"test_lipschitz": "99999"} if own else {})

    changed(monkeypatch, "closer_lipschitz", change)
    assert verdict(f"closer/claim-{claim}") == "open"


def test_a_correlation_of_the_other_sign_is_noticed(monkeypatch):
    def change(row):
        return row | {"adv_test_acc": row["test_lipschitz"]}

    changed(monkeypatch, "closer_lipschitz", change)
    assert verdict("closer/claim-lipschitz-3") == "FALSE AS PRINTED"


def test_a_wider_gap_with_dropout_is_noticed(monkeypatch):
    def change(row):
        return row | ({"gap": "50"} if row["dropout"] == "True" and row["gap"] else {})

    changed(monkeypatch, "closer_dropout", change)
    assert verdict("closer/claim-dropout") == "open"
