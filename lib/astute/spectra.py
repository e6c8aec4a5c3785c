"""Singular values of the linear maps inside a network: by how much each layer stretches.

Three readings of "the singular values of a convolution" are kept apart, because they differ:

``"reshaped"``  of the kernel as a C_out x (C_in kH kW) matrix, which is what a weight file holds;
``"circular"``  of the layer on its own feature map with wrap-around padding, all frequencies of it
                (Sedghi et al. 2019; the reading of Wen, Li & Jia);
``"exact"``     of the layer as it is applied, its own padding, stride, groups and dilation.

For dense layers the three are one.
"""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import eigh_tridiagonal, lapack
from torch import nn

READINGS = ("reshaped", "circular", "exact")

#: Largest dense matrix that "exact" writes out, in entries: 256 MB in float64.
LARGEST = 2**25


def dense_singular_values(weight):
    """Singular values of a matrix (out, in), descending: (min(out, in),).

    Examples
    --------
    >>> dense_singular_values(torch.tensor([[3.0, 0.0, 0.0], [0.0, -4.0, 0.0]]))
    tensor([4., 3.])
    """
    if weight.dim() != 2:
        raise ValueError(f"a dense weight has shape (out, in); got {tuple(weight.shape)}")
    return torch.linalg.svdvals(weight.detach())


def conv_singular_values(kernel, size, stride=1):
    """Singular values of a 2-D convolution with circular padding.

    The Fourier basis turns the convolution into one C_out x C_in matrix per frequency. A stride s
    keeps every s-th pixel, which folds s^2 frequencies onto one; in unitary bases the matrix of an
    output frequency is the s^2 folded ones side by side, divided by s. Kernels are real, so that a
    frequency and its negative have conjugate matrices and the same singular values: only one of
    the two is decomposed.

    Parameters
    ----------
    kernel : Tensor, shape (C_out, C_in, kH, kW)
        Filter taps, as in ``torch.nn.Conv2d.weight``.
    size : (int, int)
        Height and width (H, W) of the input feature map, in pixels.
    stride : int
        Divides H and W.

    Returns
    -------
    Tensor, shape (H / stride, W / stride, min(C_out, stride^2 C_in))
        Gains, dimensionless: L2 norm out over L2 norm in, descending along the last axis; the
        first two axes are the output frequencies in the order of ``torch.fft.fft2``.

    Raises
    ------
    ValueError
        If the kernel has not four axes or is larger than the map, if the stride does not divide
        the map's sides.

    References
    ----------
    Sedghi, Gupta & Long (2019), "The Singular Values of Convolutional Layers", Theorem 6, which is
    the case of stride 1.

    Examples
    --------
    A blur keeps the mean and removes the checkerboard; the gains of one row of four pixels:

    >>> conv_singular_values(torch.tensor([[[[0.5, 0.5]]]]), (1, 4)).flatten()
    tensor([1.0000, 0.7071, 0.0000, 0.7071])
    """
    if kernel.dim() != 4:
        raise ValueError(f"a kernel has shape (C_out, C_in, kH, kW); got {tuple(kernel.shape)}")
    height, width = size
    if kernel.shape[2] > height or kernel.shape[3] > width:
        raise ValueError(
            f"the kernel is {kernel.shape[2]} x {kernel.shape[3]} pixels, larger than its "
            f"{height} x {width} feature map; size is the layer's input, (H, W)"
        )
    if stride < 1 or height % stride or width % stride:
        raise ValueError(
            f"stride {stride} does not divide the {height} x {width} map, so that the layer is no "
            'convolution on a torus; use the reading "exact"'
        )
    rows, columns = height // stride, width // stride
    half = columns // 2 + 1
    if stride == 1:
        matrices = torch.fft.rfft2(kernel.detach(), s=(height, width)).permute(2, 3, 0, 1)
    else:
        matrices = _fold(torch.fft.fft2(kernel.detach(), s=(height, width)), stride, half)
    once, place = _frequencies(rows, columns, kernel.device)
    return torch.linalg.svdvals(matrices.flatten(0, 1)[once])[place]


