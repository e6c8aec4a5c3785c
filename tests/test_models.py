"""Networks: sizes by formula, the papers' functions by a slow witness, seeds and modes."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from astute.models import CNN1, MLP, LeNet, evaluating


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def lenet_parameters(width):
    a, b, h = math.floor(32 * width), math.floor(64 * width), math.floor(1024 * width)
    return (25 + 1) * a + (25 * a + 1) * b + (49 * b + 1) * h + (h + 1) * 10


@pytest.mark.parametrize(
    ("width", "millions", "exact"),
    [
        (0.125, 0.053, 52_506),
        (0.25, 0.207, 206_954),
        (0.5, 0.822, 821_706),
        (1.0, 3.27, 3_274_634),
    ],
)
def test_lenet_has_the_papers_size(width, millions, exact):
    count = parameters(LeNet(width=width)(seed=0))
    assert count == lenet_parameters(width) == exact
    assert count / 1e6 == pytest.approx(millions, rel=0.01)


def test_lenet_rounds_its_channels_down():
    model = LeNet(width=0.3)(seed=0)  # 9.6, 19.2 and 307.2 units
    assert [layer.weight.shape[0] for layer in (model.conv1, model.conv2, model.fc1)] == [
        9,
        19,
        307,
    ]
    assert parameters(model) == lenet_parameters(0.3)


def test_cnn1_has_the_papers_size():
    convolutions = (9 + 1) * 32 + (9 * 32 + 1) * 64
    dense = (9216 + 1) * 128 + (128 + 1) * 10
    assert parameters(CNN1()(seed=0)) == convolutions + dense == 1_199_882


def test_mlp_has_a_matrix_and_a_bias_a_layer():
    assert parameters(MLP(sizes=(784, 64, 10))(seed=0)) == 785 * 64 + 65 * 10
    bare = MLP(sizes=(784, 30, 20, 10), bias=False)(seed=0)
    assert parameters(bare) == 784 * 30 + 30 * 20 + 20 * 10
    assert [type(part).__name__ for part in bare] == [
        *("Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear")
    ]


def test_a_bias_free_network_is_homogeneous():
    model, x = MLP(sizes=(16, 8, 3), bias=False)(seed=0), torch.rand(5, 1, 4, 4)
    assert torch.allclose(model(0.25 * x), 0.25 * model(x), atol=1e-6)


def lenet_as_written(model, x):
    """PROTOCOLS' order: convolution, ReLU, max-pool."""
    x = F.max_pool2d(F.relu(model.conv1(x)), 2)
    x = F.max_pool2d(F.relu(model.conv2(x)), 2)
    return model.fc2(F.relu(model.fc1(x.flatten(1))))


def cnn1_as_written(model, x, second_relu):
    x = model.conv2(F.relu(model.conv1(x)))
    x = F.max_pool2d(F.relu(x) if second_relu else x, 2)
    return model.fc2(F.relu(model.fc1(x.flatten(1))))


def same_function_and_gradients(model, witness, generator):
    x = torch.rand(4, 1, 28, 28, generator=generator, dtype=torch.float64, requires_grad=True)
    pairs = []
    for function in (model, witness):
        logits = function(x)
        gradients = torch.autograd.grad(logits.logsumexp(1).sum(), [x, *model.parameters()])
        pairs.append((logits, *gradients))
    for ours, theirs in zip(*pairs, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)
    assert pairs[0][0].shape == (4, 10)


@pytest.mark.parametrize("width", [0.125, 0.5])
def test_pooling_before_relu_is_the_papers_network(width, generator):
    model = LeNet(width=width)(seed=1).double()
    same_function_and_gradients(model, lambda x: lenet_as_written(model, x), generator)


@pytest.mark.parametrize("second_relu", [False, True])
def test_cnn1_is_the_network_of_the_code(second_relu, generator):
    model = CNN1(second_relu=second_relu)(seed=1).double().eval()
    same_function_and_gradients(model, lambda x: cnn1_as_written(model, x, second_relu), generator)


def test_the_second_relu_matters(generator):
    x = torch.rand(4, 1, 28, 28, generator=generator)
    without, with_it = (CNN1(second_relu=s)(seed=1).eval() for s in (False, True))
    assert not torch.allclose(without(x), with_it(x))


def test_cnn1_drops_whole_channels_and_half_the_units_in_training():
    model = CNN1()(seed=0)
    assert isinstance(model.dropout1, nn.Dropout2d)
    assert (model.dropout1.p, model.dropout2.p) == (0.25, 0.5)


SETTINGS = [LeNet(width=0.125), CNN1(hidden=8), MLP(sizes=(784, 5, 10))]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_seed_decides_the_weights(setting):
    first, again, other = (list(setting(seed=s).parameters()) for s in (3, 3, 4))
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, other))


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_building_leaves_the_global_generator_alone(setting):
    before = torch.get_rng_state()
    setting(seed=3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_caller_need_not_seed_anything(setting):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        elsewhere = setting(seed=3)
    here = setting(seed=3)
    assert all(map(torch.equal, elsewhere.parameters(), here.parameters()))


def test_no_input_is_standardised():
    """Fed to the first convolution as they are, black images give its bias."""
    model = LeNet(width=0.125)(seed=0)
    first = model.conv1(torch.zeros(1, 1, 28, 28))
    assert torch.equal(first[0, :, 5, 5], model.conv1.bias)
    assert next(iter(model)) is model.conv1


def mixed():
    model = CNN1(hidden=8)(seed=0).train()
    model.dropout1.eval()
    return model, [part.training for part in model.modules()]


def test_evaluating_gives_every_part_its_mode_back():
    model, before = mixed()
    with evaluating(model) as inside:
        assert inside is model
        assert not any(part.training for part in model.modules())
    assert [part.training for part in model.modules()] == before


def test_evaluating_gives_the_modes_back_after_an_error():
    model, before = mixed()
    with pytest.raises(KeyError), evaluating(model):
        raise KeyError
    assert [part.training for part in model.modules()] == before
