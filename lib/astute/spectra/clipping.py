"""Layers with their singular values brought to a bound."""

import math

import torch
from torch import nn

from .values import conv_singular_values, layer_shapes


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