def _frequencies(rows, columns, device):
    """One of each pair (i, j), (-i, -j), as places in the half plane; which one of them is where.

    Returns
    -------
    Tensor (F,), Tensor (rows, columns)
        Places in a (rows, columns // 2 + 1) grid; for every frequency its number among them.
    """
    i = torch.arange(rows, device=device)[:, None]
    j = torch.arange(columns, device=device)
    # Frequencies 0 and columns / 2 are their own negatives: there i decides.
    other = (2 * j > columns) | ((2 * j % columns == 0) & (2 * i > rows))
    place = torch.where(other, -i % rows, i) * (columns // 2 + 1)
    place = place + torch.where(other, -j % columns, j)
    return place.unique(return_inverse=True)


def _fold(transform, stride, half):
    """(C_out, C_in, H, W) -> (H/s, half, C_out, s^2 C_in): one matrix per output frequency."""
    c_out, c_in, height, width = transform.shape
    rows, columns = height // stride, width // stride
    # Frequency i + a H/s of the input appears as frequency i of the output.
    parts = transform.reshape(c_out, c_in, stride, rows, stride, columns)[..., :half]
    folded = parts.permute(3, 5, 0, 2, 4, 1)
    return folded.reshape(rows, half, c_out, stride**2 * c_in) / stride


def operator_matrix(layer, shape):
    """The matrix of an affine layer, one column per input number, its bias left out.

    Parameters
    ----------
    layer : nn.Module
        Linear up to a constant: ``Linear``, ``Conv2d`` with any padding, average pooling.
    shape : tuple of int
        Of one input, without the batch axis: (C, H, W) or (D,).

    Returns
    -------
    Tensor, shape (numbers out, numbers in)

    Raises
    ------
    ValueError
        If the matrix would have more than `LARGEST` entries.
    """
    weight = next(iter(layer.parameters()), torch.zeros(()))
    zero = weight.new_zeros((1, *shape))
    with torch.no_grad():
        constant = layer(zero)
        if constant.numel() * zero.numel() > LARGEST:
            raise ValueError(
                f"the matrix of this layer has {constant.numel()} x {zero.numel()} entries, more "
                f'than {LARGEST}; use the reading "circular"'
            )
        basis = torch.eye(zero.numel(), dtype=zero.dtype, device=zero.device)
        return (layer(basis.view(-1, *shape)) - constant).flatten(1).T


def _conv(layer, shape, reading):
    """All singular values of one ``Conv2d`` on inputs of ``shape`` (C, H, W)."""
    if reading == "reshaped":
        return dense_singular_values(layer.weight.flatten(1))
    if reading == "exact":
        return dense_singular_values(operator_matrix(layer, shape))
    if layer.groups > 1 or set(layer.dilation) != {1} or layer.stride[0] != layer.stride[1]:
        raise ValueError(
            f'the reading "circular" covers one group, no dilation and one stride for both axes; '
            f"got {layer}"
        )
    return conv_singular_values(layer.weight, shape[1:], layer.stride[0]).flatten()


def layer_singular_values(model, shape, reading="circular"):
    """All singular values of every dense and convolutional layer of a network.

    Feature-map sizes are those the layers meet when one blank image passes through.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    shape : (int, int, int)
        Of one image, (C, H, W).
    reading : {"circular", "reshaped", "exact"}

    Returns
    -------
    dict of str to Tensor (n,)
        By the layer's name, in the order of the forward pass, descending, on the model's device
        and in its precision.

    Raises
    ------
    ValueError
        If the reading is unknown or does not cover a layer, if the model is in training mode.

    Examples
    --------
    >>> from astute.models import MLP
    >>> {name: len(values) for name, values in
    ...  layer_singular_values(MLP(sizes=(784, 64, 10))(seed=0).eval(), (1, 28, 28)).items()}
    {'fc1': 64, 'fc2': 10}
    """
    if reading not in READINGS:
        raise ValueError(f"reading is one of {', '.join(READINGS)}; got {reading!r}")
    return {
        name: (
            dense_singular_values(layer.weight)
            if isinstance(layer, nn.Linear)
            else _conv(layer, met, reading).sort(descending=True).values
        )
        for name, (layer, met) in layer_shapes(model, shape).items()
    }


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
    left = _left_over(kernels[0], size, stride, padding, dilation)
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


def _left_over(kernel, size, stride, padding, dilation):
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
            alike.setdefault((met, layer.weight.shape, *_how(layer).items()), []).append(name)
    for (met, _, *how), names in alike.items():
        kernels = torch.stack([layers[name][0].weight.detach() for name in names])
        values = conv_spectral_norms(kernels, met[1:], **dict(how), tolerance=tolerance)
        found |= dict(zip(names, values.tolist(), strict=True))
    return {name: found[name] for name in layers}


def _how(layer):
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
    return F.conv2d(squares.new_ones((1, *met)), squares, **_how(layer)).sqrt().sum().item()


def clip_kernel(kernel, size, bound, rounds=20):
    """The kernel with its circular singular values brought to a bound.

    Singular values are cut at every frequency, taps outside the kernel's support are dropped, which
    lifts some values again, and so on; each is a projection, so that the values come down together.
    What is still too much after the rounds goes by one factor: the bound is met, always.

    Parameters
    ----------
    kernel : Tensor, shape (C_out, C_in, kH, kW)
    size : (int, int)
        Height and width (H, W) of the input feature map, in pixels.
    bound : float
        Greatest gain, more than 0. Met on the torus of this size with stride 1, and so with any
        stride, which only drops outputs; under zero padding to about one part in the map's side.
    rounds : int
        1 and no factor is what Sedghi et al. do.

    Returns
    -------
    Tensor, shape (C_out, C_in, kH, kW)
        The same kernel if it met the bound.

    Raises
    ------
    ValueError
        If the bound is not positive, and as `conv_singular_values`.

    References
    ----------
    Sedghi, Gupta & Long (2019), section 3, "Clipping to be bounded by a constant".

    Examples
    --------
    >>> kernel = torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    >>> conv_singular_values(clip_kernel(kernel, (8, 8), 2.0), (8, 8)).max().round(decimals=4)
    tensor(2.)
    """
    _check_bound(bound)
    new, (high, wide) = kernel.detach(), kernel.shape[2:]
    largest = conv_singular_values(new, size).max().item()
    for _ in range(rounds):
        if largest <= bound:
            break
        spectrum = torch.fft.rfft2(new, s=size).permute(2, 3, 0, 1)
        u, values, vh = torch.linalg.svd(spectrum, full_matrices=False)
        cut = (u * values.clamp(max=bound).unsqueeze(-2)) @ vh
        new = torch.fft.irfft2(cut.permute(2, 3, 0, 1), s=size)[..., :high, :wide]
        largest = conv_singular_values(new, size).max().item()
    return (new * min(1.0, bound / largest) if largest else new).to(kernel.dtype).contiguous()


def _check_bound(bound):
    if not 0 < bound < math.inf:
        raise ValueError(f"a bound on spectral norms is a positive number; got {bound:g}")


@torch.no_grad()
def clip_norms(model, shape, bound, rounds=20):
    """Clip every layer of a network, in place, to a spectral norm: at the end of an epoch.

    Convolutions as `clip_kernel` has it, at the size of map they meet; dense layers exactly.

    Parameters
    ----------
    model, shape
        As for `layer_singular_values`; the model's weights change.
    bound : float
    rounds : int

    Returns
    -------
    dict of str to (float, float)
        By the layer's name: circular spectral norm (stride 1) before and after.

    References
    ----------
    Wen, Li & Jia, appendix ("SP 1", "SP 3", "SP 5").
    """
    _check_bound(bound)
    found = {}
    for name, (layer, met) in layer_shapes(model, shape).items():
        if isinstance(layer, nn.Linear):
            u, values, vh = torch.linalg.svd(layer.weight, full_matrices=False)
            found[name] = values[0].item(), min(values[0].item(), bound)
            if values[0] > bound:
                layer.weight.copy_((u * values.clamp(max=bound)) @ vh)
            continue
        if layer.groups > 1 or set(layer.dilation) != {1}:
            raise ValueError(f"clipping covers one group and no dilation; got {layer}")
        before = conv_singular_values(layer.weight, met[1:]).max().item()
        if before > bound:
            layer.weight.copy_(clip_kernel(layer.weight, met[1:], bound, rounds))
        found[name] = before, conv_singular_values(layer.weight, met[1:]).max().item()
    return found


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
    >>> layer = nn.Conv2d(1, 1, 1, bias=False)
    >>> nn.init.constant_(layer.weight, 2.0).shape
    torch.Size([1, 1, 1, 1])
    >>> found = estimated_summary(layer, (1, 3, 4))
    >>> found["n"], *(round(found[key], 2) for key in ("mean", "spread", "largest"))
    (12, 2.0, 0.0, 2.0)
    """
    if probes < 2:
        raise ValueError(f"a standard error needs two probes; got {probes}")
    how, weight = _how(layer), layer.weight.detach().contiguous()
    out = F.conv2d(weight.new_zeros(1, *shape), weight, **how).shape[1:]
    inside, outside = math.prod(shape), math.prod(out)
    n, wide = min(inside, outside), outside < inside
    left = _left_over(weight, shape[1:], *(how[k] for k in ("stride", "padding", "dilation")))

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


def layer_shapes(model, shape):
    """Name to (layer, shape of one input) for each dense and convolutional layer, in order met."""
    if model.training:
        raise ValueError("a measure needs the model in evaluation mode; call model.eval() first")
    met = {}
    hooks = [
        part.register_forward_pre_hook(
            lambda layer, args, name=name: met.update({name: (layer, tuple(args[0].shape[1:]))})
        )
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            model(next(model.parameters()).new_zeros((1, *shape)))
    finally:
        for hook in hooks:
            hook.remove()
    return met


def spread(values):
    """Standard deviation of all singular values of a layer (divided by n, not n - 1).

    Examples
    --------
    >>> spread(torch.tensor([3.0, 1.0])).item()
    1.0
    """
    return values.std(correction=0)


def summary(values):
    """All singular values of a layer as plain numbers, for a record.

    Examples
    --------
    >>> summary(torch.tensor([3.0, 1.0]))
    {'n': 2, 'spread': 1.0, 'mean': 2.0, 'largest': 3.0, 'smallest': 1.0}
    """
    values = values.double()
    return {
        "n": len(values),
        "spread": spread(values).item(),
        "mean": values.mean().item(),
        "largest": values.max().item(),
        "smallest": values.min().item(),
    }
