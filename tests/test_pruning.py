"""M1, M2, M3: what is removed, which norms fall, which do not; the line search of FGSM."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from astute import attacks, models, norms, pruning

NORMS = ("l1", "frobenius", "induced_l1", "induced_linf", "spectral")


@pytest.fixture
def net():
    """A small dense network, its images, and the activity of its hidden units."""
    model = models.MLP(sizes=(16, 20, 5))(seed=0).eval()
    x = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    return model, x, pruning.activity(model, x, "fc1")


def one_layer(rows):
    """A network whose hidden layer has this weight."""
    weight = torch.tensor(rows, dtype=torch.float32)
    model = models.MLP(sizes=(weight.shape[1], weight.shape[0], 3))(seed=0).eval()
    model.fc1.weight.data = weight
    return model


def weights(count):
    """Random matrices of ``count`` seeds, wide, tall and square, of rank 4."""
    for seed in range(count):
        shape = ((7, 4), (4, 7), (4, 4))[seed % 3]
        yield torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def every_method(p, layer="fc1"):
    yield pruning.M1(p=p, layer=layer)
    yield pruning.M1(p=p, layer=layer, rule="threshold")
    yield pruning.M2(p=p, layer=layer)
    yield pruning.M3(p=p, layer=layer)
    yield pruning.Noise(p=p, layer=layer)


def test_activity_counts_the_images_for_which_a_relu_is_open(net):
    model, x, active = net
    by_hand = (model.relu1(model.fc1(x.flatten(1))) > 0).double().mean(0)
    assert torch.equal(active, by_hand)
    assert torch.equal(active, pruning.activity(model, x, "fc1", batch_size=7))


def test_activity_of_the_uppermost_layer_is_that_of_its_inputs(net):
    model, x, active = net
    assert torch.equal(pruning.activity(model, x, "fc2"), active)


def test_a_hidden_layer_loses_outputs_with_their_biases_and_nothing_else(net):
    model, _, active = net
    new = pruning.M1(p=50)(model, active)
    gone = pruning.removed_units(active, 50)
    assert gone.sum() == 10
    assert active[gone].max() <= active[~gone].min()
    assert not new.fc1.weight[gone].any()
    assert not new.fc1.bias[gone].any()
    assert torch.equal(new.fc1.weight[~gone], model.fc1.weight[~gone])
    assert torch.equal(new.fc2.weight, model.fc2.weight)


def test_the_uppermost_layer_loses_inputs_and_keeps_its_biases(net):
    model, x, active = net
    new = pruning.M1(p=30, layer="fc2")(model, active)
    gone = pruning.removed_units(active, 30)
    assert not new.fc2.weight[:, gone].any()
    assert torch.equal(new.fc2.bias, model.fc2.bias)
    # The same network as without the hidden units themselves.
    assert torch.equal(new(x), pruning.M1(p=30)(model, active)(x))


def test_threshold_and_quantile_remove_different_units():
    active = torch.tensor([0.95, 0.9, 0.9, 0.85])
    assert pruning.removed_units(active, 50).tolist() == [False, False, True, True] or (
        pruning.removed_units(active, 50).tolist() == [False, True, False, True]
    )
    assert not pruning.removed_units(active, 50, "threshold").any()
    sparse = torch.tensor([0.01, 0.02, 0.01, 0.9])
    assert pruning.removed_units(sparse, 30).sum() == 1
    assert pruning.removed_units(sparse, 30, "threshold").sum() == 3
    assert pruning.removed_units(torch.zeros(4), 0, "threshold").sum() == 0


def test_m2_keeps_the_leading_singular_values_and_their_vectors():
    for weight in weights(6):
        model = one_layer(weight.tolist())
        new = pruning.M2(p=60)(model).fc1.weight.detach()
        u, s, v = torch.linalg.svd(weight.double(), full_matrices=False)
        s[4 - 2 :] = 0  # floor(60 % of 4) = 2
        torch.testing.assert_close(new.double(), u @ s.diag() @ v, atol=1e-6, rtol=0)
        assert torch.equal(pruning.M2(p=24)(model).fc1.weight, weight)  # floor(0.96) = 0


def test_m3_is_m2_then_the_mask_of_the_unmodified_model(net):
    model, _, active = net
    new = pruning.M3(p=40)(model, active).fc1
    low_rank = pruning.M2(p=40)(model).fc1.weight.detach().clone()
    gone = pruning.removed_units(active, 40)
    low_rank[gone] = 0
    assert torch.equal(new.weight, low_rank)
    assert not new.bias[gone].any()


def test_noise_changes_as_much_as_m1_or_m2_and_always_in_the_same_way(net):
    model, _, active = net
    length = lambda new: (new.fc1.weight - model.fc1.weight).norm().item()  # noqa: E731
    first = pruning.Noise(p=70)(model)
    assert length(first) == pytest.approx(length(pruning.M2(p=70)(model)), rel=1e-4)
    like_m1 = pruning.Noise(p=70, like="M1")(model, active)
    assert length(like_m1) == pytest.approx(length(pruning.M1(p=70)(model, active)), rel=1e-4)
    assert torch.equal(first.fc1.weight, pruning.Noise(p=70)(model).fc1.weight)
    assert not torch.equal(first.fc1.weight, pruning.Noise(p=70, seed=1)(model).fc1.weight)
    assert torch.equal(pruning.Noise(p=0)(model).fc1.weight, model.fc1.weight)


def test_methods_leave_the_model_alone_and_keep_its_mode(net):
    model, _, active = net
    before = copy.deepcopy(model.state_dict())
    for training in (False, True):
        model.train(training)
        for method in every_method(80):
            assert method(model, active).training is training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_p_of_0_changes_nothing_and_p_of_100_removes_all(net):
    model, _, active = net
    for method in every_method(0):
        assert torch.equal(method(model, active).fc1.weight, model.fc1.weight)
    for method in (pruning.M1(p=100), pruning.M2(p=100), pruning.M3(p=100)):
        assert not method(model, active).fc1.weight.any()


def test_norms_agree_with_the_library_of_linear_algebra():
    for weight in weights(6):
        ours, theirs = pruning.matrix_norms(weight), torch.linalg.matrix_norm
        assert ours["l1"] == pytest.approx(weight.abs().sum().item())
        for name, order in zip(NORMS[1:], ("fro", 1, float("inf"), 2), strict=True):
            assert ours[name] == pytest.approx(theirs(weight, order).item(), rel=1e-5)


@given(st.integers(0, 1000), st.integers(0, 100), st.booleans())
def test_removing_rows_or_columns_raises_no_norm(seed, p, upper):
    generator = torch.Generator().manual_seed(seed)
    model = models.MLP(sizes=(6, 8, 5))(seed=seed).eval()
    layer = "fc2" if upper else "fc1"
    active = torch.rand(8, generator=generator)
    before = pruning.matrix_norms(pruning.linear(model, layer).weight)
    new = pruning.M1(p=p, layer=layer)(model, active)
    after = pruning.matrix_norms(pruning.linear(new, layer).weight)
    assert all(after[k] <= before[k] + 1e-7 for k in NORMS)
    if pruning.removed_units(active, p).any():
        assert after["l1"] < before["l1"]
        # Sums along the removed dimension all lose a non-zero summand.
        assert (
            after["induced_linf" if upper else "induced_l1"]
            < before["induced_linf" if upper else "induced_l1"]
        )


def test_the_other_induced_norm_stays_while_a_greatest_row_stays():
    model = one_layer([[3.0, 4.0], [1.0, 1.0], [0.5, 0.0]])
    active = torch.tensor([0.9, 0.1, 0.2])
    before = pruning.matrix_norms(model.fc1.weight)
    after = pruning.matrix_norms(pruning.M1(p=67)(model, active).fc1.weight)
    assert before["induced_linf"] == after["induced_linf"] == 7
    assert (before["induced_l1"], after["induced_l1"]) == (5, 4)
    # Only with the greatest row itself gone does it fall.
    active = torch.tensor([0.1, 0.9, 0.2])
    assert pruning.matrix_norms(pruning.M1(p=34)(model, active).fc1.weight)["induced_linf"] == 2


def test_a_smaller_induced_norm_does_not_mean_a_smaller_element_wise_one():
    spread, peaked = torch.ones(2, 2), torch.tensor([[0.0, 3.0], [0.0, 0.0]])
    spread, peaked = pruning.matrix_norms(spread), pruning.matrix_norms(peaked)
    assert spread["induced_l1"] < peaked["induced_l1"]
    assert spread["l1"] > peaked["l1"]


@given(st.integers(0, 1000), st.integers(0, 100))
def test_m2_raises_neither_frobenius_nor_spectral_norm(seed, p):
    model = models.MLP(sizes=(6, 8, 5))(seed=seed).eval()
    before = pruning.matrix_norms(model.fc1.weight)
    after = pruning.matrix_norms(pruning.M2(p=p)(model).fc1.weight)
    assert all(after[k] <= before[k] + 1e-6 for k in ("frobenius", "spectral"))
    if p * 6 // 100 > 0:
        assert after["frobenius"] < before["frobenius"]


def test_m2_can_raise_the_element_wise_l1_norm_and_the_induced_ones():
    # Eigenvalues 1 ± sqrt(2): without the smaller one the zero is filled, by more than is lost.
    model = one_layer([[2.0, 1.0], [1.0, 0.0]])
    assert pruning.matrix_norms(model.fc1.weight)["l1"] == 4
    after = pruning.matrix_norms(pruning.M2(p=50)(model).fc1.weight)
    assert after["l1"] == pytest.approx(2 + 3 / 2**0.5)
    assert after["l1"] > 4
    # The greatest column sum can rise as well, and by transposition the greatest row sum.
    for rows, norm in (
        ([[3.0, 1.0], [0.0, 2.0]], "induced_l1"),
        ([[3.0, 0.0], [1.0, 2.0]], "induced_linf"),
    ):
        other = pruning.M2(p=50)(one_layer(rows)).fc1.weight
        assert pruning.matrix_norms(torch.tensor(rows))[norm] == 3
        assert pruning.matrix_norms(other)[norm] > 3.5
    # M3 with units that are all active is M2, so it does not serve the l1 norm either.
    m3 = pruning.M3(p=50, rule="threshold")(model, torch.ones(2))
    assert pruning.matrix_norms(m3.fc1.weight)["l1"] == after["l1"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m, a: pruning.M1(p=101), "p is in per cent, 0..100; got 101"),
        (lambda m, a: pruning.M2(p=-1), "p is in per cent"),
        (lambda m, a: pruning.M3(p=5, rule="share"), '"quantile" or "threshold"; got \'share\''),
        (lambda m, a: pruning.Noise(p=5, like="M3"), '"M1" or "M2"; got \'M3\''),
        (lambda m, a: pruning.M2(p=5, layer="conv1")(m), "dense layers fc1, fc2; got 'conv1'"),
        (lambda m, a: pruning.M1(p=5)(m, a[:3]), r"each of the 20 outputs of fc1; got \(3,\)"),
        (lambda m, a: pruning.M1(p=5, layer="fc2")(m, a[:3]), "20 inputs of fc2"),
        (lambda m, a: pruning.activity(m.train(), torch.rand(2, 16), "fc1"), "evaluation mode"),
        (lambda m, a: pruning.split(nn.Sequential(m), "0.fc1"), "cut before"),
    ],
)
def test_wrong_settings_are_refused_in_words(net, make, words):
    with pytest.raises(ValueError, match=words):
        make(net[0], net[2])


def test_a_split_network_is_the_network_and_keeps_its_mode():
    model = models.CNN1(hidden=8)(seed=0).eval()
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    lower, upper = pruning.split(model, "fc1")
    assert torch.equal(upper(lower(x)), model(x))
    assert not lower.training
    assert not upper.training
    assert upper.fc1 is model.fc1


# --- what is compared with the methods


def test_magnitude_removes_the_smallest_and_no_removal_of_as_many_changes_less(net):
    model, _, _ = net
    weight, new = model.fc1.weight.detach(), pruning.Magnitude(p=30)(model).fc1.weight.detach()
    gone = new == 0
    assert gone.sum() == 96  # 30 % of 320
    assert weight[gone].abs().max() <= weight[~gone].abs().min()
    assert torch.equal(new[~gone], weight[~gone])
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = torch.randperm(320, generator=generator)[:96]
        assert weight.flatten()[other].norm() >= weight[gone].norm()


def test_scaling_multiplies_every_norm_and_a_temperature_changes_no_prediction(net):
    model, x, _ = net
    before = pruning.matrix_norms(model.fc1.weight)
    after = pruning.matrix_norms(pruning.Scaled(p=75)(model).fc1.weight)
    assert after == pytest.approx({k: v / 4 for k, v in before.items()})
    torch.testing.assert_close(pruning.Scaled(p=75, layer="fc2")(model)(x), model(x) / 4)
    larger = pruning.Scaled(p=75, layer="fc2", inverse=True)
    torch.testing.assert_close(larger(model)(x), 4 * model(x))


def small_conv():
    """Two convolutions and two dense layers, and images for it."""
    model = models.ThreeConv(channels=(3, 4, 5), hidden=7, standardise=False)(seed=0).eval()
    return model, torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_the_activity_of_a_channel_is_its_share_of_images_and_places():
    model, x = small_conv()
    active = pruning.activities(model, x, batch_size=4)
    assert list(active) == ["conv1", "conv2", "conv3", "fc1"]
    by_hand = [(model.conv1(x)[:, c] > 0).double().mean().item() for c in range(3)]
    assert active["conv1"].tolist() == pytest.approx(by_hand)
    torch.testing.assert_close(active["fc1"], pruning.activity(model, x, "fc1"))
    with pytest.raises(ValueError, match="evaluation mode"):
        pruning.activities(model.train(), x)


def test_every_layer_is_changed_as_the_method_says_but_for_the_uppermost():
    model, x = small_conv()
    active, before = pruning.activities(model, x), copy.deepcopy(model.state_dict())
    lengths = {}
    for method in ("M1", "M2", "M3", "magnitude", "noise"):
        new = pruning.EveryLayer(p=50, method=method)(model, active)
        assert torch.equal(new.fc2.weight, model.fc2.weight)
        for name in active:
            w, old = getattr(new, name).weight.flatten(1), before[f"{name}.weight"].flatten(1)
            lengths.setdefault(method, []).append((w - old).norm().item())
            gone = pruning.removed_units(active[name], 50)
            if method in ("M1", "M3"):
                assert not w[gone].any()
                assert not getattr(new, name).bias[gone].any()
            if method in ("M2", "M3"):
                r = min(old.shape)
                assert torch.linalg.matrix_rank(w) <= r - r // 2
            if method == "magnitude":
                assert (w == 0).sum() == w.numel() // 2
    assert lengths["noise"] == pytest.approx(lengths["M2"], rel=1e-4)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    with pytest.raises(ValueError, match="\"noise\"; got 'Noise'"):
        pruning.EveryLayer(p=5, method="Noise")
    with pytest.raises(ValueError, match="up to but not 100; got 100"):
        pruning.Scaled(p=100)


# --- the line search of FGSM


def search_by_hand(model, x, y, grid):
    """One image, one step after the other."""
    x = x[None].clone().requires_grad_()
    loss = nn.functional.cross_entropy(model(x), y[None])
    direction = torch.autograd.grad(loss, x)[0].sign()
    if model(x).argmax() != y:
        return 0.0
    for k in range(1, grid + 1):
        if model((x + k / grid * direction).clamp(0, 1)).argmax() != y:
            return k / grid
    return float("inf")


def test_the_line_search_finds_what_one_image_after_the_other_finds(net):
    model, x, _ = net
    y = torch.randint(5, (60,), generator=torch.Generator().manual_seed(2))
    y[:40] = model(x[:40]).argmax(1)
    x_adv, e = attacks.LineSearchFGSM(grid=50, refine=False).search(model, x, y)
    expected = torch.tensor([search_by_hand(model, a, b, 50) for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(e, expected)
    assert len(expected.unique()) > 5
    found = (e > 0) & e.isfinite()
    assert (model(x_adv[found]).argmax(1) != y[found]).all()
    assert torch.equal(x_adv[~found], x[~found])
    assert (norms.size(x_adv - x, "linf") <= e + 1e-6).all()


@pytest.mark.parametrize("grid", [100, 350, 500])
def test_on_a_linear_model_the_step_is_the_margin_over_the_l1_norm_rounded_up(grid):
    model = models.MLP(sizes=(9, 2))(seed=0).eval()
    x = 0.5 + 0.05 * torch.rand(30, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    logits = model(x).detach()
    w = model.fc1.weight.detach()
    exact = (logits[:, 0] - logits[:, 1]).abs() / (w[0] - w[1]).abs().sum()
    coarse = (exact * grid).ceil() / grid
    finer = coarse / 20
    fine = torch.where(coarse < 20.5 / grid, (exact / finer).ceil() * finer, coarse)
    for refine, expected in ((False, coarse), (True, fine)):
        attack = attacks.LineSearchFGSM(grid=grid, refine=refine)
        torch.testing.assert_close(attack.search(model, x, logits.argmax(1))[1], expected)


def test_an_image_that_no_step_fools_is_returned_as_it_was():
    model = models.MLP(sizes=(4, 2))(seed=0).eval()
    model.fc1.weight.data.zero_()
    model.fc1.bias.data = torch.tensor([2.0, 0.5])
    x = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    x_adv, e = attacks.LineSearchFGSM(grid=10).search(model, x, torch.tensor([0, 1]))
    assert torch.equal(x_adv, x)
    assert e.tolist() == [float("inf"), 0.0]
    with pytest.raises(ValueError, match="at least 1; got 0"):
        attacks.LineSearchFGSM(grid=0)
