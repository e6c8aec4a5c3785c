"""Fused networks against the networks they stand for: the same logits, the same gradients."""

import copy
import math

import pytest
import torch
from torch import nn

from astute import attacks, models
from astute.fused import fused

NETWORKS = {
    "LeNet": (models.LeNet(width=0.25), (1, 28, 28)),
    "CNN1": (models.CNN1(hidden=8), (1, 28, 28)),
    "CNN1 with a second ReLU": (models.CNN1(hidden=8, second_relu=True), (1, 28, 28)),
    "CNN2": (models.CNN2(), (1, 28, 28)),
    "ConvNet": (models.ConvNet(), (1, 28, 28)),
    "ThreeConv": (models.ThreeConv(channels=(4, 6, 8), hidden=8), (3, 32, 32)),
    "MLP": (models.MLP(sizes=(12, 7, 5)), (3, 2, 2)),
    "WideResNet": (models.WideResNet(depth=16, width=0.5, standardise=True), (3, 32, 32)),
    "WideResNet with dropout": (models.WideResNet(depth=10, width=0.5, dropout=0.3), (3, 32, 32)),
    "Fixup": (models.Fixup(n=2), (3, 32, 32)),
    "Fixup without scalars": (models.Fixup(n=1, biases=False), (3, 32, 32)),
}


def plain(*layers):
    """A network as most write them: ReLU before pooling, normalisation after convolutions."""
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 3 * 3, 5))


OTHERS = {
    "normalised, ReLU, pooled": plain(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout2d(0.5),
        nn.Conv2d(4, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8, affine=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ),
    "nested, strided, normalised before": plain(
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Sequential(nn.Identity(), nn.Sigmoid())),
    ),
    "grouped and reflected": plain(
        nn.Conv2d(3, 6, 3, padding=1, padding_mode="reflect"),
        nn.ReLU(),
        nn.Conv2d(6, 8, 4, 4, groups=2),
        nn.ReLU(),
    ),
    "scalars in many places": plain(
        models.Scalar(),
        nn.Conv2d(3, 8, 4, 4),
        models.Scalar(),
        nn.ReLU(),
        models.Scalar(),
        nn.ReLU(),
        nn.AvgPool2d(1),
        models.Scalar(),
    ),
    "ReLU of the image": nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(3 * 12 * 12, 5)),
}
SHAPES = {name: shape for name, (_, shape) in NETWORKS.items()} | dict.fromkeys(OTHERS, (3, 12, 12))


def build(name, dtype=torch.float64):
    """A network with every number moved, as training would: statistics, scalars, last layers."""
    model = NETWORKS[name][0](seed=0) if name in NETWORKS else copy.deepcopy(OTHERS[name])
    generator = torch.Generator().manual_seed(1)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            step = 0.1 * torch.rand(tensor.shape, generator=generator)
            tensor.data += step if tensor.dim() < 2 else step - 0.05
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d) and part.affine:
            part.weight.data[::2] *= -1  # a factor may be negative
    return model.to(dtype).eval()


def images(name, n=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(2)
    return torch.rand(n, *SHAPES[name], generator=generator, dtype=torch.float64).to(dtype)


def slopes(model, x):
    """Gradients of the sum of weighted logits by the images."""

    def value(images):
        logits = model(images)
        return (logits * torch.arange(1, logits.shape[1] + 1)).sum(1)

    return attacks.gradient(value, x)


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("name", SHAPES)
def test_logits_and_gradients_are_the_models_own(name, n):
    model, x = build(name), images(name, n)
    network = fused(model, torch.float64)
    before = x.clone()
    with torch.no_grad():
        want, got = model(x), network(x)
    assert torch.allclose(got, want, rtol=1e-10, atol=1e-12 * want.abs().max().item())
    want, got = slopes(model, x), slopes(network, x)
    assert got.shape == x.shape
    assert torch.allclose(got, want, rtol=1e-8, atol=1e-12 * want.abs().max().item())
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)], ids=["fp32", "bf16"]
)
def test_lower_precision_stays_close_and_logits_keep_the_images_dtype(name, dtype, within):
    model, x = build(name, torch.float32), images(name, dtype=torch.float32)
    network = fused(model, dtype)
    with torch.no_grad():
        want, got = model(x), network(x)
    assert got.dtype == torch.float32
    assert (got - want).abs().max() <= within * want.abs().max()
    assert slopes(network, x).dtype == torch.float32


def test_ties_in_a_pool_send_the_gradient_where_the_model_sends_it():
    """A flat image: all four values of every pool are equal."""
    model = build("LeNet")
    x = torch.full((2, 1, 28, 28), 0.5, dtype=torch.float64)
    assert torch.allclose(slopes(fused(model, torch.float64), x), slopes(model, x), atol=1e-14)


@pytest.mark.parametrize("name", ["LeNet", "WideResNet", "Fixup", "scalars in many places"])
def test_the_model_is_left_alone_and_the_copy_keeps_what_it_was(name):
    model, x = build(name).train(), images(name)
    state = copy.deepcopy(model.state_dict())
    network = fused(model, torch.float64)
    got = network(x)
    assert all(part.training for part in model.modules())
    assert all(p.requires_grad for p in model.parameters())
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])
    for parameter in model.parameters():
        parameter.data.zero_()
    assert torch.equal(network(x), got)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_parts_that_do_nothing_in_evaluation_are_gone():
    network = fused(models.CNN1(hidden=8)(seed=0))
    assert not any(isinstance(part, nn.Dropout | nn.Dropout2d) for part in network.modules())
    network = fused(models.WideResNet(depth=10, width=0.5, dropout=0.3)(seed=0))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_an_attack_on_the_copy_is_the_attack_on_the_model():
    model, x = build("LeNet"), images("LeNet", 6)
    y = model(x).argmax(1)
    for attack in (
        attacks.PGD(norm="linf", eps=0.1, step_size=0.03, steps=4, random_start=False),
        attacks.DeepFool.foolbox3(steps=5),
    ):
        got = attack(fused(model, torch.float64), x, y)
        assert torch.allclose(got, attack(model, x, y), atol=1e-9)


def test_other_types_are_refused():
    with pytest.raises(ValueError, match=r"dtype is torch.float32, .*; got torch.float16"):
        fused(models.MLP()(seed=0), torch.float16)


def test_a_module_it_does_not_know_is_copied():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x.flatten(1)[:, :3] * self.weight * math.pi

    model, x = Own().eval(), torch.rand(2, 1, 2, 2)
    assert torch.equal(fused(model)(x), model(x))
