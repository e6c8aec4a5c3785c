"""Accuracies against attacks run and counted by hand."""

import pytest
import torch
from torch import nn

from astute import attacks, models
from astute.intervals import outcomes
from astute.robustness import accuracies, attacked, conditional, curve, distances, predict

ATTACK = attacks.PGD(norm="linf", eps=0.1, step_size=0.02, steps=4, random_start=False, keep="last")
RANDOM = attacks.PGD(norm="linf", eps=0.1, step_size=0.02, steps=4)


def made(n=60, seed=1):
    generator = torch.Generator().manual_seed(seed)
    model = models.MLP(sizes=(16, 12, 4))(seed=seed).double().eval()
    x = torch.rand(n, 1, 4, 4, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        y = model(x).argmax(1)
    y[::3] = (y[::3] + 1) % 4  # a third is misclassified
    return model, x, y


def test_predictions_are_the_largest_logit_whatever_the_batch():
    model, x, _ = made()
    want = model(x).argmax(1)
    for size in (1, 7, 60, 500):
        assert torch.equal(predict(model, x, size), want)


def test_attacked_images_are_those_of_the_attack_batch_by_batch():
    model, x, y = made()
    want = torch.cat([ATTACK(model, x[i : i + 7], y[i : i + 7]) for i in range(0, 60, 7)])
    assert torch.equal(attacked(model, x, y, ATTACK, batch_size=7), want)


@pytest.mark.parametrize("batch_size", [7, 250])
def test_the_three_accuracies_are_those_counted_by_hand(batch_size):
    model, x, y = made()
    predicted = model(x).argmax(1)
    robust = model(ATTACK(model, x, y)).argmax(1) == y
    # Every image is attacked away from its prediction here, the right ones too.
    stable = model(ATTACK(model, x, predicted)).argmax(1) == predicted
    got = accuracies(model, x, y, ATTACK, batch_size=batch_size)
    assert torch.equal(torch.tensor(outcomes(got["clean_accuracy"])), predicted == y)
    assert torch.equal(torch.tensor(outcomes(got["robust_accuracy"])), robust)
    assert torch.equal(torch.tensor(outcomes(got["robustness_wrt_predictions"])), stable)
    assert got["clean_accuracy"]["value"] == 2 / 3
    assert 0.05 < got["robust_accuracy"]["value"] < 0.65
    assert set(got) == {"clean_accuracy", "robust_accuracy", "robustness_wrt_predictions"}


def test_a_linear_model_has_its_certified_accuracy():
    """Two classes: an image survives exactly if its margin exceeds eps ||w_0 - w_1||_1."""
    model, x, y = made()
    layer = nn.Linear(16, 2, bias=False, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    layer.weight.data = torch.randn(2, 16, generator=generator, dtype=torch.float64)
    model, y, x = nn.Sequential(nn.Flatten(), layer).eval(), y % 2, 0.4 + 0.2 * x
    difference = layer.weight[0] - layer.weight[1]
    margin = (1 - 2 * y) * (x.flatten(1) @ difference)
    got = accuracies(model, x, y, attacks.FGSM(eps=0.03))
    want = margin > 0.03 * difference.abs().sum()
    assert outcomes(got["robust_accuracy"]).tolist() == want.tolist()
    assert outcomes(got["clean_accuracy"]).tolist() == (margin > 0).tolist()


def test_the_seed_decides():
    model, x, y = made()
    assert accuracies(model, x, y, RANDOM, seed=1) == accuracies(model, x, y, RANDOM, seed=1)


def test_robust_is_at_most_clean_and_at_most_stable():
    model, x, y = made()
    got = {k: outcomes(v) for k, v in accuracies(model, x, y, RANDOM).items()}
    assert (got["robust_accuracy"] <= got["clean_accuracy"]).all()
    assert (got["robust_accuracy"] <= got["robustness_wrt_predictions"]).all()


def test_a_model_without_errors_needs_no_second_attack():
    model, x, _ = made()
    calls = []

    def counted(model, x, y, generator):
        calls.append(len(x))
        return ATTACK(model, x, y, generator)

    got = accuracies(model, x, model(x).argmax(1), counted)
    assert calls == [60]
    assert got["robustness_wrt_predictions"] == got["robust_accuracy"]


def test_the_interval_belongs_to_the_fraction():
    model, x, y = made()
    for measured in accuracies(model, x, y, ATTACK).values():
        assert measured["low"] <= measured["value"] <= measured["high"]
        assert measured["n"] == 60


def test_conditional_robust_accuracy_is_that_of_the_images_that_were_right():
    model, x, y = made()
    found = accuracies(model, x, y, ATTACK)
    right = model(x).argmax(1) == y
    robust = model(ATTACK(model, x, y)).argmax(1) == y
    got = conditional(found)
    assert got["n"] == right.sum()
    assert got["value"] == (robust & right).sum() / right.sum()
    assert got["value"] >= found["robust_accuracy"]["value"]


def test_without_right_images_there_is_nothing_to_condition_on():
    model, x, _ = made()
    found = accuracies(model, x, (model(x).argmax(1) + 1) % 4, ATTACK)
    with pytest.raises(ValueError, match="no image is right"):
        conditional(found)


def test_the_curve_starts_clean_falls_and_is_the_attack_at_each_radius():
    model, x, y = made()
    attack = attacks.PGD(norm="linf", eps=0.1, step_size=0.02, steps=4, random_start=False)
    radii = [0.0, 0.02, 0.05, 0.1]
    points = curve(model, x, y, attack, radii)
    assert [p["eps"] for p in points] == radii
    broken = model(x).argmax(1) != y
    for eps, point in zip(radii, points, strict=True):
        here = attacks.PGD(norm="linf", eps=eps, step_size=eps / 5, steps=4, random_start=False)
        broken |= model(here(model, x, y)).argmax(1) != y
        assert outcomes(point).tolist() == (~broken).tolist()
    assert points[0]["value"] == 2 / 3
    assert points[-1]["value"] < 2 / 3


@pytest.mark.parametrize(("radii", "eps"), [([0.2, 0.1], 0.1), ([], 0.1), ([0.1], 0.0)])
def test_radii_that_do_not_ascend_are_refused(radii, eps):
    model, x, y = made()
    attack = attacks.PGD(norm="linf", eps=eps, step_size=0.02, steps=1)
    with pytest.raises(ValueError, match="radii ascend and the attack's own is positive; got"):
        curve(model, x, y, attack, radii)


def test_distances_are_zero_where_wrong_infinite_where_nothing_fooled():
    model, x, y = made()
    far = distances(model, x, y, attacks.DeepFool.foolbox3(), "l2", batch_size=7)
    wrong = model(x).argmax(1) != y
    x_adv = attacks.DeepFool.foolbox3()(model, x, y)
    assert torch.equal(far == 0, wrong)
    assert torch.allclose(far[far.isfinite()], (x_adv - x).flatten(1).norm(dim=1)[far.isfinite()])
    nothing = distances(model, x, y, lambda model, x, y, generator: x, "l2")
    assert torch.equal(nothing.isinf(), ~wrong)


@pytest.mark.parametrize("fast", [torch.float64, torch.bfloat16])
def test_a_fast_copy_is_attacked_but_the_model_is_asked(fast):
    model, x, y = made()
    want = accuracies(model, x, y, ATTACK)
    got = accuracies(model, x, y, ATTACK, fast=fast)
    assert got["clean_accuracy"] == want["clean_accuracy"]
    robust = outcomes(got["robust_accuracy"])
    assert abs(robust.mean() - want["robust_accuracy"]["value"]) <= 0.05
    x_adv = attacked(model, x, y, ATTACK, fast=fast)
    assert robust.tolist() == (model(x_adv).argmax(1) == y).tolist()


def test_where_only_the_copy_is_fooled_the_model_itself_is_attacked(monkeypatch):
    """A copy that is always wrong claims every success; what counts is found on the model."""
    model, x, y = made()

    class Wrong(nn.Module):
        def forward(self, images):
            return -model(images)

    monkeypatch.setattr("astute.fused.fused", lambda model, dtype: Wrong())
    first = attacks.PGD(
        norm="linf", eps=0.1, step_size=0.02, steps=4, random_start=False, keep="first"
    )
    right = model(x).argmax(1) == y
    want, got = first(model, x, y), attacked(model, x, y, first, fast=torch.float64)
    assert torch.equal(got[right], want[right])


def test_images_outside_the_box_are_counted_where_the_attack_has_none():
    model, x, y = made()
    free = attacks.PGD(
        norm="linf", eps=0.5, step_size=0.2, steps=3, random_start=False, box=False, keep="last"
    )
    got = accuracies(model, x, y, free)["robust_accuracy"]
    assert outcomes(got).tolist() == (model(free(model, x, y)).argmax(1) == y).tolist()


@pytest.mark.parametrize(
    "measure",
    [
        lambda model, x, y: predict(model, x),
        lambda model, x, y: attacked(model, x, y, ATTACK),
        lambda model, x, y: accuracies(model, x, y, ATTACK),
    ],
)
def test_a_model_in_training_mode_is_refused_before_it_is_called(measure):
    model, x, y = made()
    called = []
    model.register_forward_hook(lambda *_: called.append(1))
    with pytest.raises(ValueError, match=r"evaluation mode; call model\.eval"):
        measure(model.train(), x, y)
    assert not called


def test_images_in_8_bit_levels_are_refused():
    model, x, y = made()
    with pytest.raises(ValueError, match=r"images lie in \[0, 1\]"):
        accuracies(model, 255 * x, y, ATTACK)


@pytest.mark.parametrize("y", [torch.full((60,), 4), torch.zeros(59, dtype=torch.long)])
def test_labels_that_do_not_fit_are_refused(y):
    model, x, _ = made()
    with pytest.raises(ValueError, match=r"labels (lie in 0..3|are \d+ integers)"):
        accuracies(model, x, y, ATTACK)


def test_no_images_are_refused():
    model, x, y = made()
    with pytest.raises(ValueError, match="no images"):
        accuracies(model, x[:0], y[:0], ATTACK)
