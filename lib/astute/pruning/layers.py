"""The layers that weights are removed from: their activity, singular values and norms."""

import torch
from torch import nn


def linear(model, layer):
    """The dense layer of this name.

    Raises
    ------
    ValueError
        With the names of the dense layers there are.
    """
    dense = linears(model)
    if layer not in dense:
        raise ValueError(
            f"layer is one of the dense layers {', '.join(dense) or '(none)'}; got {layer!r}"
        )
    return dense[layer]


def linears(model):
    """Dense layers by name, from the images up; the last one is the uppermost."""
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}


def uppermost(model, layer):
    """Whether a dense layer is the last one, whose outputs are the logits."""
    linear(model, layer)
    return layer == list(linears(model))[-1]


def activity(model, x, layer, batch_size=500):
    """How often each unit of a dense layer is active.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; after a hidden dense layer comes a ReLU.
    x : Tensor, shape (N, ...)
        What the model takes: images, or features if the model is the upper part of a network.
    layer : str
        Name of a dense layer.

    Returns
    -------
    Tensor, shape (units,)
        Fraction of the N inputs for which the unit is not zero: the outputs after ReLU of a hidden
        layer, the inputs of the uppermost one. These are the units that `M1` removes.

    Raises
    ------
    ValueError
        If there is no such layer, or the model is in training mode, where dropout turns units off.
    """
    if model.training:
        raise ValueError("activity needs the model in evaluation mode; call model.eval() first")
    upper, counts = uppermost(model, layer), []

    def count(module, inputs, output):
        active = inputs[0] != 0 if upper else output > 0
        counts.append(active.sum(0, dtype=torch.float64))

    hook = linear(model, layer).register_forward_hook(count)
    try:
        with torch.no_grad():
            for part in x.split(batch_size):
                model(part)
    finally:
        hook.remove()
    return torch.stack(counts).sum(0) / len(x)


def activities(model, x, batch_size=500):
    """How often each unit of every layer with weights is active: what `EveryLayer` needs.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    x : Tensor, shape (N, C, H, W)

    Returns
    -------
    dict of Tensor, shape (units,)
        For every layer but the uppermost, by name: the fraction of the N images (in a convolution:
        and of the places) at which the unit's output is positive.

    Raises
    ------
    ValueError
        If the model is in training mode.
    """
    if model.training:
        raise ValueError("activity needs the model in evaluation mode; call model.eval() first")
    counts, hooks = {}, []
    for name, layer in hidden(model).items():

        def count(module, inputs, output, name=name):
            active = (output > 0).flatten(2).double().mean(2) if output.dim() > 2 else output > 0
            counts.setdefault(name, []).append(active.sum(0, dtype=torch.float64))

        hooks.append(layer.register_forward_hook(count))
    try:
        with torch.no_grad():
            for part in x.split(batch_size):
                model(part)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.stack(parts).sum(0) / len(x) for name, parts in counts.items()}


def hidden(model):
    """Dense and convolutional layers by name, without the uppermost: its outputs are classes."""
    kinds = (nn.Linear, nn.Conv2d)
    return dict([(n, m) for n, m in model.named_modules() if isinstance(m, kinds)][:-1])


def gram(weight):
    """Eigenvalues (ascending) and eigenvectors of the smaller of W Wᵀ and Wᵀ W, double precision.

    In double precision a singular value is exact to about 1e-8 of the largest: less than one
    rounding of a single-precision weight, at an eighth of the time of a full decomposition.
    """
    w = weight.detach().double()
    return torch.linalg.eigh(w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w)


def singular_values(weight):
    """(out, in) -> (min(out, in),): singular values, descending, double precision."""
    return gram(weight)[0].clamp_min(0).sqrt().flip(0)


def matrix_norms(weight):
    """The norms of a matrix that the paper speaks of, under their own names.

    Parameters
    ----------
    weight : Tensor, shape (out, in)

    Returns
    -------
    dict of float
        ``l1`` and ``frobenius``, element-wise; ``induced_l1``, the greatest column sum (gain from
        the l1 norm of the inputs to that of the outputs); ``induced_linf``, the greatest row sum
        (gain in the linf norm); ``spectral``, the greatest singular value.

    Examples
    --------
    >>> matrix_norms(torch.tensor([[3.0, 0.0], [4.0, 0.0]]))["frobenius"]
    5.0
    >>> [matrix_norms(torch.tensor([[3.0, 0.0], [4.0, 0.0]]))[k] for k in ("l1", "induced_linf")]
    [7.0, 4.0]
    """
    size = weight.detach().double().abs()
    return {
        "l1": size.sum().item(),
        "frobenius": size.square().sum().sqrt().item(),
        "induced_l1": size.sum(0).max().item(),
        "induced_linf": size.sum(1).max().item(),
        "spectral": singular_values(weight)[0].item(),
    }


def split(model, layer):
    """A plain sequence of layers cut before ``layer``: the lower part and the upper part.

    Both share their weights with the model. The upper part is all that a method changes, so the
    features below it need to be computed once only.

    Parameters
    ----------
    model : nn.Sequential
    layer : str
        Name of a dense layer directly inside the model.

    Returns
    -------
    nn.Sequential, nn.Sequential
    """
    linear(model, layer)
    if not isinstance(model, nn.Sequential) or layer not in model._modules:
        raise ValueError(f"only an nn.Sequential that holds {layer!r} itself can be cut before it")
    at = list(model._modules).index(layer)
    parts = model[:at], model[at:]
    for part in parts:
        part.training = model.training  # of the fresh container; the layers keep their own
    return parts
