"""Singular values of a residual network's convolutions: all of them, and the greatest ones."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse.linalg import LinearOperator, svds
from torch import nn

from astute import models, spectra

from . import Row, ratios


def layers(n=9):
    """The convolutions of FIXUP(n) with weights as He et al. draw them; none is zero."""
    model = models.Fixup(n=n)(seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    found = list(spectra.layer_shapes(model, (3, 32, 32)).values())
    found = [(layer, size) for layer, size in found if isinstance(layer, nn.Conv2d)]
    for layer, _ in found:
        nn.init.kaiming_normal_(layer.weight, generator=generator)
    return found


def measurements():
    """All circular values, then the norms under zero padding."""
    found = layers()
    yield _all_values(found)
    yield _norms(found)


def _all_values(found):
    def ours():
        return [spectra.conv_singular_values(c.weight, s[1:], c.stride[0]) for c, s in found]

    def every_frequency(kind=torch.float32):
        values = []
        for layer, size in found:
            transform = torch.fft.fft2(layer.weight.detach().to(kind), s=size[1:])
            if layer.stride[0] > 1:
                matrices = spectra.values._fold(
                    transform, layer.stride[0], size[2] // layer.stride[0]
                )
            else:
                matrices = transform.permute(2, 3, 0, 1)
            values.append(torch.linalg.svdvals(matrices))
        return values

    def recipe():
        for layer, size in found:
            transform = np.fft.fft2(layer.weight.detach().numpy(), size[1:], axes=[2, 3])
            np.linalg.svd(transform.transpose(2, 3, 0, 1), compute_uv=False)

    pairs = zip(ours(), every_frequency(torch.float64), strict=True)
    error = max(((a.flatten() - b.flatten()).abs().max() / b.max()).item() for a, b in pairs)
    times = ratios({"ours": ours, "numpy recipe": recipe}, every_frequency, 3)
    return Row(
        f"all singular values of the {len(found)} convolutions of FIXUP(9), circular; svdvals at "
        "every frequency",
        times.pop("ours"),
        0.6,
        times,
        f"greatest error {error:.1e} of a layer's norm; the numpy recipe knows no stride",
    )


def _norms(found):
    def ours():
        alike, values = {}, {}
        for i, (layer, size) in enumerate(found):
            alike.setdefault((layer.weight.shape, size, layer.stride), []).append(i)
        for (_, size, stride), places in alike.items():
            kernels = torch.stack([found[i][0].weight.detach() for i in places])
            norms = spectra.conv_spectral_norms(kernels, size[1:], stride, 1)
            values |= dict(zip(places, norms.tolist(), strict=True))
        return [values[i] for i in range(len(found))]

    def each_layer():
        return [_scipy(layer, size) for layer, size in found]

    def power(steps=200):
        for layer, size in found:
            _power(layer, size, steps)

    error = max(abs(a / b - 1) for a, b in zip(ours(), each_layer(), strict=True))
    times = ratios({"ours": ours, "200 power steps": power}, each_layer, 3)
    return Row(
        f"zero-padded spectral norms of the {len(found)} convolutions; scipy's svds, one by one",
        times.pop("ours"),
        0.3,
        times,
        f"greatest error {error:.1e}",
    )


def _maps(layer, size):
    """A layer and its transpose."""
    weight, stride = layer.weight.detach(), layer.stride[0]
    return (
        lambda x: F.conv2d(x, weight, stride=stride, padding=1),
        lambda y: F.conv_transpose2d(
            y, weight, stride=stride, padding=1, output_padding=stride - 1
        ),
    )


@torch.no_grad()
def _scipy(layer, size):
    there, back = _maps(layer, size)
    out = there(torch.zeros(1, *size)).shape

    def through(function, shape):
        return lambda v: (
            function(torch.from_numpy(v.astype(np.float32)).view(shape)).numpy().ravel()
        )

    operator = LinearOperator(
        (out.numel(), int(np.prod(size))),
        matvec=through(there, (1, *size)),
        rmatvec=through(back, out),
        dtype=np.float32,
    )
    return svds(operator, k=1, return_singular_vectors=False, random_state=0)[0]


@torch.no_grad()
def _power(layer, size, steps):
    there, back = _maps(layer, size)
    x = torch.randn(1, *size, generator=torch.Generator().manual_seed(0))
    for _ in range(steps):
        x = back(there(x / x.norm()))
    return x.norm().sqrt()
