"""PGD against the least work it needs, and finished images leaving against all run to the end.

The reference is the loop that only differentiates: steps x (forward + gradient by the image) on the
network as the papers print it (ReLU before pooling, channels first), parameters asking for no
gradient. Ours attacks the fused copy, from a uniform start, clipped to ball and box.
"""

import torch
from torch import nn

from astute import attacks, data, fused, losses, models, objectives, robustness, training

from . import Row, peer, ratios

EPS = {1: 0.3, 3: 8 / 255}


def measurements():
    """Yield rows of `Row`."""
    lenet = models.LeNet(width=1.0)(seed=0)
    yield from _pgd("LENET(1)", lenet, (1, 28, 28), 40, 128, (0.65, 0.35))
    # Ten of the forty steps, all alike: a round of forty takes minutes.
    yield from _pgd("LENET(1)", lenet, (1, 28, 28), 10, 1000, (0.65, 0.35), peers=False)
    wide = models.WideResNet(depth=28, width=1, standardise=True)(seed=0)
    yield from _pgd("WRN-28-1", wide, (3, 32, 32), 10, 128, (0.68, 0.42))
    yield from _pgd("FIXUP(3)", models.Fixup(n=3)(seed=0), (3, 32, 32), 10, 128, (0.68, 0.42))
    yield _leaving()


def printed(model):
    """The network with ReLU before pooling and the library's own layers, asking for no gradient."""
    parts = list(model)
    for i, part in enumerate(parts):
        if isinstance(part, nn.MaxPool2d) and isinstance(parts[i + 1], nn.ReLU):
            parts[i : i + 2] = parts[i + 1], part
        elif isinstance(part, nn.Conv2d) and type(part) is not nn.Conv2d:
            size, padding = part.kernel_size, part.padding
            parts[i] = nn.Conv2d(part.in_channels, part.out_channels, size, padding=padding)
            parts[i].load_state_dict(part.state_dict())
    return nn.Sequential(*parts).eval().requires_grad_(False)


def least(model, x, y, steps):
    """The work no attack of so many steps can do without."""
    for _ in range(steps):
        attacks.gradient(lambda images: losses.cross_entropy(model(images), y), x)


def _pgd(name, model, shape, steps, batch, goals, peers=True):
    generator = torch.Generator().manual_seed(0)
    for part in model.modules():
        if hasattr(part, "weight") and part.weight is not None and not part.weight.any():
            nn.init.normal_(part.weight, 0, 0.05, generator=generator)  # else nothing flows back
    x = torch.rand(batch, *shape, generator=generator)
    y = torch.randint(10, (batch,), generator=generator)
    reference, eps = printed(model), EPS[shape[0]]
    settings = {"eps": eps, "step_size": eps / 30 if shape[0] == 1 else eps / 4, "steps": steps}
    attack = attacks.PGD(norm="linf", **settings, keep="last")
    full, half = (fused.fused(model, dtype) for dtype in (torch.float32, torch.bfloat16))
    functions = {
        "ours": lambda: attack(full, x, y),
        "bfloat16": lambda: attacks.fooled(full, attack(half, x, y), y),
        "ours, network as printed": lambda: attack(reference, x, y),
    }
    if peers:
        functions |= _peers(reference, x, y, **settings)
    found = ratios(functions, lambda: least(reference, x, y, steps), pairs=3)
    label = f"PGD-{steps} on {name}, batch {batch}"
    half = found.pop("bfloat16")
    yield Row(f"{label}, float32", found.pop("ours"), goals[0], found)
    yield Row(f"{label}, bfloat16, success asked in float32", half, goals[1])


def _peers(model, x, y, eps, step_size, steps):
    """PGD of other libraries as functions of nothing, None where one is not installed."""
    foolbox, torchattacks, art = peer("foolbox"), peer("torchattacks"), peer("art.attacks.evasion")
    functions = dict.fromkeys(("foolbox", "torchattacks", "ART"))
    if foolbox:
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        theirs = foolbox.attacks.LinfPGD(steps=steps, abs_stepsize=step_size, rel_stepsize=None)
        functions["foolbox"] = lambda: theirs(wrapped, x, y, epsilons=eps)
    if torchattacks:
        other = torchattacks.PGD(model, eps=eps, alpha=step_size, steps=steps)
        functions["torchattacks"] = lambda: other(x, y)
    if art:
        classifier = peer("art.estimators.classification").PyTorchClassifier(
            model, nn.CrossEntropyLoss(), x.shape[1:], 10, clip_values=(0, 1), device_type="cpu"
        )
        third = art.ProjectedGradientDescent(
            classifier, eps=eps, eps_step=step_size, max_iter=steps, num_random_init=1,
            batch_size=len(x), verbose=False,
        )  # fmt: skip
        functions["ART"] = lambda: third.generate(x.numpy(), y.numpy())
    return functions


def trained(width):
    """A LENET that knows the embedded digits and was never attacked, and test images."""
    train, test = data.load("digits", limit=1000), data.load("digits", "test", limit=128)
    model = models.LeNet(width=width)(seed=0)
    recipe = training.Recipe(lr=2e-3, epochs=3, batch_size=50)
    training.train(model, train.x, train.y, objectives.Natural(), recipe, seed=0)
    return model.eval(), test.x, test.y


def _leaving():
    model, x, y = trained(0.5)
    attack = attacks.PGD(norm="linf", eps=0.3, step_size=0.01, steps=40, keep="first")
    reference = printed(model)
    functions = {
        "ours": lambda: robustness.attacked(model, x, y, attack, fast=torch.float32),
        "ours, network as printed": lambda: attack(reference, x, y),
    }
    found = ratios(functions, lambda: least(reference, x, y, 40), pairs=3)
    survives = ~attacks.fooled(model, functions["ours"](), y)
    return Row(
        "PGD-40 on a LENET(.5) trained without attacks, finished images leaving",
        found.pop("ours"),
        0.20,
        found,
        f"robust accuracy {survives.float().mean():.2f}",
    )
