"""Certificates against linear programs, corners of the ball, attacks and closed forms."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from astute import attacks, certified, data, models
from astute.lipschitz import LocalLipschitz


@pytest.fixture
def net(generator):
    """Six inputs, two hidden layers, three classes, in double precision."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU())
    model = nn.Sequential(*model, nn.Dropout(0.5), nn.Linear(5, 3)).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7, generator=generator)
    return model


@pytest.fixture
def conv(generator):
    """A small convolutional network with stride, padding and groups."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2),
        nn.ReLU(),
        nn.Conv2d(4, 3, 2, 1, 1, dilation=2),
    )
    model = nn.Sequential(*model, nn.ReLU(), nn.Flatten(), nn.Linear(27, 3)).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return model


def images(n, shape, generator):
    return torch.rand(n, *shape, generator=generator, dtype=torch.float64)


def program(model, low, high, c, bounds):
    """min c . f over the linear relaxation, by an LP solver: all units are variables."""
    layers = [part for part in model if isinstance(part, nn.Linear)]
    sizes = [len(low), *(len(v) for layer in layers for v in (layer.bias, layer.bias))][:-1]
    start = np.cumsum([0, *sizes])
    total = start[-1]
    limits = [*zip(low, high, strict=True)] + [(None, None)] * (total - len(low))
    upper, right, equal, value = [], [], [], []
    for k, layer in enumerate(layers):
        before, here = start[2 * k], start[2 * k + 1]
        for unit, (weight, bias) in enumerate(zip(layer.weight, layer.bias, strict=True)):
            row = np.zeros(total)
            row[before : before + len(weight)] = -weight.detach().numpy()
            row[here + unit] = 1
            equal.append(row)
            value.append(bias.item())
            if k == len(layers) - 1:
                continue
            after, (down, up) = start[2 * k + 2] + unit, (b[unit].item() for b in bounds[k])
            slope = 0.0 if up <= 0 else 1.0 if down >= 0 else up / (up - down)
            if down < 0 < up:  # z >= 0, z >= v and z <= slope (v - down)
                for factors, limit in (((0, -1), 0), ((1, -1), 0), ((-slope, 1), -slope * down)):
                    row = np.zeros(total)
                    row[[here + unit, after]] = factors
                    upper.append(row)
                    right.append(limit)
            else:
                row = np.zeros(total)
                row[[here + unit, after]] = -slope, 1
                equal.append(row)
                value.append(0.0)
    cost = np.zeros(total)
    cost[start[-2] :] = c
    found = linprog(cost, upper or None, right or None, equal, value, limits)
    assert found.status == 0
    return found.fun


@pytest.mark.parametrize("box", [False, True])
def test_the_dual_bounds_the_linear_program_from_below_and_nearly_meets_it(net, box, generator):
    x, eps = images(4, (1, 2, 3), generator), 0.15
    y = net(x).argmax(1)
    found = certified.margin_bounds(net, x, y, eps, box=box)
    ball = certified._ball(x, eps, box)
    hidden, _ = certified._hidden(certified._parts(net, "dual"), ball)
    gaps = []
    for i in range(len(x)):
        bounds = [(b.low[i], b.high[i]) for b in hidden.values()]
        for k in set(range(3)) - {int(y[i])}:
            c = np.eye(3)[y[i]] - np.eye(3)[k]
            optimum = program(net, *(b[i].flatten().tolist() for b in ball), c, bounds)
            gaps.append(optimum - found[i, k].item())
    assert min(gaps) >= -1e-7  # a feasible dual point is no more than the optimum
    assert np.median(gaps) < 0.3 * found[found.isfinite()].abs().mean()


@pytest.mark.parametrize("method", certified.METHODS)
@pytest.mark.parametrize("box", [False, True])
@pytest.mark.parametrize("which", ["net", "conv"])
def test_no_point_of_the_ball_crosses_a_bound(which, method, box, generator, request):
    model = request.getfixturevalue(which)
    x, eps = images(6, (1, 2, 3) if which == "net" else (2, 5, 5), generator).round(decimals=1), 0.1
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    low = certified.margin_bounds(model, x, y, eps, method, box)
    logits = certified.interval_bounds(model, x, eps, box)
    attack = attacks.PGD(norm="linf", eps=eps, step_size=0.04, steps=10, loss="margin", box=box)
    points = [x, attack(model, x, y, generator)]
    for _ in range(100):
        sign = torch.randint(-1, 2, x.shape, generator=generator)
        points.append((x + eps * sign).clamp(0, 1) if box else x + eps * sign)
    least = torch.full_like(low, torch.inf)
    for point in points:
        f = model(point).detach()
        least = torch.minimum(least, f.gather(1, y[:, None]) - f)
        assert ((f >= logits.low - 1e-9) & (f <= logits.high + 1e-9)).all()
    other = low.isfinite()
    assert other.sum() == 12
    assert (low <= least + 1e-9)[other].all()
    if method == "dual":
        loose = certified.margin_bounds(model, x, y, eps, "interval", box)
        assert (low - loose)[other].mean() > 0  # tighter on the whole


def test_the_box_never_loosens_and_tightens_where_pixels_are_on_the_border(conv, generator):
    x = images(3, (2, 5, 5), generator).round()
    y = conv(x).argmax(1)
    free, cut = (certified.margin_bounds(conv, x, y, 0.3, box=box) for box in (False, True))
    assert (cut >= free - 1e-9).all()
    assert (cut > free + 0.1).any()


def test_at_radius_zero_every_bound_is_the_margin_itself(conv, generator):
    x = images(3, (2, 5, 5), generator)
    y, f = torch.tensor([0, 1, 2]), conv(x).detach()
    for method in certified.METHODS:
        low = certified.margin_bounds(conv, x, y, 0.0, method)
        expected = (f.gather(1, y[:, None]) - f).scatter(1, y[:, None], torch.inf)
        torch.testing.assert_close(low, expected)
    assert certified.certified_error(conv, x, y, 0.0)["value"] == (f.argmax(1) != y).double().mean()


def test_one_hidden_layer_is_exact_where_no_unit_is_undecided(generator):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double().eval()
    model[1].bias.data = torch.tensor([9.0, -9.0, 9.0]).double()  # on, off, on
    x = images(5, (1, 2, 2), generator)
    weight = model[3].weight[:, [0, 2]] @ model[1].weight[[0, 2]]
    exact = (model(x)[:, 0] - model(x)[:, 1]) - 0.2 * (weight[0] - weight[1]).abs().sum()
    low = certified.margin_bounds(model, x, torch.zeros(5).long(), 0.2)[:, 1]
    torch.testing.assert_close(low, exact.detach())
    found = certified.lipschitz_bounds(model, x, 0.2)
    torch.testing.assert_close(found, weight.abs().sum().detach().expand(5))


def test_certified_error_lies_above_the_error_under_attack_and_grows_with_eps():
    model = models.MLP(sizes=(784, 20, 10))(seed=0).eval()
    part = data.load("digits", limit=30)
    y = model(part.x).argmax(1)
    y[:3] = (y[:3] + 1) % 10
    errors = []
    for eps in (0.0, 0.002, 0.01, 0.3):
        attack = attacks.PGD(norm="linf", eps=eps, step_size=eps / 4, steps=10)
        attacked = (model(attack(model, part.x, y)).argmax(1) != y).float().mean().item()
        errors.append(certified.certified_error(model, part.x, y, eps)["value"])
        interval = certified.certified_error(model, part.x, y, eps, "interval")["value"]
        assert attacked - 1e-6 <= errors[-1] <= interval + 1e-6
    assert errors == sorted(errors)
    assert errors[0] == pytest.approx(0.1)
    assert errors[-1] == 1


@pytest.mark.parametrize("which", ["net", "conv"])
def test_the_lipschitz_bound_holds_for_pairs_and_for_the_estimate(which, generator, request):
    model = request.getfixturevalue(which)
    x = images(4, (1, 2, 3) if which == "net" else (2, 5, 5), generator)
    bound = certified.lipschitz_bounds(model, x, 0.1)
    estimate = LocalLipschitz(eps=0.1, step_size=0.02, keep="best", offset=0)
    assert (estimate(model, x, generator) <= bound * (1 + 1e-6)).all()
    for _ in range(60):
        delta = 0.1 * (2 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1)
        change = (model(x + delta) - model(x)).abs().sum(1)
        assert (change / delta.abs().flatten(1).amax(1) <= bound + 1e-9).all()
    assert (certified.lipschitz_bounds(model, x, 0.01) <= bound + 1e-9).all()
    assert (certified.lipschitz_bounds(model, x, 0.3, box=True) >= bound * 0.2).all()


def test_pooling_is_covered_by_intervals_alone():
    model = models.LeNet(width=0.125)(seed=0).eval()
    x = data.load("digits", limit=3).x
    low, high = certified.interval_bounds(model, x, 0.01)
    for sign in itertools.product((-1, 1), repeat=2):
        moved = model(x + 0.01 * sign[0] * (1 + sign[1] * x).clamp(0, 1))
        assert ((moved >= low) & (moved <= high)).all()
    with pytest.raises(ValueError, match=r"MaxPool2d.* is not covered by 'dual'"):
        certified.margin_bounds(model, x, torch.zeros(3).long(), 0.01)


X = torch.rand(2, 1, 2, 3, generator=torch.Generator().manual_seed(0)).double()
Y = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eps": 8}, "write 8 / 255"),
        ({"x": 255 * X}, "Divide 8-bit levels"),
        ({"y": torch.tensor([0, 3])}, "labels lie in 0..2"),
        ({"method": "crown"}, "dual.*got 'crown'|interval, dual; got 'crown'"),
    ],
)
def test_arguments_out_of_range_are_refused(net, change, words):
    with pytest.raises(ValueError, match=words):
        certified.margin_bounds(net, **({"x": X, "y": Y, "eps": 0.1} | change))


def test_models_without_a_certificate_are_refused(net):
    with pytest.raises(ValueError, match="evaluation mode"):
        certified.margin_bounds(net.train(), X, Y, 0.1)
    with pytest.raises(ValueError, match=r"Sigmoid\(\) is not covered"):
        certified.margin_bounds(nn.Sequential(*net, nn.Sigmoid()).eval(), X, Y, 0.1)
    with pytest.raises(ValueError, match=r"cover an .*; got Linear"):
        certified.lipschitz_bounds(nn.Linear(6, 3).eval(), X, 0.1)
    net[1].weight.data *= float("nan")
    with pytest.raises(ValueError, match="NaN"):
        certified.margin_bounds(net.eval(), X, Y, 0.1)
