"""Norm balls: nearest points, steepest steps and uniform draws, by their definitions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from astute import norms

NORM = st.sampled_from(norms.NORMS)
SEED = st.integers(0, 10**6)
EPS = st.just(0.0) | st.floats(1e-6, 1)  # no radius is so small that its square vanishes
DUAL = {"linf": 1, "l2": 2}


def made(seed, n=3, shape=(2, 4, 5), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=generator, dtype=dtype)


def test_size_is_taken_image_by_image():
    delta = torch.zeros(2, 1, 2, 2)
    delta[0, 0, 0] = torch.tensor([3.0, -4.0])
    assert norms.size(delta, "l2").tolist() == [5, 0]
    assert norms.size(delta, "linf").tolist() == [4, 0]


@settings(deadline=None, max_examples=40)
@given(SEED, NORM, EPS)
def test_projection_is_the_nearest_point_of_the_ball(seed, norm, eps):
    delta = made(seed)
    nearest = norms.project(delta, norm, eps)
    assert (norms.size(nearest, norm) <= eps + 1e-12).all()
    distance = norms.size(delta - nearest, "l2")
    points = norms.random_point(
        torch.zeros(200, 2, 4, 5, dtype=torch.float64),
        norm,
        eps,
        torch.Generator().manual_seed(seed),
    )
    # Random points of the ball, and points between them and the projection: closer rivals.
    for share in (1, 0.01):
        rivals = (1 - share) * nearest[:, None] + share * points
        others = (delta[:, None] - rivals).flatten(2).norm(dim=2)
        assert (others >= distance[:, None] - 1e-9).all()


@settings(deadline=None, max_examples=40)
@given(SEED, NORM, EPS)
def test_a_point_of_the_ball_is_its_own_projection(seed, norm, eps):
    delta = norms.random_point(made(seed), norm, eps, torch.Generator().manual_seed(seed))
    assert torch.allclose(norms.project(delta, norm, eps), delta, rtol=1e-12, atol=0)


@settings(deadline=None, max_examples=40)
@given(SEED, NORM)
def test_ascent_attains_the_dual_norm_and_no_unit_step_beats_it(seed, norm):
    gradient = made(seed)
    step = norms.ascent(gradient, norm)
    assert torch.allclose(norms.size(step, norm), torch.ones(3, dtype=torch.float64))
    gain = (gradient * step).flatten(1).sum(1)
    assert torch.allclose(gain, gradient.flatten(1).norm(p=DUAL[norm], dim=1))
    others = norms.random_point(
        torch.zeros(200, 2, 4, 5, dtype=torch.float64),
        norm,
        1,
        torch.Generator().manual_seed(seed),
    )
    assert ((gradient[:, None] * others).flatten(2).sum(2) <= gain[:, None]).all()


@pytest.mark.parametrize("norm", norms.NORMS)
@pytest.mark.parametrize("function", [norms.ascent, lambda g, n: norms.project(g, n, 0.3)])
def test_where_all_is_flat_nothing_moves(norm, function):
    assert (function(torch.zeros(2, 1, 3, 3), norm) == 0).all()


@pytest.mark.parametrize("norm", norms.NORMS)
def test_tiny_gradients_still_give_a_whole_step(norm):
    step = norms.ascent(torch.full((1, 1, 2, 2), 1e-30), norm)
    assert norms.size(step, norm).item() == pytest.approx(1)


@pytest.mark.parametrize("norm", norms.NORMS)
def test_a_radius_of_zero_leaves_one_point(norm, generator):
    delta = made(0)
    assert (norms.project(delta, norm, 0) == 0).all()
    assert (norms.random_point(delta, norm, 0, generator) == 0).all()


@pytest.mark.parametrize("norm", norms.NORMS)
def test_random_points_fill_the_ball_evenly(norm, generator):
    """In D dimensions the share of a ball within a fraction s of its radius is s^D."""
    x = torch.zeros(4000, 1, 1, 3, dtype=torch.float64)
    delta = norms.random_point(x, norm, 0.5, generator)
    share = (norms.size(delta, norm) / 0.5) ** 3
    assert share.max() <= 1 + 1e-12
    assert kstest(share.numpy(), "uniform").pvalue > 1e-3
    # No direction is preferred: each coordinate is symmetric and as wide as the others.
    variance = {"linf": 0.25 / 3, "l2": 0.25 / 5}[norm]
    assert delta.flatten(1).mean(0).abs().max() < 5 * math.sqrt(variance / 4000)
    assert torch.allclose(
        delta.flatten(1).T.cov(), variance * torch.eye(3).double(), atol=0.1 * variance
    )


@pytest.mark.parametrize("norm", norms.NORMS)
def test_chance_comes_from_the_generator_alone(norm):
    draw = lambda: norms.random_point(made(0), norm, 0.1, torch.Generator().manual_seed(7))  # noqa: E731
    first = draw()
    torch.rand(1)
    assert torch.equal(draw(), first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", norms.NORMS)
def test_dtype_follows_the_input_and_arguments_stay(norm, dtype, generator):
    delta = made(3, dtype=dtype)
    before = delta.clone()
    results = (
        norms.project(delta, norm, 0.1),
        norms.ascent(delta, norm),
        norms.random_point(delta, norm, 0.1, generator),
        norms.size(delta, norm),
    )
    assert {result.dtype for result in results} == {dtype}
    assert torch.equal(delta, before)


@pytest.mark.parametrize("norm", norms.NORMS)
def test_no_images_are_no_trouble(norm, generator):
    none = torch.zeros(0, 1, 2, 2)
    assert norms.project(none, norm, 0.1).shape == none.shape
    assert norms.random_point(none, norm, 0.1, generator).shape == none.shape


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm is one of linf, l2; got 'l1'"):
        norms.size(torch.zeros(1, 2), "l1")


@pytest.mark.parametrize("function", [norms.project, norms.random_point])
def test_a_radius_in_8_bit_levels_is_refused(function):
    with pytest.raises(ValueError, match=r"pixel units, \[0, 1\]; got 8. .*write 8 / 255"):
        function(torch.zeros(1, 2), "linf", 8)


@pytest.mark.parametrize("eps", [-0.1, math.nan])
@pytest.mark.parametrize("norm", norms.NORMS)
def test_a_radius_that_is_no_length_is_refused(norm, eps):
    with pytest.raises(ValueError, match="eps is in pixel units"):
        norms.check(norm, eps)
