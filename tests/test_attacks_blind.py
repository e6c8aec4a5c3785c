"""Attacks that ask for no gradient: ball, box, and what they find where gradients say nothing."""

import pytest
import torch

from astute import attacks, losses, robustness
from astute.attacks import Ensemble, Grey, SquareSearch


class Steps(torch.nn.Module):
    """Class 1 where most pixels are brighter than 0.5; the gradient is 0 everywhere."""

    def forward(self, x):
        share = (x > 0.5).to(x.dtype).flatten(1).mean(1) + 0 * x.flatten(1).sum(1)
        return torch.stack([0.5 - share, share - 0.5], 1) * 10


def test_random_squares_break_a_step_function_that_gradients_cannot(generator):
    model, x = Steps().eval(), torch.full((4, 1, 8, 8), 0.45)
    y = torch.zeros(4, dtype=torch.long)
    pgd = attacks.PGD(norm="linf", eps=0.1, step_size=0.02, steps=20, random_start=False)
    assert not attacks.fooled(model, pgd(model, x, y), y).any()
    found = SquareSearch(eps=0.1, queries=200)(model, x, y, generator)
    assert attacks.fooled(model, found, y).all()


@pytest.mark.parametrize("attack", [SquareSearch(eps=0.3, queries=30), Grey(eps=0.3)])
def test_what_comes_back_lies_in_ball_and_box(attack, generator):
    x = torch.rand(5, 2, 6, 7, generator=generator)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(84, 3)).eval()
    y = model(x).argmax(1)
    found = attack(model, x, y, generator)
    assert found.shape == x.shape
    assert (found - x).abs().max() <= 0.3 + 1e-6
    assert 0 <= found.min() <= found.max() <= 1


def test_on_a_linear_model_the_search_never_beats_the_optimum_and_comes_near(generator):
    """The least margin over the ball is known: margin minus eps times the l1 norm of w."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2, bias=False)).eval()
    w = torch.linspace(0.1, 1, 16)
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([w, -w]))
    x, y = torch.full((1, 1, 4, 4), 0.5), torch.tensor([0])
    best = 2 * (w.sum() * 0.5 - 0.1 * w.sum())
    found = SquareSearch(eps=0.1, queries=400)(model, x, y, generator)
    least = (model(found)[0, 0] - model(found)[0, 1]).item()
    assert best - 1e-5 <= least <= best + 1e-5


def test_no_model_is_right_on_more_than_one_class_when_all_is_grey():
    x = (torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    y = torch.arange(30) % 3
    grey = Grey(eps=0.5)(None, x, y)
    assert (grey == 0.5).all()
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 3)).eval()
    assert (robustness.predict(model, grey) == y).float().mean() <= 1 / 3


def test_both_can_be_members_of_an_ensemble(generator):
    attack = Ensemble(
        norm="linf", eps=0.1, members=(Grey(eps=0.1), SquareSearch(eps=0.1, queries=200))
    )
    x, y = torch.full((2, 1, 8, 8), 0.45), torch.zeros(2, dtype=torch.long)
    assert attacks.fooled(Steps().eval(), attack(Steps().eval(), x, y, generator), y).all()


@pytest.mark.parametrize("wrong", [{"queries": 0}, {"queries": 5, "share": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="queries is at least 1 and share a fraction"):
        SquareSearch(eps=0.1, **wrong)


def test_no_image_comes_back_with_a_greater_margin_than_it_went_in_with(generator):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 3)).eval()
    x = torch.rand(20, 1, 6, 6, generator=generator)
    y = model(x).argmax(1)
    found = SquareSearch(eps=0.01, queries=1)(model, x, y, generator)
    assert (losses.margin(model(found), y) <= losses.margin(model(x), y)).all()
    assert (found == x).flatten(1).all(1).any()  # stripes make some images easier: left out
