"""Figure 1 of the idiosyncrasy paper at length: MNIST, FGSM, ever fewer weights."""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ... import attacks, models, objectives, pruning, records, robustness, training, transforms
from ...intervals import proportion
from .. import Study, Training, trained
from .attacks import METHODS, figure1, masking, table1
from .rows import changes


@dataclass(frozen=True, kw_only=True)
class Perturbed:
    """Adversarials made once on the trained network, shown to versions of it with fewer weights.

    Attributes
    ----------
    trained : Training
    method : value of `pruning`
        Its ``p`` is replaced by each of ``ps``.
    ps : tuple of int
        Per cent, 0 first.
    attack : attacks.LineSearchFGSM
    test_size : int
        The first so many test images.
    bounds : tuple of float
        Linf bounds: an image whose adversarial lies farther away keeps its clean version.
    control_ps : tuple of int
        The p for which the network is attacked anew, by both of the following.
    control : attacks.LineSearchFGSM
    pgd : attacks.PGD
    control_size : int
        The first so many test images.
    """

    trained: Training
    method: object
    ps: tuple[int, ...]
    attack: attacks.LineSearchFGSM
    test_size: int
    bounds: tuple[float, ...]
    control_ps: tuple[int, ...]
    control: attacks.LineSearchFGSM
    pgd: attacks.PGD
    control_size: int

    def measure(self, context):
        found = _baseline(self.trained, self.method.layer, self.attack, self.test_size, context)
        lower, upper, active, x, y, e, below, test_accuracy = found
        versions = []
        for p in self.ps:
            model = replace(self.method, p=p)(upper, active)
            clean, fooled = (_right(model, features, y) for features in below)
            row = {
                "p": p,
                "norms": pruning.matrix_norms(pruning.linear(model, self.method.layer).weight),
                "clean_accuracy": proportion(clean),
                "adversarial_accuracy": proportion(fooled),
                "bounded_accuracy": [
                    torch.where(e <= c + 1e-6, fooled, clean).double().mean().item()
                    for c in self.bounds
                ],
            }
            if p in self.control_ps:
                whole, n = nn.Sequential(lower, model).eval(), self.control_size
                row |= self._attacked_anew(whole, x[:n], y[:n])
            versions.append(row)
        reached = e[(e > 0) & e.isfinite()]
        return {
            "test_accuracy": test_accuracy,
            "attack": {
                "misclassified": (e == 0).float().mean().item(),
                "failed": e.isinf().float().mean().item(),
                "median_eps": reached.median().item(),
            },
            "activity": active.tolist(),
            "cost": _cost(self.trained, self.method.layer, lower, upper, x[:1]),
            "versions": versions,
        }

    def _attacked_anew(self, model, x, y):
        """Both control attacks on a changed network, each with its gradients."""
        e = torch.cat(
            [
                self.control.search(model, a, b)[1]
                for a, b in zip(x.split(250), y.split(250), strict=True)
            ]
        )
        generator = torch.Generator(x.device).manual_seed(self.trained.seed)
        x_adv = robustness.attacked(model, x, y, self.pgd, generator)
        return {
            # Over all images: 0 where misclassified, 1, the farthest, where no step fools.
            "new_median_eps": e.clamp(max=1).median().item(),
            "new_failed": e.isinf().float().mean().item(),
            "robust_accuracy": proportion((robustness.predict(model, x_adv) == y).cpu()),
        }


@torch.no_grad()
def _right(model, x, y):
    """Features or images that the model classifies as labelled: (N,) bool, on the CPU."""
    return (torch.cat([model(part).argmax(1) for part in x.split(500)]) == y).cpu()


@torch.no_grad()
def _through(model, x):
    return torch.cat([model(part) for part in x.split(500)])


@lru_cache(maxsize=1)
def _baseline(setting, layer, attack, size, context):
    """All that the methods share: the trained network cut in two, its activity, the adversarials.

    Kept in memory, so that the runs of one process make the adversarials once.
    """
    model, _ = trained(setting, context)
    lower, upper = pruning.split(model, layer)
    x, y = setting.split("test", context)
    accuracy = proportion(_right(model, x, y))
    x, y = x[:size], y[:size]
    made = [attack.search(model, a, b) for a, b in zip(x.split(250), y.split(250), strict=True)]
    x_adv, e = (torch.cat(part) for part in zip(*made, strict=True))
    active = pruning.activity(model, setting.split("train", context)[0], layer)
    below = _through(lower, x), _through(lower, x_adv)
    return lower, upper, active, x, y, e.cpu(), below, accuracy


