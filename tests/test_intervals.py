"""Proportions: the exact interval by its definition, and every image's outcome kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binom, binomtest

from astute import intervals
from astute.intervals import outcomes, proportion


@settings(deadline=None, max_examples=200)
@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_outcomes_come_back_bit_for_bit(bits):
    measured = proportion(bits)
    assert outcomes(measured).tolist() == bits
    assert measured["value"] == sum(bits) / len(bits)
    assert measured["n"] == len(bits)
    assert 0 <= measured["low"] <= measured["value"] <= measured["high"] <= 1


@pytest.mark.parametrize("n", [1, 7, 50, 1000])
def test_the_interval_is_where_either_tail_has_2_5_per_cent(n):
    for k in {0, 1, n // 3, n - 1, n}:
        measured = proportion(np.arange(n) < k)
        if k > 0:
            assert binom.sf(k - 1, n, measured["low"]) == pytest.approx(0.025)
        else:
            assert measured["low"] == 0
        if k < n:
            assert binom.cdf(k, n, measured["high"]) == pytest.approx(0.025)
        else:
            assert measured["high"] == 1
        other = binomtest(k, n).proportion_ci(method="exact")
        assert (measured["low"], measured["high"]) == pytest.approx((other.low, other.high))


def test_none_right_has_the_closed_form():
    assert proportion([False] * 30)["high"] == pytest.approx(1 - 0.025 ** (1 / 30))
    assert proportion([True] * 30)["low"] == pytest.approx(0.025 ** (1 / 30))


@pytest.mark.parametrize("n", [5, 20])
def test_the_interval_covers_every_true_fraction_in_95_per_cent_of_samples(n):
    limits = [proportion(np.arange(n) < k) for k in range(n + 1)]
    for p in np.linspace(0.001, 0.999, 97):
        inside = [limit["low"] <= p <= limit["high"] for limit in limits]
        assert binom.pmf(np.arange(n + 1), n, p)[inside].sum() >= 0.95


def test_the_packing_is_the_documented_one():
    assert proportion([True] + [False] * 7 + [True])["outcomes"] == "gIA="  # bytes 0x80 0x80


def test_an_array_of_booleans_counts_as_the_list():
    assert proportion(np.array([True, False])) == proportion([True, False])


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="a proportion of no images is undefined"):
        proportion([])


def test_a_mean_keeps_what_each_image_contributed():
    values = np.random.default_rng(0).normal(3, 2, 500).astype("<f4")
    m = intervals.mean(values)
    np.testing.assert_array_equal(intervals.numbers(m), values)
    low, high = stats.norm.interval(0.95, values.mean(), values.std(ddof=1) / 500**0.5)
    assert (m["low"], m["high"]) == pytest.approx((low, high), rel=1e-4)
    assert m["n"] == 500


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_a_mean_of_no_numbers_is_refused(values):
    with pytest.raises(ValueError, match="two or more finite numbers"):
        intervals.mean(values)


def test_the_bootstrap_agrees_with_the_normal_interval_of_many_images():
    values = np.random.default_rng(0).normal(1.0, 2.0, 2000)
    low, high = intervals.bootstrap(values)
    normal = intervals.mean(values)
    assert (low, high) == pytest.approx((normal["low"], normal["high"]), abs=0.01)
    assert intervals.bootstrap(values) == (low, high)


def test_the_interval_over_seeds_is_the_t_test_s():
    values = np.random.default_rng(0).normal(size=(4, 3))
    low, high = intervals.student(values)
    truth = stats.ttest_1samp(values, 0, axis=1).confidence_interval()
    np.testing.assert_allclose([low, high], [truth.low, truth.high])


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="two or more"):
        intervals.student([[1.0], [2.0]])
