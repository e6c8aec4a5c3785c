"""All singular values of a layer, in each of the three readings."""

import torch
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