def _cost(setting, layer, lower, upper, x):
    """Floating-point operations of the methods as fractions of those of training.

    Counted, not timed, so that a record does not depend on the machine: a pass of the training
    images for M1's activity; for M2 a singular value decomposition with both sets of vectors,
    6 m n² + 20 n³ (Golub & Van Loan, table 8.6.1).
    """
    model = nn.Sequential(lower, upper)

    def count(backward):
        with torch.enable_grad(), FlopCounterMode(display=False) as counter:
            logits = model(x)
            if backward:
                torch.autograd.grad(logits.sum(), list(model.parameters()))
        return counter.get_total_flops()

    step = count(True) * setting.recipe.epochs
    m, n = sorted(pruning.linear(upper, layer).weight.shape, reverse=True)
    images = setting.train_size
    return {"M1": count(False) / step, "M2": (6 * m * n**2 + 20 * n**3) / (step * images)}


def _fig1(scale):
    """PROTOCOLS: A-IDIO-S on MNIST, the last checkpoint, FGSM; all methods."""
    if scale == "smoke":
        setting = Training(
            data="digits",
            variant=transforms.Original(),
            model=models.MLP(sizes=(784, 128, 10)),
            objective=objectives.Natural(),
            recipe=training.Recipe(lr=3e-3, epochs=10, batch_size=50),
            train_size=1000,
        )
        ps, control_ps, size = (*range(0, 100, 10), 99), (0, 50, 90), 200
    elif scale == "cpu":
        setting = Training(
            data="mnist",
            variant=transforms.Original(),
            model=models.CNN1(hidden=512, second_relu=True),
            objective=objectives.Natural(),
            recipe=training.Recipe(lr=1e-3, epochs=5, batch_size=100),
            train_size=10_000,
        )
        ps, control_ps, size = (*range(0, 100, 5), 99), (0, 30, 50, 90), 1000
    else:
        return ()
    return tuple(
        Perturbed(
            trained=setting,
            method=method,
            ps=ps,
            attack=attacks.LineSearchFGSM(grid=1000 if scale == "cpu" else 100),
            test_size=size,
            bounds=tuple(k / 50 for k in range(26)),
            control_ps=control_ps,
            control=attacks.LineSearchFGSM(grid=100),
            pgd=attacks.PGD(norm="linf", eps=0.1, step_size=0.02, steps=10),
            control_size=200,
        )
        for method in METHODS
    )


def fig1(found):
    """Runs and records of `idio/fig1`, MNIST and FGSM at length: a row for each method and p.

    Returns
    -------
    list of dict
        ``method``, ``p``; ``clean`` and ``adv``, lists of proportions over seeds; the norms of
        `pruning.matrix_norms` and the methods' ``cost_M1`` and ``cost_M2`` (fractions of the
        training), lists of numbers; ``score_low`` and ``score_high``, the range over the bounds of
        the paper's equation 4.
    """
    rows = {}
    for run, record in found:
        if not isinstance(run, Perturbed):
            continue
        for p in run.ps:
            key = run.method.label, p
            rows.setdefault(key, {"method": key[0], "p": p, "clean": [], "adv": []})
        if records.result(record) is None:
            continue
        for version in record["result"]["versions"]:
            row, clean = rows[run.method.label, version["p"]], version["clean_accuracy"]
            row["clean"].append(clean)
            row["adv"].append(version["adversarial_accuracy"])
            scores = [a - clean["value"] for a in version["bounded_accuracy"]]
            numbers = {"score_low": min(scores), "score_high": max(scores)}
            numbers |= version["norms"]
            numbers |= {f"cost_{k}": v for k, v in record["result"]["cost"].items()}
            for name, value in numbers.items():
                row.setdefault(name, []).append(value)
    return list(rows.values())


STUDIES = (
    Study(
        id="idio/fig1",
        title="Weights removed after training: clean accuracy and that on old adversarials",
        runs=lambda scale: _fig1(scale) + figure1(scale),
        minutes={"smoke": 0.1, "cpu": 1.5},
    ),
    Study(
        id="idio/table1",
        title="Table 1: the attack repeated on every changed network",
        runs=table1,
        minutes={"smoke": 0.1, "cpu": 2},
        table="idio_table1",
        rows=changes,
    ),
    Study(
        id="idio/masking",
        title="Shrinkage or masking: equal clean accuracy, strong new attacks",
        runs=masking,
        minutes={"smoke": 0.2, "cpu": 6},
    ),
)
