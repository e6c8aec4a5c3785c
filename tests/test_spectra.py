"""Singular values of layers against their dense matrices and against closed forms."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from astute import models, spectra


class Torus(nn.Module):
    """A convolution with wrap-around padding and a stride: the slow witness."""

    def __init__(self, kernel, stride):
        super().__init__()
        self.kernel, self.stride = nn.Parameter(kernel), stride

    def forward(self, x):
        tall, wide = self.kernel.shape[2:]
        x = F.pad(x, (0, wide - 1, 0, tall - 1), mode="circular")
        return F.conv2d(x, self.kernel, stride=self.stride)


def descending(values):
    return values.flatten().sort(descending=True).values


@settings(max_examples=25, deadline=None)
@given(
    c_out=st.integers(1, 4),
    c_in=st.integers(1, 4),
    tall=st.integers(1, 3),
    wide=st.integers(1, 3),
    rows=st.integers(2, 3),
    columns=st.integers(2, 4),
    stride=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_the_fourier_values_are_those_of_the_dense_matrix(
    c_out, c_in, tall, wide, rows, columns, stride, seed
):
    size = (max(rows * stride, 3), columns * stride)
    size = (size[0] - size[0] % stride or stride, size[1])
    tall, wide = min(tall, size[0]), min(wide, size[1])
    generator = torch.Generator().manual_seed(seed)
    kernel = torch.randn(c_out, c_in, tall, wide, generator=generator, dtype=torch.float64)
    fast = spectra.conv_singular_values(kernel, size, stride)
    assert fast.shape == (size[0] // stride, size[1] // stride, min(c_out, stride**2 * c_in))
    matrix = spectra.operator_matrix(Torus(kernel, stride), (c_in, *size))
    slow = spectra.dense_singular_values(matrix)
    torch.testing.assert_close(descending(fast), slow, atol=1e-7, rtol=0)


def test_each_frequency_has_the_values_of_its_own_matrix(generator):
    kernel = torch.randn(2, 3, 3, 2, generator=generator, dtype=torch.float64)
    found = spectra.conv_singular_values(kernel, (4, 5))
    transform = torch.fft.fft2(kernel, s=(4, 5))
    for i in range(4):
        for j in range(5):
            values = torch.linalg.svdvals(transform[:, :, i, j])
            torch.testing.assert_close(found[i, j], values)


def test_a_shift_keeps_every_norm():
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, 0, 2] = -2.0
    values = spectra.conv_singular_values(kernel, (5, 6))
    torch.testing.assert_close(values, torch.full((5, 6, 1), 2.0))
    assert spectra.spread(values) < 1e-6


def test_the_squares_add_up_to_the_frobenius_norm_of_the_operator(generator):
    kernel = torch.randn(3, 2, 3, 3, generator=generator)
    values = spectra.conv_singular_values(kernel, (6, 7))
    torch.testing.assert_close(values.square().sum(), 42 * kernel.square().sum())


def test_the_spread_is_the_standard_deviation_of_all_values():
    assert spectra.spread(torch.tensor([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])) == 2.0


def test_zero_padding_is_the_layer_itself_and_differs_from_the_torus(generator):
    layer = nn.Conv2d(2, 3, 3, padding=1, stride=2)
    model = nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)).eval()
    exact = spectra.layer_singular_values(model, (2, 6, 6), "exact")
    matrix = spectra.operator_matrix(layer, (2, 6, 6))
    x = torch.randn(5, 2, 6, 6, generator=generator)
    out = layer(x) - layer(torch.zeros_like(x))
    torch.testing.assert_close(x.flatten(1) @ matrix.T, out.flatten(1), atol=1e-5, rtol=1e-4)
    circular = spectra.layer_singular_values(model, (2, 6, 6), "circular")
    assert (exact["0"] - circular["0"]).abs().max() > 0.01
    # Zeros around the map are rows and columns cut out of a larger torus: interlacing.
    assert exact["0"][0] <= spectra.conv_singular_values(layer.weight, (8, 8)).max() + 1e-6
    torch.testing.assert_close(exact["3"], circular["3"], atol=1e-5, rtol=1e-4)


def test_the_readings_of_a_network_count_their_values():
    model = models.LeNet(width=0.125)(seed=0).eval()
    count = {
        reading: [
            len(v) for v in spectra.layer_singular_values(model, (1, 28, 28), reading).values()
        ]
        for reading in spectra.READINGS
    }
    assert count == {
        "reshaped": [4, 8, 128, 10],
        "circular": [784, 4 * 14 * 14, 128, 10],
        "exact": [784, 4 * 14 * 14, 128, 10],
    }


def test_layers_are_found_by_name_and_the_model_is_left_alone():
    model = models.MLP(sizes=(4, 3, 2))(seed=0).eval()
    values = spectra.layer_singular_values(model, (1, 2, 2))
    assert list(values) == ["fc1", "fc2"]
    torch.testing.assert_close(values["fc1"], torch.linalg.svdvals(model.fc1.weight.detach()))
    assert not any(part._forward_pre_hooks for part in model.modules())
    assert not values["fc1"].requires_grad


def test_a_summary_is_plain_numbers():
    found = spectra.summary(torch.tensor([1.0, 3.0]))
    assert found == {"n": 2, "spread": 1.0, "mean": 2.0, "largest": 3.0, "smallest": 1.0}


@pytest.mark.parametrize("size", [(4, 4), (5, 6), (1, 7), (8, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_each_pair_of_mirrored_frequencies_is_decomposed_once(size, stride, generator):
    if any(n % stride for n in size):
        return
    kernel = torch.randn(2, 3, 1, 3, generator=generator, dtype=torch.float64)
    found = spectra.conv_singular_values(kernel, size, stride)
    rows, columns = (n // stride for n in size)
    once, _ = spectra.values._frequencies(rows, columns, kernel.device)
    own = sum(
        2 * i % rows == 0 and 2 * j % columns == 0 for i in range(rows) for j in range(columns)
    )
    assert len(once) == (rows * columns + own) / 2
    layer = nn.Conv2d(3, 2, (1, 3), stride, bias=False, dtype=torch.float64)
    layer.weight.data = kernel
    wrapped = nn.Sequential(nn.CircularPad2d((0, 2, 0, 0)), layer)
    dense = torch.linalg.svdvals(spectra.operator_matrix(wrapped, (3, *size)))
    values = found.flatten().sort(descending=True).values
    torch.testing.assert_close(values, dense[: len(values)], atol=1e-12, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@example(1358, (1, 2), (3, 3), 1, (1, 1), 1, 1)  # two values a thousandth apart
@given(
    st.integers(0, 10**6),
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(1, 3)] * 2),
    st.integers(1, 3),
    st.tuples(*[st.integers(0, 2)] * 2),
    st.integers(1, 2),
    st.integers(1, 2),
)
def test_norms_under_zero_padding_are_those_of_the_written_matrix(
    seed, channels, kernel, stride, padding, dilation, groups
):
    generator = torch.Generator().manual_seed(seed)
    inside, outside = (groups * c for c in channels)
    layers = [
        nn.Conv2d(inside, outside, kernel, stride, padding, dilation, groups) for _ in range(3)
    ]
    for layer in layers:
        layer.weight.data = torch.randn(layer.weight.shape, generator=generator)
    layers[2].weight.data *= 0  # a layer of zeros holds up no other
    found = spectra.conv_spectral_norms(
        torch.stack([layer.weight for layer in layers]), (6, 7), stride, padding, dilation, groups
    )
    dense = [spectra.operator_matrix(layer, (inside, 6, 7)) for layer in layers]
    expected = torch.stack([torch.linalg.matrix_norm(matrix, 2) for matrix in dense])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_norms_of_a_network_by_every_reading(generator):
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, 2, padding="valid"), nn.ReLU(), nn.Conv2d(3, 3, 3, padding="same")
    )
    model = nn.Sequential(*model, nn.Flatten(), nn.Linear(27, 4)).eval()
    for reading in spectra.READINGS:
        if reading == "circular":
            model[0].stride = 1, 1  # a stride of 2 does not divide 7
            model[4] = nn.Linear(75, 4)
        norms = spectra.spectral_norms(model, (2, 7, 7), reading)
        values = spectra.layer_singular_values(model, (2, 7, 7), reading)
        assert norms == pytest.approx({n: v[0].item() for n, v in values.items()}, rel=1e-4)
        model[0].stride, model[4] = (2, 2), nn.Linear(27, 4)


@pytest.mark.parametrize("reading", spectra.READINGS)
def test_the_complexity_of_bartlett_counts_the_rows_of_each_matrix(reading):
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)
    ).eval()
    if reading == "exact":
        matrices = [spectra.operator_matrix(model[0], (2, 6, 6)), model[3].weight.detach()]
    elif reading == "circular":
        round_ = nn.Conv2d(2, 3, 3, 2, 1, padding_mode="circular")
        round_.weight = model[0].weight
        matrices = [spectra.operator_matrix(round_, (2, 6, 6)), model[3].weight.detach()]
    else:
        matrices = [model[0].weight.detach().flatten(1), model[3].weight.detach()]
    norms = [torch.linalg.matrix_norm(m, 2).item() for m in matrices]
    terms = [
        (m.norm(dim=1).sum().item() / n) ** (2 / 3) for m, n in zip(matrices, norms, strict=True)
    ]
    found = {
        kind: spectra.spectral_complexity(model, (2, 6, 6), reading, kind)
        for kind in ("product", "bartlett")
    }
    product = norms[0] * norms[1]
    assert found == pytest.approx(
        {"product": product, "bartlett": product * sum(terms) ** 1.5}, rel=1e-4
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 3), st.sampled_from([(3, 5), (5, 3), (1, 1)]))
def test_clipping_meets_its_bound_and_keeps_the_support(seed, share, channels):
    generator = torch.Generator().manual_seed(seed)
    kernel = torch.randn(*channels, 3, 3, generator=generator)
    before = spectra.conv_singular_values(kernel, (6, 8))
    bound = share * before.max().item()
    new = spectra.clip_kernel(kernel, (6, 8), bound)
    assert new.shape == kernel.shape
    assert spectra.conv_singular_values(new, (6, 8)).max() <= bound * (1 + 1e-5)
    if share >= 1:
        assert torch.equal(new, kernel)
    # A projection comes closer to the kernel than shrinking all of it does.
    assert (new - kernel).norm() <= (1 - min(share, 1)) * kernel.norm() * (1 + 1e-5)


def test_a_kernel_of_one_tap_is_clipped_like_its_matrix(generator):
    kernel = torch.randn(3, 4, 1, 1, generator=generator)
    u, s, vh = torch.linalg.svd(kernel[..., 0, 0], full_matrices=False)
    expected = (u * s.clamp(max=1)) @ vh
    torch.testing.assert_close(spectra.clip_kernel(kernel, (5, 5), 1.0)[..., 0, 0], expected)


def test_a_clipped_network_meets_the_bound_in_every_layer_and_says_by_how_much():
    model = models.LeNet(width=0.125)(seed=0).eval()
    with torch.no_grad():
        model.fc2.weight *= 0.1
    small = model.fc2.weight.clone()
    found = spectra.clip_norms(model, (1, 28, 28), 0.5)
    after = spectra.spectral_norms(model, (1, 28, 28))
    assert list(found) == ["conv1", "conv2", "fc1", "fc2"]
    for name, norm in after.items():
        assert found[name][1] == pytest.approx(norm, rel=1e-4)
        assert norm <= 0.5 * (1 + 1e-5)
        assert found[name][0] > 0.5 or name == "fc2"
    assert torch.equal(model.fc2.weight, small)  # what is within the bound stays
    assert model.fc1.weight.requires_grad
    assert spectra.spectral_complexity(model, (1, 28, 28)) <= 0.5**4 * (1 + 1e-4)


@pytest.mark.parametrize(
    ("channels", "how"),
    [((3, 4), {"padding": 1}), ((4, 2), {"padding": 1, "stride": 2}), ((2, 6), {"padding": 0})],
)
def test_estimated_spreads_are_those_of_the_written_matrix(channels, how, generator):
    layer = nn.Conv2d(*channels, 3, **how)
    layer.weight.data = torch.randn(layer.weight.shape, generator=generator)
    found = spectra.estimated_summary(layer, (channels[0], 9, 10), probes=64)
    exact = spectra.summary(
        spectra.dense_singular_values(spectra.operator_matrix(layer, (channels[0], 9, 10)))
    )
    assert found["n"] == exact["n"]
    assert found["largest"] == pytest.approx(exact["largest"], rel=1e-4)
    assert abs(found["mean"] - exact["mean"]) < 4 * found["error"]
    assert found["error"] < 0.01 * exact["mean"]
    # The mean square is exact, so that mean and spread err together.
    squares = found["mean"] ** 2 + found["spread"] ** 2
    assert squares == pytest.approx(exact["mean"] ** 2 + exact["spread"] ** 2, rel=1e-5)


def test_an_estimate_needs_two_probes():
    with pytest.raises(ValueError, match="two probes; got 1"):
        spectra.estimated_summary(nn.Conv2d(1, 1, 1), (1, 3, 3), probes=1)


KERNEL = torch.ones(2, 2, 3, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: spectra.conv_singular_values(KERNEL, (2, 8)), "larger than its 2 x 8"),
        (lambda: spectra.conv_singular_values(KERNEL[0], (8, 8)), "shape .C_out, C_in, kH, kW"),
        (lambda: spectra.conv_singular_values(KERNEL, (8, 9), stride=2), "stride 2 does not"),
        (lambda: spectra.dense_singular_values(KERNEL), "shape .out, in."),
        (
            lambda: spectra.layer_singular_values(models.MLP()(seed=0), (1, 28, 28)),
            "evaluation mode",
        ),
        (
            lambda: spectra.layer_singular_values(models.MLP()(seed=0).eval(), (1, 28, 28), "fft"),
            "circular, exact|reshaped, circular, exact; got 'fft'",
        ),
        (
            lambda: spectra.layer_singular_values(
                nn.Conv2d(2, 2, 3, groups=2).eval(), (2, 8, 8), "circular"
            ),
            "one group",
        ),
        (lambda: spectra.clip_kernel(KERNEL, (8, 8), 0.0), "positive number; got 0"),
        (lambda: spectra.clip_norms(models.MLP()(seed=0).eval(), (1, 28, 28), -1), "got -1"),
        (lambda: spectra.clip_norms(models.MLP()(seed=0), (1, 28, 28), 1), "evaluation mode"),
        (
            lambda: spectra.spectral_complexity(
                models.MLP()(seed=0).eval(), (1, 28, 28), kind="l1"
            ),
            '"product" or "bartlett"; got \'l1\'',
        ),
        (
            lambda: spectra.conv_spectral_norms(KERNEL[None], (2, 8), dilation=(1, 2)),
            "reaches over 3 pixels, more than the 2",
        ),
        (
            lambda: spectra.spectral_norms(
                nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect").eval(), (2, 8, 8), "exact"
            ),
            "operator_matrix",
        ),
        (
            lambda: spectra.operator_matrix(nn.Conv2d(8, 8, 3, padding=1), (8, 64, 64)),
            "use the reading",
        ),
    ],
)
def test_what_has_no_such_values_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
