"""What training minimises, against the loss by hand."""

import pytest
import torch
import torch.nn.functional as F

from astute import attacks, models
from astute.objectives import Adversarial, Natural

ATTACK = attacks.PGD(norm="linf", eps=0.2, step_size=0.1, steps=2, keep="last")


@pytest.fixture
def batch(generator):
    x = torch.rand(6, 1, 28, 28, generator=generator)
    return x, torch.randint(10, (6,), generator=generator)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def test_natural_is_the_mean_cross_entropy(batch):
    x, y = batch
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    loss, logits = Natural()(model, x, y)
    assert torch.equal(logits, model(x))
    assert torch.allclose(loss, F.cross_entropy(model(x), y))
    assert loss.requires_grad


def test_adversarial_is_the_mean_cross_entropy_of_attacked_images_alone(batch):
    x, y = batch
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    loss, logits = Adversarial(attack=ATTACK)(model, x, y, random())
    x_adv = ATTACK(model, x, y, random())
    assert torch.equal(logits, model(x_adv))
    assert torch.allclose(loss, F.cross_entropy(model(x_adv), y))
    assert loss > Natural()(model, x, y)[0]


def test_the_gradient_does_not_flow_through_the_attack(batch):
    x, y = batch
    model = models.MLP(sizes=(784, 8, 10))(seed=0)
    Adversarial(attack=ATTACK)(model, x, y, random())[0].backward()
    got = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    F.cross_entropy(model(ATTACK(model, x, y, random())), y).backward()
    for ours, plain in zip(got, model.parameters(), strict=True):
        assert torch.allclose(ours, plain.grad, atol=1e-7)


def test_dropout_is_off_in_the_attack_and_on_in_the_loss(batch):
    x, y = batch
    model = models.CNN1(hidden=8)(seed=0).train()
    seen = []
    model.dropout2.register_forward_hook(lambda module, *_: seen.append(module.training))
    with torch.random.fork_rng(devices=[]):
        Adversarial(attack=ATTACK)(model, x, y, random())
    assert seen == [False, False, True]
    assert all(part.training for part in model.modules())


def test_a_ramp_shrinks_radius_and_step_and_nothing_else():
    half = Adversarial(attack=ATTACK).ramped(0.5)
    assert half == Adversarial(
        attack=attacks.PGD(norm="linf", eps=0.1, step_size=0.05, steps=2, keep="last")
    )
    assert Adversarial(attack=ATTACK).ramped(1) == Adversarial(attack=ATTACK)
    assert Natural().ramped(0.5) == Natural()


@pytest.mark.parametrize("objective", [Natural(), Adversarial(attack=ATTACK)])
def test_the_images_are_not_changed(batch, objective):
    x, y = batch
    before = x.clone()
    objective(models.MLP(sizes=(784, 8, 10))(seed=0), x, y, random())
    assert torch.equal(x, before)
