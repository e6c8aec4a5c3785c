"""Weights of a trained network removed or changed: M1, M2 and M3 of Wu et al., and controls.

A layer's weight W has shape (units out, units in), as in ``torch.nn.Linear``: the transpose of the
paper's θ. Its columns, the outputs, are our rows; its ``||θ||_inf`` is our ``induced_l1``.
Every method is called on a model and returns a new one; the model itself stays as it was.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn

RULES = ("quantile", "threshold")


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


def _uppermost(model, layer):
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
    upper, counts = _uppermost(model, layer), []

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
    for name, layer in _hidden(model).items():

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


def _hidden(model):
    """Dense and convolutional layers by name, without the uppermost: its outputs are classes."""
    kinds = (nn.Linear, nn.Conv2d)
    return dict([(n, m) for n, m in model.named_modules() if isinstance(m, kinds)][:-1])


def _gram(weight):
    """Eigenvalues (ascending) and eigenvectors of the smaller of W Wᵀ and Wᵀ W, double precision.

    In double precision a singular value is exact to about 1e-8 of the largest: less than one
    rounding of a single-precision weight, at an eighth of the time of a full decomposition.
    """
    w = weight.detach().double()
    return torch.linalg.eigh(w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w)


def singular_values(weight):
    """(out, in) -> (min(out, in),): singular values, descending, double precision."""
    return _gram(weight)[0].clamp_min(0).sqrt().flip(0)


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


def _check(p, rule=None):
    if not 0 <= p <= 100:
        raise ValueError(f"p is in per cent, 0..100; got {p:g}")
    if rule is not None and rule not in RULES:
        raise ValueError(f'rule is "quantile" or "threshold"; got {rule!r}')


def _share(p, count):
    """The number of components that p per cent of ``count`` are, rounded down."""
    return math.floor(p * count / 100)


def removed_units(active, p, rule="quantile"):
    """Which units M1 removes.

    Parameters
    ----------
    active : Tensor, shape (units,)
        From `activity`.
    p : float
        Per cent.
    rule : {"quantile", "threshold"}
        "quantile": the p % of units that are least active (rounded down; of equal ones the first).
        "threshold": the units that are active for less than p % of the images, be they none or all.

    Returns
    -------
    Tensor of bool, shape (units,)

    Examples
    --------
    >>> active = torch.tensor([0.9, 0.1, 0.2, 0.3])
    >>> removed_units(active, 50).tolist(), removed_units(active, 15, "threshold").tolist()
    ([False, True, True, False], [False, True, False, False])
    """
    _check(p, rule)
    if rule == "threshold":
        return active < p / 100
    removed = torch.zeros(len(active), dtype=torch.bool, device=active.device)
    removed[active.argsort(stable=True)[: _share(p, len(active))]] = True
    return removed


def _changed(model, layer, change):
    """A copy of the model, same mode, with ``change(weight, bias)`` made to one layer in place."""
    new = copy.deepcopy(model)
    dense = linear(new, layer)
    with torch.no_grad():
        change(dense.weight, dense.bias)
    return new


def _low_rank(weight, p):
    """W without its floor(p r / 100) smallest singular values; W itself where that is none."""
    cut = _share(p, min(weight.shape))
    if cut == 0:
        return weight.detach().clone()
    kept = _gram(weight)[1][:, cut:]
    w = weight.detach().double()
    new = kept @ (kept.T @ w) if weight.shape[0] <= weight.shape[1] else (w @ kept) @ kept.T
    return new.to(weight.dtype)


@dataclass(frozen=True, kw_only=True)
class M1:
    """Units of low activity removed; Wu et al., "Improving Robustness by Perturbing Weights".

    A hidden layer loses outputs (rows of W and their biases), the uppermost one inputs (columns).
    No norm of `matrix_norms` grows, and the element-wise l1 norm falls unless all that was removed
    was zero. Of the two induced norms the one made of sums *along* the removed dimension falls:
    ``induced_l1`` when outputs go, ``induced_linf`` when inputs go, each only if every greatest
    sum is touched; the other one falls only if all greatest rows (columns) are themselves removed.

    Attributes
    ----------
    p : float
        Per cent, 0..100.
    layer : str
    rule : {"quantile", "threshold"}
        See `removed_units`; the paper's text says both.
    """

    p: float
    layer: str = "fc1"
    rule: str = "quantile"

    def __post_init__(self):
        _check(self.p, self.rule)

    @property
    def label(self):
        return f"M1 {self.rule}"

    def __call__(self, model, active):
        """``active``: from `activity`, on the unmodified model."""
        upper, dense = _uppermost(model, self.layer), linear(model, self.layer)
        units = dense.weight.shape[1 if upper else 0]
        if active.shape != (units,):
            raise ValueError(
                f"activity has one value for each of the {units} "
                f"{'inputs' if upper else 'outputs'} of {self.layer}; got {tuple(active.shape)}"
            )
        removed = removed_units(active, self.p, self.rule)

        def change(weight, bias):
            if upper:
                weight[:, removed] = 0
                return
            weight[removed] = 0
            if bias is not None:
                bias[removed] = 0

        return _changed(model, self.layer, change)


@dataclass(frozen=True, kw_only=True)
class M2:
    """The trailing floor(p r / 100) of the r singular values set to zero; same paper.

    The nearest matrix of that rank: Frobenius and spectral norm do not grow. The element-wise l1
    norm and the induced ones can.

    Attributes
    ----------
    p : float
        Per cent, 0..100; too small a p changes nothing.
    layer : str
    """

    p: float
    layer: str = "fc1"

    label = "M2"

    def __post_init__(self):
        _check(self.p)

    def __call__(self, model, active=None):
        """``active`` is not used: taken so that all methods are called alike."""
        return _changed(model, self.layer, lambda w, bias: w.copy_(_low_rank(w, self.p)))


@dataclass(frozen=True, kw_only=True)
class M3:
    """M2, then M1 with the activity of the unmodified model; the paper leaves the order open.

    Attributes
    ----------
    p : float
        Per cent of both.
    layer : str
    rule : {"quantile", "threshold"}
        Of M1.
    """

    p: float
    layer: str = "fc1"
    rule: str = "quantile"

    label = "M3"

    def __post_init__(self):
        _check(self.p, self.rule)

    def __call__(self, model, active):
        """``active``: from `activity`, on the unmodified model."""
        smaller = M2(p=self.p, layer=self.layer)(model)
        return M1(p=self.p, layer=self.layer, rule=self.rule)(smaller, active)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Gaussian noise on W, of the Frobenius norm of what M1 or M2 removes: a change, no shrinkage.

    Not in the paper. What it gains against adversarials made for the unmodified model is gained
    by changing the weights, not by shrinking them.

    Attributes
    ----------
    p : float
        Per cent of the method whose change is matched.
    layer : str
    like : {"M1", "M2"}
        M1 by quantile.
    seed : int
    """

    p: float
    layer: str = "fc1"
    like: str = "M2"
    seed: int = 0

    def __post_init__(self):
        _check(self.p)
        if self.like not in ("M1", "M2"):
            raise ValueError(f'like is "M1" or "M2"; got {self.like!r}')

    @property
    def label(self):
        return f"noise like {self.like}"

    def __call__(self, model, active=None):
        """``active``: from `activity`, on the unmodified model; M2's change does not need it."""
        method = (M1 if self.like == "M1" else M2)(p=self.p, layer=self.layer)
        target = linear(method(model, active), self.layer).weight

        def change(weight, bias):
            # Drawn on the CPU, so that every device adds the same noise.
            generator = torch.Generator().manual_seed(self.seed)
            noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            length = (weight - target).double().norm().item()
            weight += (noise * (length / noise.norm())).to(weight)

        return _changed(model, self.layer, change)


