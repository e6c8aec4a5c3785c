"""Spectral norms of layers, and what bounds made of them say of a network."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import eigh_tridiagonal, lapack
from torch import nn

from .values import layer_shapes, layer_singular_values


def conv_spectral_norms(
    kernels, size, stride=1, padding=0, dilation=1, groups=1, tolerance=1e-4, steps=500
):
    """Greatest singular values of zero-padded convolutions, as they are applied.

    Lanczos' iteration on AᵀA from one random image, for several kernels of a shape at once: only
    the layer and its transpose are applied, no matrix is written. The value grows from step to
    step, never beyond the norm; it is returned when what is still missing, extrapolated from its
    last two gains, is below a third of the tolerance.

    Parameters
    ----------
    kernels : Tensor, shape (L, C_out, C_in / groups, kH, kW)
    size : (int, int)
        Height and width (H, W) of the input, in pixels.
    stride, padding, dilation : int or (int, int)
    groups : int
        As of ``torch.nn.Conv2d``.
    tolerance : float
        Relative.
    steps : int
        At most.

    Returns
    -------
    Tensor, shape (L,)
        Gains: L2 norm out over L2 norm in.

    Raises
    ------
    ValueError
        If the kernels have not five axes or are larger than the padded map.
    RuntimeError
        If the steps do not suffice.

    Examples
    --------
    A sum of three neighbours in a row of three pixels, zeros outside: 1 + √2.

    >>> conv_spectral_norms(torch.ones(1, 1, 1, 1, 3), (1, 3), padding=(0, 1))
    tensor([2.4142])
    """
    if kernels.dim() != 5:
        raise ValueError(f"kernels: (L, C_out, C_in, kH, kW); got {tuple(kernels.shape)}")
    count, kernels = len(kernels), kernels.detach()
    weight = kernels.flatten(0, 1).contiguous()  # not channels last, lest images become so
    channels = count * groups * kernels.shape[2]
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": count * groups}
    left = left_over(kernels[0], size, stride, padding, dilation)
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(1, channels, *size, generator=generator).to(weight)

    def inner(a, b):
        return torch.linalg.vecdot(a.reshape(count, -1), b.reshape(count, -1))

    def scaled(image, factors):
        return (image.view(count, -1) * factors[:, None]).view_as(image)

    v, before, beta = scaled(v, inner(v, v).rsqrt()), None, None
    diagonal, beside, found = [], [], []
    with torch.no_grad():
        for step in range(1, steps + 1):
            image = F.conv2d(v, weight, **how)
            w = F.conv_transpose2d(image, weight, output_padding=left, **how)
            alpha = inner(image, image)
            w = w - scaled(v, alpha) - (0 if before is None else scaled(before, beta))
            diagonal.append(alpha)
            beta = inner(w, w).sqrt()
            # A space that the layer does not leave is exhausted; what is left is rounding.
            alive = beta > 1e-5 * torch.stack(diagonal).amax(0)
            before, v = v, scaled(w, torch.where(alive, 1 / beta, 0))
            beta = torch.where(alive, beta, 0)
            beside.append(beta)
            if step % 3 == 0:
                found.append(_greatest(diagonal, beside[:-1]))
                # Between two close values the iteration may rest a while; the residual tells.
                if (
                    _converged(found[-3:], tolerance)
                    and (_residuals(diagonal, beside) <= 0.1 * tolerance * found[-1]).all()
                ):
                    return torch.from_numpy(found[-1]).clamp_min(0).sqrt().to(weight)
    raise RuntimeError(f"{steps} steps do not reach a relative {tolerance:g}; allow more steps")


def _greatest(diagonal, beside):
    """Greatest eigenvalues (L,) of symmetric tridiagonal matrices."""
    diagonal, beside = (torch.stack(v, 1).double().cpu().numpy() for v in (diagonal, beside))
    return np.array([lapack.dsterf(*pair)[0][-1] for pair in zip(diagonal, beside, strict=True)])


def _residuals(diagonal, beside):
    """How far (L,) the images of the greatest eigenvectors lead out of the space searched so far.

    Within that distance of each value the layer's matrix has an eigenvalue. The last of ``beside``
    couples the space to what is outside.
    """
    diagonal, beside = (torch.stack(v, 1).double().cpu().numpy() for v in (diagonal, beside))
    top = 2 * (diagonal.shape[1] - 1,)
    found = [
        e[-1] * eigh_tridiagonal(d, e[:-1], select="i", select_range=top)[1][-1, 0]
        for d, e in zip(diagonal, beside, strict=True)
    ]
    return np.abs(found)


def _converged(found, tolerance):
    """Whether squared norms, three rounds of them, stop growing as a geometric series would."""
    if len(found) < 3:
        return False
    last, now = (abs(b - a) for a, b in itertools.pairwise(found))
    ratio = np.clip(now / np.maximum(last, 1e-30), 0.5, 0.9)
    # A third: a second value close to the first holds the iteration up, never quite still.
    return bool((now * ratio / (1 - ratio) <= 0.3 * tolerance * found[-1]).all())


def left_over(kernel, size, stride, padding, dilation):
    """Rows and columns at the end of the padded map that no step of the kernel reaches."""
    pairs = ((v, v) if isinstance(v, int) else v for v in (stride, padding, dilation))
    left = []
    for n, k, s, p, d in zip(size, kernel.shape[2:], *pairs, strict=True):
        if d * (k - 1) + 1 > n + 2 * p:
            raise ValueError(
                f"the kernel reaches over {d * (k - 1) + 1} pixels, more than the {n + 2 * p} of "
                "the padded map; size is the layer's input, (H, W)"
            )
        left.append((n + 2 * p - d * (k - 1) - 1) % s)
    return left


def spectral_norms(model, shape, reading="circular", tolerance=1e-4):
    """The spectral norm of every dense and convolutional layer: by how much it stretches at most.

    Parameters
    ----------
    model, shape, reading
        As for `layer_singular_values`; "exact" needs zero padding but no small maps.
    tolerance : float
        Relative, of the iteration behind "exact" convolutions; the rest is exact to rounding.

    Returns
    -------
    dict of str to float
        By the layer's name, in the order of the forward pass.

    Raises
    ------
    ValueError
        As `layer_singular_values`, and for "exact" if a layer pads with anything but zeros.

    Examples
    --------
    >>> from astute.models import MLP
    >>> list(spectral_norms(MLP(sizes=(784, 64, 10))(seed=0).eval(), (1, 28, 28)))
    ['fc1', 'fc2']
    """
    if reading != "exact":
        found = layer_singular_values(model, shape, reading)
        return {name: values[0].item() for name, values in found.items()}
    layers, alike, found = layer_shapes(model, shape), {}, {}
    for name, (layer, met) in layers.items():
        if isinstance(layer, nn.Linear):
            found[name] = torch.linalg.matrix_norm(layer.weight.detach(), 2).item()
        else:
            key = (met, layer.weight.shape, *how_applied(layer).items())
            alike.setdefault(key, []).append(name)
    for (met, _, *how), names in alike.items():
        kernels = torch.stack([layers[name][0].weight.detach() for name in names])
        values = conv_spectral_norms(kernels, met[1:], **dict(how), tolerance=tolerance)
        found |= dict(zip(names, values.tolist(), strict=True))
    return {name: found[name] for name in layers}


def how_applied(layer):
    """What is said of a convolution besides its weight."""
    padding = layer.padding
    if padding == "valid":
        padding = (0, 0)
    elif padding == "same" and all(d * (k - 1) % 2 == 0 for d, k in _reach(layer)):
        padding = tuple(d * (k - 1) // 2 for d, k in _reach(layer))
    if isinstance(padding, str) or layer.padding_mode != "zeros":
        raise ValueError(
            f'"exact" norms cover zeros, as many on both sides; got {layer}: write the matrix with '
            "operator_matrix"
        )
    return {
        "stride": layer.stride,
        "padding": padding,
        "dilation": layer.dilation,
        "groups": layer.groups,
    }


def _reach(layer):
    return zip(layer.dilation, layer.kernel_size, strict=True)


def spectral_complexity(model, shape, reading="circular", kind="product"):
    """How much a network can stretch, counted layer by layer.

    Parameters
    ----------
    model, shape, reading
        As for `spectral_norms`.
    kind : {"product", "bartlett"}
        "product": of the layers' spectral norms; shortcuts and biases are left out.
        "bartlett": that product times (sum over layers of (‖Aᵀ‖_{2,1} / ‖A‖)^{2/3})^{3/2}, where
        ‖Aᵀ‖_{2,1} adds up the l2 norms of what each output weighs its inputs with; all reference
        matrices are zero.

    Returns
    -------
    float
        Dimensionless; 0 for a network that starts with a layer of zeros, as `models.Fixup` does.

    References
    ----------
    Wen, Li & Jia, Definition 7; Bartlett, Foster & Telgarsky (2017), equation 1.2.

    Examples
    --------
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).eval()
    >>> for layer, values in ((model[1], [[3.0, 0.0], [0.0, 1.0]]), (model[3], [[0.0, 2.0]])):
    ...     layer.weight.data = torch.tensor(values)
    >>> spectral_complexity(model, (1, 1, 2))
    6.0
    """
    if kind not in ("product", "bartlett"):
        raise ValueError(f'kind is "product" or "bartlett"; got {kind!r}')
    norms = spectral_norms(model, shape, reading)
    product = math.prod(norms.values())
    if kind == "product" or product == 0:
        return product
    rows = {n: _row_norms(*v, reading) for n, v in layer_shapes(model, shape).items()}
    return product * sum((rows[n] / norm) ** (2 / 3) for n, norm in norms.items()) ** 1.5


def _row_norms(layer, met, reading):
    """Sum of the l2 norms of the rows of a layer's matrix."""
    squares = layer.weight.detach().double().square()
    if isinstance(layer, nn.Linear) or reading == "reshaped":
        return squares.flatten(1).sum(1).sqrt().sum().item()
    if reading == "circular":
        pixels = math.prod(met[1:]) // math.prod(layer.stride)
        return pixels * squares.flatten(1).sum(1).sqrt().sum().item()
    # What a row weighs pixels inside the map with: squared weights where there are ones.
    return F.conv2d(squares.new_ones((1, *met)), squares, **how_applied(layer)).sqrt().sum().item()
