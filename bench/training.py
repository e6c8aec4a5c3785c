"""A step of adversarial training against the least it needs, and nine networks side by side."""

import torch
import torch.nn.functional as F
from torch import nn

from astute import attacks, data, models, objectives, robustness, training

from . import Row, peer, ratios

EPS, BATCH = 0.3, 50


def measurements():
    """Yield one `Row` per measurement."""
    for steps, pairs in ((7, 5), (40, 3)):
        yield from _step(steps, pairs)
    yield _side_by_side()
    yield from _accuracies()


def _plain(width=1.0):
    """LENET as anyone would write it: PyTorch's layers in their usual layout."""
    model = models.LeNet(width=width)(seed=0).eval()
    first = nn.Conv2d(1, model.conv1.out_channels, 5, padding=2)
    first.load_state_dict(model.conv1.state_dict())
    model.conv1 = first
    return model


def _step(steps, pairs):
    """One step on a batch; the reference only differentiates: K times the image, once all."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(BATCH, 1, 28, 28, generator=generator)
    y = torch.randint(10, (BATCH,), generator=generator)
    plain = _plain()
    ours = models.LeNet(width=1.0)(seed=0).eval().to(memory_format=torch.channels_last)
    size = 2.5 * EPS / steps
    attack = attacks.PGD(norm="linf", eps=EPS, step_size=size, steps=steps, keep="last")

    def least():
        for _ in range(steps):
            images = x.clone().requires_grad_()
            torch.autograd.grad(F.cross_entropy(plain(images), y, reduction="sum"), images)
        plain.zero_grad()
        F.cross_entropy(plain(x), y).backward()

    def step(**precision):
        objective = objectives.Adversarial(attack=attack, **precision)

        def once():
            ours.zero_grad()
            objective(ours, x, y, generator)[0].backward()

        return once

    def textbook():
        delta = (2 * torch.rand(x.shape) - 1) * EPS
        for _ in range(steps):
            delta.requires_grad_()
            F.cross_entropy(plain((x + delta).clamp(0, 1)), y).backward()
            delta = (delta + size * delta.grad.sign()).detach().clamp(-EPS, EPS)
        plain.zero_grad()
        F.cross_entropy(plain((x + delta).clamp(0, 1)), y).backward()

    library = peer("torchattacks")

    def torchattacks():
        x_adv = library.PGD(plain, eps=EPS, alpha=size, steps=steps)(x, y)
        plain.zero_grad()
        F.cross_entropy(plain(x_adv), y).backward()

    found = ratios(
        {
            "float32": step(),
            "bfloat16": step(precision="bfloat16"),
            "textbook loop": textbook,
            "torchattacks": torchattacks if library else None,
        },
        least,
        pairs,
    )
    single, half = found.pop("float32"), found.pop("bfloat16")
    label = f"training step with PGD-{steps}, LENET(1), batch {BATCH}; {steps} + 1 passes"
    yield Row(label, single, goal=0.72, peers=found)
    yield Row(f"{label}; products of the attack in bfloat16", half, goal=0.45)


def _side_by_side(width=0.125, count=9, steps=10):
    """Nine networks in one process against nine trainings, PGD-7, the same steps."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(BATCH * steps, 1, 28, 28, generator=generator)
    y = torch.randint(10, (len(x),), generator=generator)
    attack = attacks.PGD(norm="linf", eps=EPS, step_size=0.1, steps=7, keep="last")
    objective = objectives.Adversarial(attack=attack)
    recipe = training.Recipe(lr=1e-4, epochs=1, batch_size=BATCH, schedule="constant")
    setting, seeds = models.LeNet(width=width), list(range(count))

    def fresh():
        return [setting(seed=s).to(memory_format=torch.channels_last) for s in seeds]

    def alone():
        for network, seed in zip(fresh(), seeds, strict=True):
            training.train(network, x, y, objective, recipe, seed=seed)

    def together():
        training.train_together(fresh(), [(x, y)] * count, objective, recipe, seeds=seeds)

    label = f"{count} LENET({width:g}) with PGD-7 side by side, batch {BATCH}; one after the other"
    return Row(label, ratios({"ours": together}, alone, 3)["ours"], goal=1.0)


def _accuracies(epochs=10):
    """What the trained network is worth on the digits: the attack's precision must not show."""
    train, test = data.load("digits"), data.load("digits", "test")
    attack = attacks.PGD(norm="linf", eps=0.2, step_size=0.1, steps=5, keep="last")
    judge = attacks.PGD(norm="linf", eps=0.2, step_size=0.04, steps=10)
    recipe = training.Recipe(lr=2e-3, epochs=epochs, batch_size=BATCH, ramp_epochs=4)
    found = {}
    for precision in objectives.PRECISIONS:
        model = models.LeNet(width=0.125)(seed=0).to(memory_format=torch.channels_last)
        objective = objectives.Adversarial(attack=attack, precision=precision)
        training.train(model, train.x, train.y, objective, recipe, seed=0)
        found[precision] = robustness.accuracies(model, test.x, test.y, judge)
    for name in ("clean_accuracy", "robust_accuracy"):
        single, half = (found[precision][name] for precision in objectives.PRECISIONS)
        yield Row(
            f"{name} after training with bfloat16 in the attack; with float32",
            half["value"] / single["value"],
            note=f"{half['value']:.3f} against {single['value']:.3f} "
            f"({single['low']:.3f} to {single['high']:.3f}, {single['n']} digits)",
        )