def _least(weight, p):
    """(out, in) without its floor(p n / 100) entries of least size; of equal ones the first."""
    new = weight.detach().clone().flatten()
    new[new.abs().argsort(stable=True)[: _share(p, len(new))]] = 0
    return new.view(weight.shape)


@dataclass(frozen=True, kw_only=True)
class Magnitude:
    """The p per cent of a layer's weights that are smallest set to zero (Han et al. 2015).

    Not in the paper: the usual way to remove weights. Of all ways to remove so many entries the
    one that changes W least, in the Frobenius norm.

    Attributes
    ----------
    p : float
        Per cent, 0..100.
    layer : str
    """

    p: float
    layer: str = "fc1"

    label = "magnitude"

    def __post_init__(self):
        _check(self.p)

    def __call__(self, model, active=None):
        """``active`` is not used: taken so that all methods are called alike."""
        return _changed(model, self.layer, lambda w, bias: w.copy_(_least(w, self.p)))


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A dense layer's weight and bias times 1 - p/100: every norm falls by p per cent.

    Not in the paper: shrinkage and nothing else. On the uppermost layer it divides the logits by a
    temperature: no prediction changes, so that no adversarial becomes one or ceases to be one.

    Attributes
    ----------
    p : float
        Per cent, 0 up to, not including, 100.
    layer : str
    inverse : bool
        Divide by 1 - p/100 instead: the norms grow. p = 99.9 on the uppermost layer makes the
        logits a thousand times larger, which drives the cross-entropy's gradients to zero.
    """

    p: float
    layer: str = "fc1"
    inverse: bool = False

    def __post_init__(self):
        if not 0 <= self.p < 100:
            raise ValueError(f"p is in per cent, 0 up to but not 100; got {self.p:g}")

    @property
    def label(self):
        return f"{'enlarged' if self.inverse else 'scaled'} {self.layer}"

    def __call__(self, model, active=None):
        """``active`` is not used: taken so that all methods are called alike."""
        factor = 1 - self.p / 100
        factor = 1 / factor if self.inverse else factor

        def change(weight, bias):
            weight *= factor
            if bias is not None:
                bias *= factor

        return _changed(model, self.layer, change)


@dataclass(frozen=True, kw_only=True)
class EveryLayer:
    """One method in every layer but the uppermost, convolutions included.

    Not in the paper, which changes one dense layer. A convolution's W is its kernel as a matrix
    (C_out, C_in kH kW); its units are its output channels.

    Attributes
    ----------
    p : float
        Per cent, the same in every layer.
    method : {"M1", "M2", "M3", "magnitude", "noise"}
        M1 by quantile; noise as long as M2's change of each layer.
    seed : int
        Of the noise.
    """

    p: float
    method: str = "M2"
    seed: int = 0

    def __post_init__(self):
        _check(self.p)
        if self.method not in ("M1", "M2", "M3", "magnitude", "noise"):
            raise ValueError(
                f'method is "M1", "M2", "M3", "magnitude" or "noise"; got {self.method!r}'
            )

    @property
    def label(self):
        return f"{self.method}, all layers"

    def __call__(self, model, active):
        """``active``: from `activities`, on the unmodified model; M1 and M3 need it."""
        new = copy.deepcopy(model)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for name, layer in _hidden(new).items():
                w = layer.weight.detach().reshape(len(layer.weight), -1)
                if self.method in ("M2", "M3", "noise"):
                    low = _low_rank(w, self.p)
                if self.method == "noise":
                    noise = torch.randn(w.shape, generator=generator, dtype=torch.float64)
                    length = (w - low).double().norm().item()
                    w = w + (noise * (length / noise.norm())).to(w)
                elif self.method == "magnitude":
                    w = _least(w, self.p)
                else:
                    w = w.clone() if self.method == "M1" else low
                if self.method in ("M1", "M3"):
                    removed = removed_units(active[name], self.p)
                    w[removed] = 0
                    if layer.bias is not None:
                        layer.bias[removed] = 0
                layer.weight.copy_(w.view(layer.weight.shape))
        return new


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
