"""Figure 1 and table 1 of the idiosyncrasy paper on three data sets, and: shrinkage or masking?"""

from dataclasses import dataclass, replace

import torch

from ... import (
    attacks,
    intervals,
    models,
    norms,
    objectives,
    pruning,
    robustness,
    scores,
    training,
    transforms,
    values,
)
from .. import Training, trained

#: Figure 1's methods, M1 in both readings, and noise as large as their changes.
METHODS = (
    pruning.M1(p=0),
    pruning.M1(p=0, rule="threshold"),
    pruning.M2(p=0),
    pruning.M3(p=0),
    pruning.Noise(p=0, like="M1"),
    pruning.Noise(p=0, like="M2"),
)
#: Table 1's methods, and noise as large as M2's change.
TABLE = (pruning.M1(p=0), pruning.M2(p=0), pruning.M3(p=0), pruning.Noise(p=0, like="M2"))
#: What is compared at equal clean accuracy: one layer, all layers, and what is no shrinkage.
FAMILIES = (
    pruning.M1(p=0),
    pruning.M2(p=0),
    pruning.M3(p=0),
    pruning.Magnitude(p=0),
    pruning.Scaled(p=0),
    pruning.Scaled(p=0, layer="fc2"),
    pruning.Noise(p=0, like="M2"),
    *(pruning.EveryLayer(p=0, method=m) for m in ("M1", "M2", "magnitude", "noise")),
)
DATA = {"mnist": "MNIST", "fmnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "digits": "digits"}


def _linf(x_adv, x):
    return norms.size(x_adv - x, "linf").cpu()


@torch.no_grad()
def _logits(model, x):
    return torch.cat([model(part) for part in x.split(500)])


def _right(model, x, y):
    """Images, or features, that the model classifies as labelled: (N,) bool, on the CPU."""
    return (_logits(model, x).argmax(1) == y).cpu()


@dataclass(frozen=True, kw_only=True)
class Transferred:
    """Adversarials made once on the trained network, shown to changed versions of it.

    Attributes
    ----------
    trained : Training
    attack : value of `attacks`
        One that looks for near adversarials.
    methods : tuple of values of `pruning`
        Of one dense layer; the ``p`` of each is replaced by each of ``ps``.
    ps : tuple of int
        Per cent, 0 first.
    bounds : tuple of float
        Linf bounds, pixel units, to which perturbations are scaled down (reading b).
    test_size : int
        The first so many test images.
    """

    trained: Training
    attack: object
    methods: tuple
    ps: tuple[int, ...]
    bounds: tuple[float, ...]
    test_size: int

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split("test", context)
        accuracy = intervals.proportion(_right(model, x, y))
        x, y = x[: self.test_size], y[: self.test_size]
        x_adv = robustness.attacked(model, x, y, self.attack)
        found = scores.outcomes(model, x, y, x_adv)
        x_adv = torch.where(norms._per_image(found.fooled, x), x_adv, x)
        e = _linf(x_adv, x).to(x.device)
        layer = self.methods[0].layer
        lower, upper = pruning.split(model, layer)
        active = pruning.activity(model, self.trained.split("train", context)[0], layer)
        below = _logits(lower, x), _logits(lower, x_adv)
        scaled = []
        for c in self.bounds:
            less = norms._per_image((c / e.clamp_min(1e-12)).clamp_max(1), x)
            scaled.append(_logits(lower, x + less * (x_adv - x)))
        versions = []
        for method in self.methods:
            for p in self.ps:
                changed = replace(method, p=p)(upper, active)
                clean, adversarial = (_right(changed, part, y) for part in below)
                cut = [_right(changed, part, y).double().mean().item() for part in scaled]
                versions.append(
                    {
                        "method": method.label,
                        "p": p,
                        "clean_accuracy": intervals.proportion(clean),
                        "adversarial_accuracy": intervals.proportion(adversarial),
                        "scaled_accuracy": cut,
                    }
                )
        return {
            "test_accuracy": accuracy,
            "right": intervals.proportion(found.right.cpu()),
            "fooled": intervals.proportion(found.fooled.cpu()),
            "linf": intervals.mean(e.cpu()),
            "versions": versions,
        }


@dataclass(frozen=True, kw_only=True)
class Anew:
    """The attack repeated on every changed network.

    Attributes
    ----------
    trained : Training
    attack : value of `attacks`
        One that looks for near adversarials.
    methods : tuple of values of `pruning`
        Of one dense layer.
    ps : tuple of int
        Per cent; the trained network itself, p = 0, is attacked besides.
    test_size : int
        The first so many test images.
    """

    trained: Training
    attack: object
    methods: tuple
    ps: tuple[int, ...]
    test_size: int

    def measure(self, context):
        model, _ = trained(self.trained, context)
        x, y = self.trained.split("test", context, self.test_size)
        images = self.trained.split("train", context)[0]
        active = pruning.activity(model, images, self.methods[0].layer)
        tried = []  # networks, which of their units were ever active, results
        versions = [{"method": "trained", "p": 0} | self._result(model, x, y, tried)]
        for method in self.methods:
            for p in self.ps:
                changed = replace(method, p=p)(model, active)
                about = {"method": method.label, "p": p}
                versions.append(about | self._result(changed, x, y, tried))
        return {"largest": x[0].numel() ** 0.5, "versions": versions}

    def _result(self, model, x, y, tried):
        """`_attacked`; of another network, if this one only lacks units that never were active."""
        layer = self.methods[0].layer
        for other, used, result in tried:
            if _lacks_unused(model, other, used, layer):
                return result
        used = torch.zeros(pruning.linear(model, layer).out_features, dtype=torch.bool)

        def note(module, inputs, output):
            used.logical_or_((output > 0).any(0).cpu())

        handle = pruning.linear(model, layer).register_forward_hook(note)
        try:
            result = self._attacked(model, x, y)
        finally:
            handle.remove()
        tried.append((model, used, result))
        return result

    def _attacked(self, model, x, y):
        """What the attack did to every image; distances are 0 where it did not fool."""
        x_adv = robustness.attacked(model, x, y, self.attack)
        found = scores.outcomes(model, x, y, x_adv)
        return {
            "right": intervals.proportion(found.right.cpu()),
            "fooled": intervals.proportion(found.fooled.cpu()),
            "l2": intervals.mean(torch.where(found.fooled, found.distance, 0).cpu()),
            "linf": intervals.mean(torch.where(found.fooled.cpu(), _linf(x_adv, x), 0)),
        }


def _lacks_unused(model, other, used, layer):
    """Whether a network is another one without units of a hidden layer that are not ``used``.

    Then both agree in every number, gradients too, wherever the other one was evaluated.
    """
    if pruning.uppermost(other, layer):
        return False
    ours, theirs = model.state_dict(), other.state_dict()
    names = f"{layer}.weight", f"{layer}.bias"
    if any(not torch.equal(ours[k], theirs[k]) for k in theirs if k not in names):
        return False
    differs, silent = torch.zeros_like(used), torch.ones_like(used)
    for k in names:
        differs |= (ours[k] != theirs[k]).reshape(len(used), -1).any(1).cpu()
        silent &= (ours[k] == 0).reshape(len(used), -1).all(1).cpu()
    return not (differs & (used | ~silent)).any()


@dataclass(frozen=True, kw_only=True)
class Masking:
    """Versions of one network at equal clean accuracy: attacked by transfer, weakly, strongly.

    Of every family the largest p is taken with which the accuracy on the images held out of the
    training falls by no more than a given number of points.

    Attributes
    ----------
    trained : Training
        With images held out.
    families : tuple of values of `pruning`
    ps : tuple of float
        Per cent, ascending, 0 first.
    drops : tuple of float
        Accuracies that may be lost, as fractions.
    strong : attacks.Ensemble
        Made anew on every version; on the trained network, it gives the adversarials to transfer.
    weak : attacks.PGD
        Made anew on every version.
    nearest : tuple of attacks
        Made anew on every version; their distances are kept.
    nearest_norms : tuple of str
        In which.
    test_size, strong_size : int
        Images for accuracies, clean and transferred; the first of them, for new attacks.
    choose_size : int or None
        The first so many of the images held out choose p; None for all.
    """

    trained: Training
    families: tuple
    ps: tuple[float, ...]
    drops: tuple[float, ...]
    strong: attacks.Ensemble
    weak: attacks.PGD
    nearest: tuple
    nearest_norms: tuple[str, ...]
    test_size: int
    strong_size: int
    choose_size: int | None = values.added(None)

    def measure(self, context):
        model, _ = trained(self.trained, context)
        images, labels = self.trained.split("train", context)
        held = slice(len(images) - self.trained.recipe.held_out, None)
        held_x, held_y = images[held][: self.choose_size], labels[held][: self.choose_size]
        active = pruning.activity(model, images, "fc1"), pruning.activities(model, images)
        x, y = self.trained.split("test", context, self.test_size)
        shown = {"near": self.nearest[0], "far": self.strong}
        shown = {k: robustness.attacked(model, x, y, a, _generator(x)) for k, a in shown.items()}
        control = pruning.Scaled(p=99.9, layer="fc2", inverse=True)
        about = {"method": "trained", "p": 0, "drop": 0.0}
        versions = [about | self._version(model, model, x, y, shown)]
        about = {"method": control.label, "p": control.p, "drop": 0.0}
        versions.append(about | self._version(control(model), model, x, y, shown))
        start = _right(model, held_x, held_y).double().mean().item()
        for family in self.families:
            every = isinstance(family, pruning.EveryLayer)
            curve = [
                (p, changed, _right(changed, held_x, held_y).double().mean().item())
                for p in self.ps
                if (changed := replace(family, p=p)(model, active[every]))
            ]
            done = {}
            for drop in self.drops:
                p, changed, _ = max((c for c in curve if start - c[2] <= drop), key=lambda c: c[0])
                if p not in done:
                    done[p] = self._version(changed, model, x, y, shown)
                versions.append({"method": family.label, "p": p, "drop": drop} | done[p])
        return {"held_out_accuracy": start, "versions": versions}

    def _version(self, changed, model, x, y, shown):
        n, few = self.strong_size, {}
        for name, attack in (("weak", self.weak), ("strong", self.strong)):
            x_adv = robustness.attacked(changed, x[:n], y[:n], attack, _generator(x))
            few[name] = intervals.proportion(_right(changed, x_adv, y[:n]))
        distances = [
            robustness.distances(changed, x[:n], y[:n], attack, norm).cpu()
            for attack, norm in zip(self.nearest, self.nearest_norms, strict=True)
        ]
        largest = [1.0 if norm == "linf" else x[0].numel() ** 0.5 for norm in self.nearest_norms]
        return {
            "clean_accuracy": intervals.proportion(_right(changed, x, y)),
            "transferred": {
                k: intervals.proportion(_right(changed, x_adv, y)) for k, x_adv in shown.items()
            },
            "frobenius": _length(changed) / _length(model),
            **few,
            "nearest": [
                intervals.mean(torch.where(d.isinf(), most, d))
                for d, most in zip(distances, largest, strict=True)
            ],
        }


def _length(model):
    """Frobenius norm of all weights, without biases."""
    sizes = [p.detach().double().norm() for p in model.parameters() if p.dim() > 1]
    return torch.stack(sizes).norm().item()


def _generator(x):
    return torch.Generator(x.device).manual_seed(0)


def settings(scale):
    """The trained networks of figure 1 and table 1 at a scale, one for each data set.

    PROTOCOLS: train on all but 5000 images and keep the best checkpoint on these. At the scale
    ``cpu`` small networks, so that attacks are affordable; their hidden layers have 256 units.
    """
    common = {"variant": transforms.Original(), "objective": objectives.Natural()}
    if scale == "smoke":
        recipe = training.Recipe(lr=3e-3, epochs=10, batch_size=50, held_out=200, keep="best")
        net = models.MLP(sizes=(784, 128, 10))
        return (Training(data="digits", model=net, recipe=recipe, train_size=1000, **common),)
    if scale != "cpu":
        return ()
    kept = {"batch_size": 100, "held_out": 5000, "keep": "best"}
    found = [
        Training(
            data=data,
            model=models.LeNet(width=0.25),
            recipe=training.Recipe(lr=2e-3, epochs=epochs, **kept),
            **common,
        )
        for data, epochs in (("mnist", 4), ("fmnist", 8))
    ]
    recipe = training.Recipe(lr=2e-3, epochs=4, augmentation=training.CropFlip(), **kept)
    return *found, Training(data="cifar10", model=models.ThreeConv(), recipe=recipe, **common)


def label(attack):
    """What pages and claims call an attack; those "2019" are as Foolbox had them then.

    "DeepFool 2019" cuts every step at the box, "C&W 2019" makes 1000 steps of 0.005.
    """
    if isinstance(attack, attacks.DeepFool):
        return "DeepFool 2019" if attack.overshoots == "step" else "DeepFool"
    if isinstance(attack, attacks.CarliniWagner) and attack.patience == "none":
        return "C&W 2019"
    return {"LineSearchFGSM": "FGSM", "CarliniWagner": "C&W"}[type(attack).__name__]


def _attacks(scale, steps, sizes):
    """Attacks with numbers of test images: Foolbox of 2019, DeepFool as published, a quick C&W.

    That makes fewer and longer steps: ``steps`` of 0.05.
    """
    if scale == "smoke":
        carlini = attacks.CarliniWagner(searches=3, steps=50, step_size=0.05)
        small = attacks.LineSearchFGSM(grid=100), attacks.DeepFool(norm="l2"), carlini
        return tuple(zip(small, sizes, strict=False))
    made = (
        attacks.LineSearchFGSM(),
        attacks.DeepFool.foolbox1(),
        attacks.DeepFool.foolbox3(),
        attacks.CarliniWagner(steps=steps, step_size=0.05),
        attacks.CarliniWagner.foolbox1(),
    )
    return tuple(zip(made, sizes, strict=True))


#: The end of figure 1's axis: for FGSM, for the attacks that minimise l2.
REACH = {"digits": (0.5, 0.8), "mnist": (0.5, 0.8), "fmnist": (0.2, 0.4), "cifar10": (0.04, 0.08)}


def figure1(scale):
    """The runs of `idio/fig1` on three data sets: three attacks, DeepFool and C&W twice."""
    smoke = scale == "smoke"
    sizes = {"digits": (30,) * 3, "cifar10": (400, 200, 400, 200, 100)}
    return tuple(
        Transferred(
            trained=setting,
            attack=attack,
            methods=METHODS,
            ps=(*range(0, 100, 20 if smoke else 5), 99),
            bounds=tuple(REACH[setting.data][label(attack) != "FGSM"] * i / 16 for i in range(17)),
            test_size=size,
        )
        for setting in settings(scale)
        for attack, size in _attacks(scale, 200, sizes.get(setting.data, (400, 200, 400, 200, 200)))
    )


def table1(scale):
    """The runs of `idio/table1`: the attacks of figure 1 on fewer images."""
    smoke = scale == "smoke"
    return tuple(
        Anew(
            trained=setting,
            attack=attack,
            methods=TABLE if size == 150 else TABLE[:3],
            ps=(1, 5) if smoke else (1, 2, 3, 4, 5),
            test_size=size,
        )
        for setting in settings(scale)
        for attack, size in _attacks(scale, 100, [30] * 3 if smoke else (150, 60, 150, 60, 60))
    )


def masking(scale):
    """MNIST: the network of figure 1, and one trained against PGD of radius 0.2."""
    if scale not in ("smoke", "cpu"):
        return ()
    smoke, natural = scale == "smoke", settings(scale)[0]
    inner = attacks.PGD(norm="linf", eps=0.2, step_size=0.08, steps=5, keep="last")
    recipe = replace(natural.recipe, ramp_epochs=2)
    if not smoke:
        recipe = replace(recipe, epochs=5)
    against = replace(
        natural,
        objective=objectives.Adversarial(attack=inner),
        recipe=recipe,
        train_size=1000 if smoke else 15_000,
    )
    nets = ((natural, 0.1),) if smoke else ((natural, 0.1), (against, 0.2))
    return tuple(
        Masking(
            trained=setting,
            families=FAMILIES if not smoke else (FAMILIES[1], FAMILIES[5], FAMILIES[8]),
            ps=tuple(range(0, 100, 25)) if smoke else (*range(0, 96, 5), 97, 99, 99.5),
            drops=(0.05,) if smoke else (0.01, 0.05),
            strong=attacks.Ensemble.standard(
                norm="linf", eps=eps, steps=5 if smoke else 30, restarts=1
            ),
            weak=attacks.PGD(norm="linf", eps=eps, step_size=eps / 4, steps=10),
            nearest=(
                attacks.BisectionFGSM(),
                attacks.DeepFool.foolbox3(norm="linf"),
                attacks.DeepFool.foolbox3(norm="l2"),
            ),
            nearest_norms=("linf", "linf", "l2"),
            test_size=100 if smoke else 1000,
            strong_size=20 if smoke else 150,
            choose_size=1000 if setting is against else None,
        )
        for setting, eps in nets
    )
