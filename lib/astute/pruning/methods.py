"""M1, M2 and M3 of Wu et al., and controls: a model in, a model with other weights out."""

import copy
import math
from dataclasses import dataclass

import torch

from .layers import gram, hidden, linear, uppermost

RULES = ("quantile", "threshold")


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
    kept = gram(weight)[1][:, cut:]
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
        upper, dense = uppermost(model, self.layer), linear(model, self.layer)
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
            for name, layer in hidden(new).items():
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
