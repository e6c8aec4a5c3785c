"""What objectives have in common, and what an inner maximisation sees of the model."""

import contextlib
import os
import weakref
from dataclasses import replace

import torch

from .. import models

MODES = ("eval", "train")
PRECISIONS = ("float32", "bfloat16")


@contextlib.contextmanager
def attacked(model, x, mode="eval", precision="float32"):
    """What an inner maximisation sees: the model in a mode, and how exactly it multiplies.

    Only products are rounded to bfloat16: images, steps and losses keep their precision.
    """
    check(mode, precision)
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


def check(mode, precision="float32"):
    if mode not in MODES:
        raise ValueError(f'mode is "eval" or "train"; got {mode!r}')
    if precision not in PRECISIONS:
        raise ValueError(f'precision is "float32" or "bfloat16"; got {precision!r}')


def replayed(x):
    """Random numbers drawn inside are drawn again after: the next pass meets the same dropout.

    A difference of two losses is of one function only if both passes drop the same units;
    otherwise what is penalised is dropout itself.
    """
    return torch.random.fork_rng(devices=[x.device] if x.is_cuda else [])


class Objective:
    """Called on a model and a batch: what `each` image costs, on average."""

    def __call__(self, model, x, y, generator=None):
        """The mean loss (nats) and the logits (N, K) it was computed from."""
        loss, logits = self.each(model, x, y, generator)
        return loss.mean(), logits

    def ramped(self, fraction):
        """The objective early in training; the same where nothing depends on a radius."""
        return self


class Attacking(Objective):
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
