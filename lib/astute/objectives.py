"""What training minimises: frozen values called on a module and a batch.

Each returns the scalar to descend and the logits it was computed from, in training mode; ``each``
returns the losses of the images, of which the scalar is the mean. Where a paper's code sums them
(Yang et al.), its learning rate is larger by the size of a batch.
"""

import contextlib
import os
import weakref
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from . import attacks, certified, losses, models, norms, values

MODES = ("eval", "train")
PRECISIONS = ("float32", "bfloat16")


@contextlib.contextmanager
def _attacked(model, x, mode="eval", precision="float32"):
    """What an inner maximisation sees: the model in a mode, and how exactly it multiplies.

    Only products are rounded to bfloat16: images, steps and losses keep their precision.
    """
    _check(mode, precision)
    seen = models.evaluating(model) if mode == "eval" else contextlib.nullcontext()
    captured = x.is_cuda and os.environ.get("ASTUTE_CAPTURE") == "1"
    half = precision == "bfloat16"
    # Inside a captured graph a weight's rounded copy must be made anew at every pass.
    with seen, torch.autocast(x.device.type, torch.bfloat16, half, not captured):
        yield _graph(model, x, (mode, precision)) if captured else model


_GRAPHS = weakref.WeakKeyDictionary()


def _graph(model, x, how):
    """The model's passes to logits and back to the images as CUDA graphs, replayed at every step.

    Small networks spend most of their time on a GPU waiting for launches. A graph reads weights
    where they lie, so that one capture serves a whole training. Its speed has not been measured,
    and it has not run on a GPU: that is why it has to be asked for by ``ASTUTE_CAPTURE=1``.
    """
    graphs = _GRAPHS.setdefault(model, {})
    key = (tuple(x.shape), x.dtype, *how)
    if key not in graphs:
        # A function, not the module: then no graph is made for gradients of weights.
        sample, reference = x.clone().requires_grad_(), weakref.ref(model)
        graphs[key] = torch.cuda.make_graphed_callables(
            lambda images: reference()(images), (sample,)
        )
    return graphs[key]


def _check(mode, precision="float32"):
    if mode not in MODES:
        raise ValueError(f'mode is "eval" or "train"; got {mode!r}')
    if precision not in PRECISIONS:
        raise ValueError(f'precision is "float32" or "bfloat16"; got {precision!r}')


def _replayed(x):
    """Random numbers drawn inside are drawn again after: the next pass meets the same dropout.

    A difference of two losses is of one function only if both passes drop the same units;
    otherwise what is penalised is dropout itself.
    """
    return torch.random.fork_rng(devices=[x.device] if x.is_cuda else [])


class _Objective:
    """Called on a model and a batch: what `each` image costs, on average."""

    def __call__(self, model, x, y, generator=None):
        """The mean loss (nats) and the logits (N, K) it was computed from."""
        loss, logits = self.each(model, x, y, generator)
        return loss.mean(), logits

    def ramped(self, fraction):
        """The objective early in training; the same where nothing depends on a radius."""
        return self


