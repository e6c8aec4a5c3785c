"""Planted parts are what they are called; linear fits and norms by a second way."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from astute.runs import idio
from astute.theory.idio import lemmas

# ---- planted parts


def test_planted_parts_are_what_their_names_say():
    made = idio.parts.Planted(crosses=0.5)(40, seed=1)
    x = made["G"] + made["D"] + made["S"]
    assert x.shape == (40, 1, 12, 12)
    assert 0 <= x.min() <= x.max() <= 1
    assert made["D"].abs().max() == pytest.approx(0.05)
    assert made["S"].abs().max() <= 0.02
    assert (made["G"] * made["D"]).sum((1, 2, 3)).abs().max() < 1e-5  # the board is orthogonal
    bars = made["G"][made["bar"]]
    assert (bars.transpose(2, 3) != bars).flatten(1).any(1).all()
    assert torch.equal(made["G"][~made["bar"]].transpose(2, 3), made["G"][~made["bar"]])
    sign = made["D"][:, 0, 0, 0] > 0
    assert torch.equal(sign, made["y"] == 1)


def test_parts_that_would_leave_the_box_are_refused():
    with pytest.raises(ValueError, match=r"may reach 0.2, or pixels leave \[0, 1\]; got 0.3"):
        idio.parts.Planted(board=0.2, noise=0.1)


# ---- linear models


def test_linear_fits_are_the_exact_ones():
    x, t = [(11,), (9,), (-11,), (-9,)], [10, 10, -10, -10]
    floats = np.array(x, float), np.array(t, float)
    assert idio.parts._least_squares(*floats) == pytest.approx(100 / 101)
    ((exact,),) = lemmas.least_absolute(x, t)
    assert exact == Fraction(10, 11)
    assert idio.parts._least_absolute(*floats) == pytest.approx(10 / 11)


def test_the_penalty_is_the_mean_square_and_the_mean_size_of_x_d():
    x, t, d = np.array([[2.0], [-2.0]]), np.array([6.0, -6.0]), np.array([[1.0], [-1.0]])
    # mean (2 w - 6)² + w² and mean |2 w - 6| + w
    assert idio.parts._least_squares(x, t, d) == pytest.approx(12 / 5)
    assert idio.parts._least_absolute(x, t, d) == pytest.approx(3)
    assert idio.parts._least_absolute(x, t, 3 * d) == pytest.approx(0)  # 3 w outweighs 2 w


def test_training_with_independent_noise_is_training_with_the_penalty():
    run = idio.parts.LinearNorms(examples=20_000)
    g, d, t = run._drawn("noise", np.random.default_rng(0))
    noisy, penalised = idio.parts._least_squares(g + d, t), idio.parts._least_squares(g, t, d)
    assert np.allclose(noisy, penalised, atol=0.01)
    g, d, t = run._drawn("along", np.random.default_rng(0))
    both = idio.parts._least_squares(g + d, t)
    assert np.allclose(1.1 * both, idio.parts._least_squares(g, t), atol=1e-3)


def test_norms_are_kept_for_every_case_loss_and_fit():
    run = idio.parts.LinearNorms(examples=30, draws=2)
    rows = idio.parts.norms([(run, {"status": "ok", "result": run.measure(None)})])
    assert len(rows) == 8
    for row in rows:
        lists = [v for v in row.values() if isinstance(v, list)]
        assert [len(v) for v in lists] == [2] * 8
        assert all(a >= b for a, b in zip(row["x_G: l1"], row["x_G: l2"], strict=True))
