"""Mean and spread of singular values of operators too large to write out."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import eigh_tridiagonal

from .norms import conv_spectral_norms, how_applied, left_over


@torch.no_grad()
def estimated_summary(layer, shape, probes=24, steps=40, seed=0):
    """`summary` of all singular values of a convolution as it is applied, without its matrix.

    The mean square is exact: squared taps, counted where they meet pixels. The mean is a trace,
    tr (AᵀA)^(1/2) / n, estimated by Lanczos quadrature from random signs: every probe is an
    unbiased sample but for the quadrature's own error, far below the spread of the probes.

    Parameters
    ----------
    layer : nn.Conv2d
        Zero-padded alike on both sides.
    shape : (int, int, int)
        Of one input, (C, H, W).
    probes : int
        Random sign images, at least 2.
    steps : int
        Of the iteration, for each of them.
    seed : int

    Returns
    -------
    dict
        ``n``, ``spread``, ``mean``, ``largest`` as in `summary` (the greatest to a relative 1e-4),
        and ``error``: the standard error of the mean, which moves the spread by about
        mean / spread times as much.

    Raises
    ------
    ValueError
        As `spectral_norms` for "exact"; if there are fewer than two probes.

    References
    ----------
    Ubaru, Chen & Saad (2017), "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature".

    Examples
    --------
    >>> from torch import nn
    >>> layer = nn.Conv2d(1, 1, 1, bias=False)
    >>> nn.init.constant_(layer.weight, 2.0).shape
    torch.Size([1, 1, 1, 1])
    >>> found = estimated_summary(layer, (1, 3, 4))
    >>> found["n"], *(round(found[key], 2) for key in ("mean", "spread", "largest"))
    (12, 2.0, 0.0, 2.0)
    """
    if probes < 2:
        raise ValueError(f"a standard error needs two probes; got {probes}")
    how, weight = how_applied(layer), layer.weight.detach().contiguous()
    out = F.conv2d(weight.new_zeros(1, *shape), weight, **how).shape[1:]
    inside, outside = math.prod(shape), math.prod(out)
    n, wide = min(inside, outside), outside < inside
    left = left_over(weight, shape[1:], *(how[k] for k in ("stride", "padding", "dilation")))

    def forth(x):
        return F.conv2d(x, weight, **how)

    def back(x):
        return F.conv_transpose2d(x, weight, output_padding=left, **how)

    first, second, side = (back, forth, out) if wide else (forth, back, shape)
    generator = torch.Generator().manual_seed(seed)
    signs = 2 * torch.randint(2, (probes, n), generator=generator).to(weight) - 1
    basis = torch.zeros(probes, min(steps, n), n).to(weight)
    diagonal, beside = [], []
    v = signs / n**0.5
    for k in range(basis.shape[1]):
        basis[:, k] = v
        w = second(first(v.view(probes, *side))).flatten(1)
        diagonal.append(torch.linalg.vecdot(w, v))
        for _ in range(2):  # twice is enough to stay orthogonal in floating point
            seen = basis[:, : k + 1]
            w = w - torch.einsum("pk,pkn->pn", torch.einsum("pkn,pn->pk", seen, w), seen)
        norm = torch.linalg.vector_norm(w, dim=1)
        alive = norm > 1e-6 * torch.stack(diagonal).amax(0)
        beside.append(torch.where(alive, norm, 0))
        v = w * torch.where(alive, 1 / norm, 0)[:, None]
    diagonal, beside = (torch.stack(v, 1).double().cpu().numpy() for v in (diagonal, beside))
    means = []
    for d, e in zip(diagonal, beside, strict=True):
        length = int(np.argmax(e == 0)) + 1 if (e == 0).any() else len(d)
        nodes, vectors = eigh_tridiagonal(d[:length], e[: length - 1])
        means.append(vectors[0] ** 2 @ np.sqrt(nodes.clip(min=0)))
    average = float(np.mean(means))
    squares = F.conv2d(weight.double().new_ones((1, *shape)), weight.double() ** 2, **how).sum()
    kernels = weight[None]
    largest = conv_spectral_norms(kernels, shape[1:], **how)[0].item()
    return {
        "n": n,
        "spread": max(squares.item() / n - average**2, 0.0) ** 0.5,
        "mean": average,
        "largest": largest,
        "error": float(np.std(means, ddof=1) / probes**0.5),
    }
