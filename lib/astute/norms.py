"""Norm balls around images: size, projection, steepest ascent, random point."""

import math

import torch

NORMS = ("linf", "l2")


def check(norm, eps=None):
    """Refuse a norm that is not on the list and a radius that is not in pixel units.

    Raises
    ------
    ValueError
        If ``norm`` is unknown, if ``eps`` is negative, or if an linf ``eps`` exceeds 1.
    """
    if norm not in NORMS:
        raise ValueError(f"norm is one of {', '.join(NORMS)}; got {norm!r}")
    if eps is not None and not 0 <= eps <= (1 if norm == "linf" else float("inf")):
        raise ValueError(
            f"eps is in pixel units, [0, 1]; got {eps:g}. For 8-bit levels write {eps:g} / 255"
        )


def _per_image(values, x):
    """(N,) -> (N, 1, ...): ready to scale images."""
    return values.view(-1, *[1] * (x.dim() - 1))


def size(delta, norm):
    """(N, ...) -> (N,): the norm of each perturbation, pixel units.

    Examples
    --------
    >>> size(torch.tensor([[3.0, -4.0]]), "l2"), size(torch.tensor([[3.0, -4.0]]), "linf")
    (tensor([5.]), tensor([4.]))
    """
    check(norm)
    return delta.flatten(1).norm(p=2 if norm == "l2" else float("inf"), dim=1)


def project(delta, norm, eps):
    """(N, ...) -> (N, ...): the nearest point of the ball of radius ``eps`` (Euclidean sense)."""
    check(norm, eps)
    if norm == "linf":
        return delta.clamp(-eps, eps)
    length = size(delta, "l2").clamp_min(torch.finfo(delta.dtype).tiny)
    return delta * _per_image((eps / length).clamp(max=1), delta)


def ascent(gradient, norm):
    """(N, ...) -> (N, ...): the unit step that increases a linear function most; 0 where flat."""
    check(norm)
    if norm == "linf":
        return gradient.sign()
    tiny = torch.finfo(gradient.dtype).tiny
    # Squares of small gradients vanish (those of a sure network are 1e-20): to unit size first.
    gradient = gradient / _per_image(size(gradient, "linf").clamp_min(tiny), gradient)
    return gradient / _per_image(size(gradient, "l2").clamp_min(tiny), gradient)


def random_point(x, norm, eps, generator=None):
    """A perturbation (N, ...) drawn uniformly from the ball of radius ``eps``, one an image."""
    check(norm, eps)
    kw = {"generator": generator, "device": x.device, "dtype": x.dtype}
    if norm == "linf":
        return (2 * torch.rand(x.shape, **kw) - 1) * eps
    direction = ascent(torch.randn(x.shape, **kw), "l2")
    # Radius of a uniform point in D dimensions: the D-th root of a uniform number.
    radius = eps * torch.rand(len(x), **kw) ** (1 / math.prod(x.shape[1:]))
    return direction * _per_image(radius, x)
