"""Perturbable volume against closed forms and a Monte-Carlo count."""

import math

import pytest
import torch

from astute import volume


def test_corners_and_mid_grey_reach_the_printed_limits():
    corners = torch.randint(0, 2, (3, 1, 28, 28)).float()
    grey = torch.full((1, 1, 28, 28), 0.5)
    assert volume.log2_volume(corners, 0.3).tolist() == pytest.approx([784 * math.log2(0.3)] * 3)
    assert volume.log2_volume(grey, 0.3).item() == pytest.approx(784 * math.log2(0.6))
    assert math.trunc(784 * math.log2(0.3)) == -1361  # the limits that table 6 prints
    assert math.trunc(784 * math.log2(0.6)) == -577


def test_it_is_the_share_of_the_ball_that_lies_in_the_box(generator):
    x, eps = torch.tensor([[[[0.05, 0.4], [0.9, 1.0]]]]), 0.2
    delta = (2 * torch.rand(200_000, 4, generator=generator) - 1) * eps
    inside = ((x.flatten() + delta >= 0) & (x.flatten() + delta <= 1)).all(1).double().mean()
    share = 2 ** volume.log2_volume(x, eps).item() / (2 * eps) ** 4
    assert inside.item() == pytest.approx(share, abs=4 * (share * (1 - share) / 200_000) ** 0.5)


def test_an_eps_in_eight_bit_levels_is_refused():
    with pytest.raises(ValueError, match="pixel units"):
        volume.log2_volume(torch.zeros(1, 1, 2, 2), 8)
