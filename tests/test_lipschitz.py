"""The local Lipschitz estimate against closed forms and against a plain loop."""

import pytest
import torch
from torch import nn

from astute import data, models
from astute.lipschitz import LocalLipschitz


def linear(weight):
    model = nn.Sequential(nn.Flatten(), nn.Linear(weight.shape[1], weight.shape[0]))
    model[1].weight.data = weight
    return model.eval()


def by_loop(model, x, generator, eps, step_size, steps, direction, output):
    """The published procedure, nothing cached: last iterate of every image, one at a time."""
    f = (lambda v: model(v).softmax(1)) if output == "probabilities" else model
    noise = torch.empty_like(x).normal_(generator=generator)
    found = []
    for image, start in zip(x.split(1), (x + 0.001 * noise).split(1), strict=True):
        x_adv = start
        for _ in range(steps):
            x_adv = x_adv.detach().requires_grad_()
            change = (f(x_adv) - f(image).detach()).abs().sum()
            ratio = change / (x_adv - image + 1e-6).abs().max()
            loss = -ratio if direction == "official" else ratio
            loss.backward()
            x_adv = x_adv.detach() + step_size * x_adv.grad.sign()
            x_adv = torch.minimum(torch.maximum(x_adv, image - eps), image + eps).clamp(0, 1)
        with torch.no_grad():
            change = (f(x_adv) - f(image)).abs().sum()
            found.append(change / (x_adv - image + 1e-6).abs().max())
    return torch.stack(found)


def test_a_linear_map_whose_rows_agree_in_sign_comes_near_the_sum_of_their_norms(generator):
    weight = torch.rand(3, 9, generator=generator) * torch.tensor([1, -1, 1] * 3)
    x = torch.full((5, 1, 3, 3), 0.5)
    estimate = LocalLipschitz(eps=0.1, step_size=0.02, steps=15, keep="best", offset=0)
    share = estimate(linear(weight), x, generator) / weight.abs().sum()
    assert ((share > 0.85) & (share <= 1 + 1e-4)).all()


@pytest.mark.parametrize("keep", ["last", "best"])
@pytest.mark.parametrize("direction", ["ascent", "official"])
def test_no_linear_map_exceeds_its_constant(keep, direction, generator):
    """max over the corners of the cube of ||W d||_1, by trying all of them."""
    weight = torch.randn(4, 6, generator=generator)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 6)
    constant = (corners @ weight.T).abs().sum(1).max()
    x = torch.rand(20, 1, 2, 3, generator=generator)
    estimate = LocalLipschitz(eps=0.1, direction=direction, keep=keep, offset=0)
    found = estimate(linear(weight), x, generator)
    assert (found <= constant * (1 + 1e-4)).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("direction", ["ascent", "official"])
@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_both_directions_are_those_of_the_plain_loop(direction, output):
    model = models.LeNet(width=0.125)(seed=0).eval()
    x = data.load("digits", limit=6).x
    settings = {"eps": 0.02, "step_size": 0.003, "steps": 5}
    settings |= {"direction": direction, "output": output}
    expected = by_loop(model, x, torch.Generator().manual_seed(3), **settings)
    found = LocalLipschitz(**settings)(model, x, torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)


def test_uphill_finds_more_than_downhill_and_the_best_no_less_than_the_last():
    model = models.LeNet(width=0.125)(seed=0).eval()
    x = data.load("digits", limit=16).x

    def found(**settings):
        estimate = LocalLipschitz(eps=0.1, **settings)
        return estimate(model, x, torch.Generator().manual_seed(0))

    up, down, best = found(), found(direction="official"), found(keep="best")
    assert (up > 2 * down).float().mean() > 0.9
    assert (best >= up).all()
    assert not any(p.grad is not None for p in model.parameters())


def test_no_image_depends_on_its_batch_and_the_seed_is_all_there_is():
    model = models.CNN2()(seed=0).eval()
    nn.init.normal_(model.fc3.weight, generator=torch.Generator().manual_seed(1))
    x = data.load("digits", limit=10).x
    estimate = LocalLipschitz(eps=0.1, steps=4)

    def found(size):
        return estimate(model, x, torch.Generator().manual_seed(0), batch_size=size)

    assert torch.equal(found(10), found(10))
    torch.testing.assert_close(found(10), found(5), rtol=0.02, atol=0)
    assert estimate(model, x[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"eps": 8}, "write 8 / 255"),
        ({"eps": 0.1, "output": "loss"}, "output is 'logits' or 'probabilities'; got 'loss'"),
        ({"eps": 0.1, "direction": "down"}, "direction is 'ascent' or 'official'"),
        ({"eps": 0.1, "keep": "worst"}, "keep is 'last' or 'best'"),
        ({"eps": 0.1, "step_size": -1}, "not negative; got -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        LocalLipschitz(**settings)


def test_models_and_images_it_cannot_measure_are_refused():
    estimate, x = LocalLipschitz(eps=0.1), torch.rand(2, 1, 1, 4)
    weight = torch.eye(4)
    with pytest.raises(ValueError, match="evaluation mode"):
        estimate(linear(weight).train(), x)
    with pytest.raises(ValueError, match="Divide 8-bit levels"):
        estimate(linear(weight), 255 * x)
    with pytest.raises(ValueError, match="NaN logits"):
        estimate(linear(weight * float("nan")), x)
    with pytest.raises(ValueError, match="Remove the softmax"):
        estimate(nn.Sequential(*linear(weight), nn.Softmax(1)).eval(), x)