class _Attacking(_Objective):
    """What depends on a radius: early in training it may be smaller."""

    def ramped(self, fraction):
        """Radius and step shrunk to ``fraction``; narrow nets learn only from such a start."""
        attack = self.attack
        return replace(
            self,
            attack=replace(
                attack, eps=fraction * attack.eps, step_size=fraction * attack.step_size
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Natural(_Objective):
    """Mean cross-entropy of the images as they are."""

    def each(self, model, x, y, generator=None):
        logits = model(x)
        return losses.cross_entropy(logits, y), logits


@dataclass(frozen=True, kw_only=True)
class Adversarial(_Attacking):
    """Mean cross-entropy of attacked images alone (Madry et al. 2018, eq. 2.1): AT, FGSM-AT.

    Attributes
    ----------
    attack : attacks.PGD
        The inner maximisation.
    mode : {"eval", "train"}
        Mode of the model while it is attacked: dropout off and batch statistics frozen, or as in
        the code of Madry et al. and of Yang et al.
    precision : {"float32", "bfloat16"}
        Of the products inside the attack; the loss that is descended has full precision. The
        second is quicker on recent processors and changes the numbers: mostly signs of gradients
        that are nearly 0.
    """

    attack: attacks.PGD
    mode: str = values.added("eval")
    precision: str = values.added("float32")

    def __post_init__(self):
        _check(self.mode, self.precision)

    def each(self, model, x, y, generator=None):
        with _attacked(model, x, self.mode, self.precision) as seen:
            x_adv = self.attack(seen, x, y, generator)
        logits = model(x_adv)
        return losses.cross_entropy(logits, y), logits


@dataclass(frozen=True, kw_only=True)
class RST(_Attacking):
    """Natural loss plus ``weight`` times the loss of attacked images (Yang et al.'s "RST").

    Robust self-training without the unlabelled images of Carmon et al. (2019), as in the code
    behind the slides of Yang et al.

    Attributes
    ----------
    attack : attacks.PGD
    weight : float
        Lambda: 0.5, 1 or 2 in the tables.
    mode, precision
        As for `Adversarial`.
    """

    attack: attacks.PGD
    weight: float
    mode: str = "train"
    precision: str = values.added("float32")

    def __post_init__(self):
        _check(self.mode, self.precision)

    def each(self, model, x, y, generator=None):
        with _attacked(model, x, self.mode, self.precision) as seen:
            x_adv = self.attack(seen, x, y, generator)
        logits = model(x)
        loss = losses.cross_entropy(logits, y)
        loss = loss + self.weight * losses.cross_entropy(model(x_adv), y)
        return loss, logits


@dataclass(frozen=True, kw_only=True)
class TRADES(_Attacking):
    """Natural loss plus ``weight`` times the divergence of the prediction under attack.

    L(f(x), y) + beta max KL(f(x) || f(x')) of Zhang et al. (2019), their algorithm 1; both sides
    of the divergence are differentiated. The authors' code and that of Yang et al. differ from
    this in speed only.

    Attributes
    ----------
    attack : attacks.PGD
        With ``loss="kl"``; in the papers from a Gaussian start, in evaluation mode.
    weight : float
        Beta: 1, 3 or 6 in the tables.
    precision : {"float32", "bfloat16"}
        As for `Adversarial`.
    """

    attack: attacks.PGD
    weight: float
    precision: str = values.added("float32")

    def __post_init__(self):
        _check("eval", self.precision)
        if self.attack.loss != "kl":
            raise ValueError(f'TRADES attacks the loss "kl"; got {self.attack.loss!r}')

    def each(self, model, x, y, generator=None):
        with _attacked(model, x, "eval", self.precision) as seen:
            x_adv = self.attack(seen, x, y, generator)
        logits = model(x)
        loss = losses.cross_entropy(logits, y) + self.weight * losses.kl(logits, model(x_adv))
        return loss, logits


@dataclass(frozen=True, kw_only=True)
class GR(_Objective):
    """Input-gradient regularisation by a finite difference (Finlay & Oberman 2019).

    L(x) + lambda / 2 ((L(x + h d) - L(x)) / h)^2 with d the gradient of L by the image, of length
    1 in l2. The slides of Yang et al. print the norm of the gradient without its square.

    Attributes
    ----------
    weight : float
        Lambda; 1 in the tables.
    h : float
        Step of the difference, pixel units of l2 length; 1 in the code.
    variant : {"published", "official"}
        The official code adds the gradients of two backward passes, so that L(x) counts twice,
        and drops other units in either pass.
    """

    weight: float = 1.0
    h: float = 1.0
    variant: str = "published"

    def __post_init__(self):
        _variant(self.variant)
        if not self.h > 0:
            raise ValueError(f"h is a step, pixel units, more than 0; got {self.h:g}")

    def each(self, model, x, y, generator=None):
        images = x.detach().requires_grad_()
        with _replayed(x) if self.variant == "published" else contextlib.nullcontext():
            logits = model(images)
        loss = losses.cross_entropy(logits, y)
        (gradient,) = torch.autograd.grad(loss.sum(), images, retain_graph=True)
        ahead = losses.cross_entropy(model(x + self.h * norms.ascent(gradient, "l2")), y)
        penalty = 0.5 * ((ahead - loss) / self.h) ** 2
        natural = loss if self.variant == "published" else 2 * loss
        return natural + self.weight * penalty, logits


@dataclass(frozen=True, kw_only=True)
class LLR(_Attacking):
    """Local linearity regularisation (Qin et al. 2019, eq. 6).

    L(x) + lambda g(delta) + mu |delta . grad L(x)|, where
    g(delta) = |L(x + delta) - L(x) - delta . grad L(x)| is how far the loss is from linear, and
    delta, inside the linf ball, maximises g.

    Attributes
    ----------
    attack : attacks.PGD
        The inner maximisation of g, in evaluation mode; its ``loss`` plays no part. Yang et al.
        take two steps of eps / 2 from a Gaussian start.
    weight, slope : float
        Lambda and mu; 4 and 3 in the tables.
    variant : {"published", "official"}
        The official code sets the gradient to zero before it uses it and leaves out -L(x): what
        it minimises is L(x) + lambda L(x + delta), a weak `RST`. It steps along the gradient
        divided by its largest entry and scales delta back into the ball.
    """

    attack: attacks.PGD
    weight: float = 4.0
    slope: float = 3.0
    variant: str = "published"

    def __post_init__(self):
        _variant(self.variant)

    def each(self, model, x, y, generator=None):
        if self.variant == "official":
            return self._official(model, x, y, generator)
        with models.evaluating(model):
            first = attacks.gradient(lambda images: losses.cross_entropy(model(images), y), x)
            with torch.no_grad():
                base = losses.cross_entropy(model(x), y)

            def nonlinearity(images):
                linear = base + ((images - x) * first).flatten(1).sum(1)
                return (losses.cross_entropy(model(images), y) - linear).abs()

            x_adv = self.attack.ascend(nonlinearity, x, generator)
        images = x.detach().requires_grad_()
        with _replayed(x):
            logits = model(images)
        loss = losses.cross_entropy(logits, y)
        # The gradient is differentiated again: the penalties act on it too.
        (gradient,) = torch.autograd.grad(loss.sum(), images, create_graph=True)
        linear = ((x_adv - x) * gradient).flatten(1).sum(1)
        bent = (losses.cross_entropy(model(x_adv), y) - loss - linear).abs()
        return loss + self.weight * bent + self.slope * linear.abs(), logits

    def _official(self, model, x, y, generator):
        eps, delta = self.attack.eps, torch.empty_like(x).normal_(0, 0.001, generator=generator)
        tiny = torch.finfo(x.dtype).tiny
        with models.evaluating(model):
            for _ in range(self.attack.steps):
                step = attacks.gradient(
                    lambda images: losses.cross_entropy(model(images), y), x + delta
                )
                largest = norms.size(step, "linf").clamp_min(tiny)
                delta = delta + step * norms._per_image(self.attack.step_size / largest, x)
                largest = norms.size(delta, "linf").clamp_min(tiny)
                delta = delta * norms._per_image((eps / largest).clamp(max=1), x)
        logits = model(x)
        loss = losses.cross_entropy(logits, y)
        loss = loss + self.weight * losses.cross_entropy(model(x + delta), y)
        return loss, logits


@dataclass(frozen=True, kw_only=True)
class Intervals(_Objective):
    """Training for a certificate: the loss of the worst logits that intervals allow.

    natural * L(x) + (1 - natural) * L(worst), where the worst logits over the linf ball are the
    upper ends of all classes but the label's and its lower end (Gowal et al. 2018, eq. 12). For
    nets of dense layers, convolutions, pooling and ReLU; start with a ramp from a small radius.
    `Dual` is tighter and far slower.

    Attributes
    ----------
    eps : float
        Radius of the linf ball, pixel units.
    natural : float
        Weight of the loss without a perturbation, in [0, 1].
    box : bool
        Whether the ball is cut to [0, 1] first.
    """

    eps: float
    natural: float = 0.5
    box: bool = False

    def __post_init__(self):
        norms.check("linf", self.eps)
        if not 0 <= self.natural <= 1:
            raise ValueError(f"natural is a weight in [0, 1]; got {self.natural:g}")

    def each(self, model, x, y, generator=None):
        low, high = ranges(model, x, self.eps, self.box)
        worst = torch.where(F.one_hot(y, high.shape[1]).bool(), low, high)
        logits = model(x)
        loss = self.natural * losses.cross_entropy(logits, y)
        return loss + (1 - self.natural) * losses.cross_entropy(worst, y), logits

    def ramped(self, fraction):
        """The radius shrunk to ``fraction``."""
        return replace(self, eps=fraction * self.eps)


@dataclass(frozen=True, kw_only=True)
class Dual(_Objective):
    """Training for the tighter certificate: the loss of the worst logits that the dual allows.

    The lower bounds of all differences f_y - f_k over the linf ball, their signs turned, are
    logits of a loss that no perturbation exceeds (Wong & Kolter 2018, theorem 2). What Ding et
    al. train with; about as many forward passes an image as the network has units.

    Attributes
    ----------
    eps : float
        Radius of the linf ball, pixel units.
    box : bool
        Whether the ball is cut to [0, 1] first; not in the code of 2018's paper.
    """

    eps: float
    box: bool = False

    def __post_init__(self):
        norms.check("linf", self.eps)

    def each(self, model, x, y, generator=None):
        with models.evaluating(model):
            low = certified.differences(model, x, y, self.eps, box=self.box)
        return losses.cross_entropy(-low, y), model(x)

    def ramped(self, fraction):
        """The radius shrunk to ``fraction``."""
        return replace(self, eps=fraction * self.eps)


def ranges(model, x, eps, box=False):
    """Least and greatest logits over the linf ball by interval arithmetic, differentiably.

    Parameters
    ----------
    model : nn.Sequential
        Of dense layers, convolutions, pooling, ReLU and flattening; dropout is skipped.
    x : Tensor, shape (N, C, H, W)
    eps : float
        Radius, pixel units.
    box : bool
        Whether the ball is cut to [0, 1] first.

    Returns
    -------
    Tensor, Tensor, both (N, K)
    """
    monotone = (nn.ReLU, nn.Flatten, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
    low, high = x - eps, x + eps
    if box:
        low, high = low.clamp(min=0), high.clamp(max=1)
    for part in model if isinstance(model, nn.Sequential) else [model]:
        if isinstance(part, nn.Linear | nn.Conv2d):
            middle = part((low + high) / 2)
            reach = _absolute(part, (high - low) / 2)
            low, high = middle - reach, middle + reach
        elif isinstance(part, monotone):
            low, high = part(low), part(high)
        elif not isinstance(part, nn.Dropout | nn.Dropout2d | nn.Identity):
            raise ValueError(f"intervals do not cover {type(part).__name__}")
    return low, high


def _absolute(layer, x):
    """A layer with the absolute values of its weights, without its bias."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, layer.weight.abs())
    how = (layer.stride, layer.padding, layer.dilation, layer.groups)
    return F.conv2d(x, layer.weight.abs(), None, *how)


def _variant(name):
    if name not in ("published", "official"):
        raise ValueError(f'variant is "published" or "official"; got {name!r}')
