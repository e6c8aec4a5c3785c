"""Margins, probabilities and losses of a model that returns what it is given."""

import math

import pytest
import torch
from torch import nn

from astute import margins


class Echo(nn.Module):
    """Logits are fixed multiples of the image's one pixel: (N, 1, 1, 1) -> (N, 3)."""

    def forward(self, x):
        return x.flatten(1) * torch.tensor([[1.0, 0.0, -2.0]])


@pytest.fixture
def model():
    return Echo().eval()


X = torch.tensor([0.0, 1.0, 0.5, 1.0]).view(-1, 1, 1, 1)
Y = torch.tensor([0, 0, 1, 2])


def test_the_margin_is_the_label_minus_the_best_other(model):
    found = margins.collect(model, X, Y)
    assert found.margins.tolist() == [0.0, 1.0, -0.5, -3.0]


def test_the_probability_is_the_softmax_and_the_loss_its_logarithm(model):
    found = margins.collect(model, X, Y)
    total = math.e + 1 + math.exp(-2)
    assert found.probabilities[1].item() == pytest.approx(math.e / total)
    assert found.losses[3].item() == pytest.approx(2 + math.log(total))


def test_a_positive_margin_is_a_right_prediction(model):
    x = torch.rand(50, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    y = torch.arange(50) % 3
    assert torch.equal(margins.collect(model, x, y).margins > 0, model(x).argmax(1) == y)


def test_batches_do_not_matter(model):
    whole, parts = margins.collect(model, X, Y), margins.collect(model, X, Y, batch_size=3)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_a_summary_has_the_moments_quantiles_and_counts():
    values = torch.arange(101.0) - 50
    found = margins.summary(values, edges=[-20, 0, 20])
    assert (found["n"], found["mean"], found["inter_decile"]) == (101, 0.0, 80.0)
    assert found["std"] == pytest.approx(math.sqrt((101**2 - 1) / 12))
    assert found["quantiles"] == [-50, -49, -40, -25, 0, 25, 40, 49, 50]
    assert found["counts"] == [50, 51]  # what lies beyond the edges counts in the last bins


def test_loss_variation_is_the_mean_and_spread_of_the_change_in_loss(model):
    def attack(model, x, y, generator):
        return 1 - x  # some losses rise, some fall

    found = margins.loss_variation(model, X, Y, attack, batch_size=3)
    before, after = margins.collect(model, X, Y).losses, margins.collect(model, 1 - X, Y).losses
    change = (after - before).abs()
    assert found["n"] == 4
    assert found["mean"] == pytest.approx(change.mean().item())
    assert found["std"] == pytest.approx(change.std(correction=0).item())


def test_without_an_attack_no_loss_changes(model):
    found = margins.loss_variation(model, X, Y, lambda model, x, y, generator: x)
    assert (found["mean"], found["std"]) == (0, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": Echo()}, "evaluation mode"),
        ({"y": torch.tensor([0, 0, 1, 3])}, r"labels lie in 0\.\.2"),
        ({"y": Y.float()}, "integers, one an image"),
        ({"x": X + 1}, "Divide 8-bit levels by 255"),
        ({"x": X[:0], "y": Y[:0]}, "empty set"),
        ({"model": nn.Sequential(Echo(), nn.Threshold(0.5, math.nan)).eval()}, "NaN logits"),
    ],
)
def test_what_cannot_be_measured_is_refused(model, change, words):
    with pytest.raises(ValueError, match=words):
        margins.collect(**({"model": model, "x": X, "y": Y} | change))
