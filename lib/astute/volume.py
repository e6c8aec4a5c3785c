"""Perturbable volume: how much of the linf ball around an image lies inside the pixel box."""

from . import attacks


def log2_volume(x, eps):
    """log2 of the volume of [x - eps, x + eps]^D intersected with [0, 1]^D, for each image.

    Parameters
    ----------
    x : Tensor, shape (N, C, H, W)
        Images in [0, 1].
    eps : float
        Radius, pixel units, in (0, 1].

    Returns
    -------
    float64 Tensor, shape (N,)
        Bits, between D log2(eps), every pixel on a corner, and D log2(2 eps), none within eps of
        one (the upper end needs eps <= 1/2).

    References
    ----------
    Ding et al., appendix D.1 and table 6.

    Examples
    --------
    >>> import torch
    >>> log2_volume(torch.tensor([[[[0.0, 0.5, 1.0]]]]), 0.25)  # 1/4 * 1/2 * 1/4
    tensor([-5.], dtype=torch.float64)
    """
    attacks.check_images(x)
    if not 0 < eps <= 1:
        raise ValueError(f"eps is in pixel units, (0, 1]; got {eps:g}")
    x = x.double().flatten(1)
    return ((x + eps).clamp(max=1) - (x - eps).clamp(min=0)).log2().sum(1)
