"""The distance score on a model whose answers are known."""

import math

import pytest
import torch
from torch import nn

from astute import scores


@pytest.fixture
def model():
    """Class 1 where the first of four pixels is above a half."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    model[1].weight.data = torch.tensor([[0.0] * 4, [4.0, 0, 0, 0]])
    model[1].bias.data = torch.tensor([0.0, -2.0])
    return model.eval()


def test_every_kind_of_outcome_counts_as_the_definition_says(model):
    x = torch.zeros(5, 1, 2, 2)
    y = torch.tensor([0, 0, 0, 1, 1])
    x_adv = x.clone()
    x_adv[0, 0, 0, 0] = 0.75  # turned
    x_adv[1] = 0.75  # turned, from farther
    x_adv[2, 0, 1, 1] = 1.0  # far, and not turned
    x_adv[3, 0, 0, 0] = 0.75  # wrong as it was, right now
    x_adv[4, 0, 0, 1] = 0.5  # wrong before and after
    found = scores.outcomes(model, x, y, x_adv)
    assert found.right.tolist() == [True, True, True, False, False]
    assert found.fooled.tolist() == [True, True, False, False, False]
    assert found.largest == 2.0
    summary = scores.distance_scores(found)
    d = [0.75**2, 4 * 0.75**2, 0, 0, 0]
    assert summary["score"] == pytest.approx(sum(d) / 5)
    assert summary["score_levels"] == pytest.approx(65025 * sum(d) / 5)
    assert summary["mean_of_successes"] == pytest.approx(sum(d) / 2)
    assert summary["success_rate"]["value"] == pytest.approx(2 / 3)
    assert summary["median_distance"] == 0.75  # of 0, 0, 0.75, 1.5 and 2


def test_a_model_that_is_never_fooled_scores_nothing_but_has_the_greatest_median(model):
    x, y = torch.zeros(3, 1, 2, 2), torch.zeros(3).long()
    summary = scores.distance_scores(scores.outcomes(model, x, y, x))
    assert summary["score"] == 0
    assert summary["mean_of_successes"] is None
    assert summary["success_rate"]["value"] == 0
    assert summary["median_distance"] == math.sqrt(4)
    wrong = scores.distance_scores(scores.outcomes(model, x, 1 - y, x))
    assert wrong["score"] == wrong["median_distance"] == 0
    assert wrong["success_rate"] is None


def test_what_has_no_score_is_refused(model):
    x, y = torch.zeros(2, 1, 2, 2), torch.zeros(2).long()
    with pytest.raises(ValueError, match="no images"):
        scores.outcomes(model, x[:0], y[:0], x[:0])
    with pytest.raises(
        ValueError, match=r"attacked image of its shape; got \(2, 1, 2, 2\), \(1,\)"
    ):
        scores.outcomes(model, x, y[:1], x)
    with pytest.raises(ValueError, match="Divide 8-bit levels"):
        scores.outcomes(model, x, y, x + 9)
    with pytest.raises(ValueError, match="evaluation mode"):
        scores.outcomes(model.train(), x, y, x)


def test_the_kept_distance_is_the_area_under_the_robust_accuracy_curve():
    generator = torch.Generator().manual_seed(0)
    distance = 3 * torch.rand(50, generator=generator).double()
    right = torch.rand(50, generator=generator) < 0.9
    fooled = right & (torch.rand(50, generator=generator) < 0.7)
    found = scores.Outcomes(distance, right, fooled, 28.0)
    stays = torch.where(fooled, distance, torch.inf).where(right, 0)
    grid = (torch.arange(20_000) + 0.5) * 2 / 20_000
    area = sum((stays > d).double().mean() for d in grid) * 2 / 20_000
    assert scores.kept_distance(found, 2.0).mean().item() == pytest.approx(area.item(), abs=1e-3)
    with pytest.raises(ValueError, match="positive distance"):
        scores.kept_distance(found, 0.0)


def test_a_failed_attack_lowers_the_papers_score_and_raises_the_area():
    distance, right = torch.tensor([1.0, 1.0]).double(), torch.tensor([True, True])
    weak, strong = (
        scores.Outcomes(distance, right, torch.tensor(fooled), 28.0)
        for fooled in ([True, True], [True, False])
    )
    papers = [scores.distance_scores(found)["score"] for found in (weak, strong)]
    area = [scores.kept_distance(found, 4.2).mean() for found in (weak, strong)]
    assert papers[1] < papers[0]
    assert area[1] > area[0]
