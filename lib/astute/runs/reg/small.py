"""Small networks: singular values beside margins on MNIST, Lemma 3.1, Theorem 3.1."""

import math
from dataclasses import asdict, dataclass, replace

from torch import nn

from ... import (
    attacks,
    intervals,
    margins,
    models,
    objectives,
    records,
    robustness,
    spectra,
    training,
    transforms,
)
from ...theory.reg import evaluated, gains, paths
from .. import Study, Training, trained

#: Bins of the margin histograms, in logits.
EDGES = tuple(range(-10, 31))


@dataclass(frozen=True, kw_only=True)
class LayersAndMargins:
    """Singular values of a trained network's layers, beside its margins and accuracies.

    Attributes
    ----------
    trained : Training
    attack : attacks.PGD
        The evaluation, the same for all strengths as in the paper; training has its own in
        ``trained.objective``.
    test_size : int or None
        The first so many test images for margins and losses; None for all.
    attacked_size : int
        The first so many test images for the attack.
    """

    trained: Training
    attack: attacks.PGD
    test_size: int | None = None
    attacked_size: int = 1000

    @property
    def strength(self):
        """Radius the network was trained against, pixel units; 0 for natural training."""
        objective = self.trained.objective
        return objective.attack.eps if isinstance(objective, objectives.Adversarial) else 0.0

    def measure(self, context):
        model, history = trained(self.trained, context)
        parts = {
            name: self.trained.split(name, context, self.test_size if name == "test" else None)
            for name in ("train", "test")
        }
        shape = tuple(parts["test"][0].shape[1:])
        x, y = (part[: self.attacked_size] for part in parts["test"])
        result = {"layers": _layers(model, shape), "training": history}
        for name, (images, labels) in parts.items():
            found = margins.collect(model, images, labels)
            middle = (found.probabilities >= 0.1) & (found.probabilities <= 0.9)
            result[name] = {
                "accuracy": intervals.proportion((found.margins > 0).cpu()),
                "loss": found.losses.double().mean().item(),
                "margins": margins.summary(found.margins, EDGES),
                "middle_probability": middle.double().mean().item(),
            }
        return result | robustness.accuracies(model, x, y, self.attack)


def _layers(model, shape):
    """Per layer and reading a summary of its singular values, and the variance of its gain."""
    met = spectra.layer_shapes(model, shape)
    found = {
        name: {
            "kind": "dense" if isinstance(layer, nn.Linear) else "convolution",
            "inputs": math.prod(size),
        }
        for name, (layer, size) in met.items()
    }
    for reading in spectra.READINGS:
        for name, values in spectra.layer_singular_values(model, shape, reading).items():
            found[name][reading] = spectra.summary(values)
            if reading == "circular":
                factors, inputs = values.double().cpu().numpy(), found[name]["inputs"]
                found[name]["norm_variance"] = gains.norm_variance(factors, inputs)
                found[name]["squared_norm_variance"] = gains.squared_norm_variance(factors, inputs)
    return found


def _singular_values(scale):
    """PROTOCOLS M-sv and M-margin on MNIST: natural training and three strengths.

    The natural nets and those of the largest strength are the very ones of `sens/table2`, with
    weights from the same cache; they are repeated over seeds, the strengths between are not.
    """
    if scale == "smoke":
        data, model, size, test_size = "digits", models.LeNet(width=0.125), 500, 100
        recipe, ramp = training.Recipe(lr=3e-3, epochs=4, batch_size=50), 2
        steps, strengths, seeds, attacked = 5, (0.05, 0.1), (0,), 50
    elif scale == "cpu":
        data, model, size, test_size = "mnist", models.LeNet(width=0.25), 10_000, None
        recipe, ramp = training.Recipe(lr=1e-3, epochs=10, batch_size=100), 3
        steps, strengths, seeds, attacked = 10, (0.1, 0.2, 0.3), (0, 1, 2), 1000
    else:
        return ()
    natural = Training(
        data=data,
        variant=transforms.Original(),
        model=model,
        objective=objectives.Natural(),
        recipe=recipe,
        train_size=size,
    )

    def against(eps):
        attack = attacks.PGD(
            norm="linf", eps=eps, step_size=2.5 * eps / steps, steps=steps, keep="last"
        )
        return replace(
            natural,
            objective=objectives.Adversarial(attack=attack),
            recipe=replace(recipe, ramp_epochs=ramp),
        )

    settings = [natural, *map(against, strengths)]
    settings += [replace(s, seed=seed) for seed in seeds[1:] for s in (settings[0], settings[-1])]
    # As in the paper, all strengths meet one attack, of a radius inside their range.
    attack = attacks.PGD(norm="linf", eps=0.2, step_size=0.02, steps=20, keep="last")
    return tuple(
        LayersAndMargins(trained=s, attack=attack, test_size=test_size, attacked_size=attacked)
        for s in settings
    )


def layers(found, reading="circular"):
    """Runs and records of `reg/singular-values` as rows, one a layer at a strength.

    Parameters
    ----------
    found : list of (run, record or None)
    reading : {"circular", "reshaped", "exact"}

    Returns
    -------
    list of dict
        ``strength`` (pixel units), ``layer``, ``kind``, ``inputs``; lists over seeds of what
        `spectra.summary` gives and, for the circular reading, of ``norm_variance``. A strength
        without records has one row, of no layer and empty lists.
    """
    rows = {}
    for run, record in found:
        measured = record["result"]["layers"] if records.result(record) else {}
        for name, layer in measured.items():
            row = rows.setdefault(
                (run.strength, name),
                {"strength": run.strength, "layer": name}
                | {key: layer[key] for key in ("kind", "inputs")}
                | {key: [] for key in ("norm_variance", *layer[reading])},
            )
            for key, value in (layer[reading] | {"norm_variance": layer["norm_variance"]}).items():
                row[key].append(value)
    for strength in {run.strength for run, _ in found} - {strength for strength, _ in rows}:
        empty = {key: [] for key in ("norm_variance", "spread", "largest", "smallest")}
        rows[strength, ""] = {"strength": strength, "layer": ""} | empty
    return sorted(rows.values(), key=lambda row: row["strength"])


def nets(found):
    """Runs and records of `reg/singular-values` as rows, one a strength.

    Returns
    -------
    list of dict
        ``strength`` (pixel units); lists over seeds of proportions (``clean_accuracy`` and
        ``robust_accuracy`` on the attacked images, ``train_accuracy``, ``test_accuracy``) and of
        ``loss``, ``margin_mean``, ``margin_std``, ``inter_decile`` under ``train_``, ``test_``.
    """
    rows = {}
    for run, record in found:
        row = rows.setdefault(run.strength, {"strength": run.strength} | {c: [] for c in COLUMNS})
        if records.result(record):
            for column, (part, *keys) in COLUMNS.items():
                value = record["result"][part]
                for key in keys:
                    value = value[key]
                row[column].append(value)
    return sorted(rows.values(), key=lambda row: row["strength"])


#: Columns of `nets`, and where a record holds them.
COLUMNS = {key: (key,) for key in ("clean_accuracy", "robust_accuracy")} | {
    f"{split}_{column}": (split, *keys)
    for split in ("train", "test")
    for column, keys in {
        "accuracy": ("accuracy",),
        "loss": ("loss",),
        "margin_mean": ("margins", "mean"),
        "margin_std": ("margins", "std"),
        "inter_decile": ("margins", "inter_decile"),
    }.items()
}


def lemma(found):
    """Runs and records of `reg/lemma-3-1` as rows: what the check of the lemma counts."""
    return [record["result"] for _, record in found if records.result(record)]


@dataclass(frozen=True, kw_only=True)
class Lemma31:
    """The check of Lemma 3.1 (`theory.reg.paths.check_lemma_3_1`): no data, no training.

    Attributes
    ----------
    nets, seed : int
    """

    nets: int
    seed: int = 0

    def measure(self, context):
        found = paths.check_lemma_3_1(seed=self.seed, nets=self.nets)
        return asdict(found) | {"confirmed": found.confirmed}


def theorem(found):
    """Runs and records of `reg/thm-3-1` as rows: margins of a small network and equation 5."""
    return [record["result"] for _, record in found if records.result(record)]


@dataclass(frozen=True, kw_only=True)
class Theorem31:
    """Every quantity of Theorem 3.1 for a small dense network (`theory.reg.evaluated`): no data.

    Attributes
    ----------
    m, seed : int
        Training examples, and the seed of data and training.
    """

    m: int = 200
    seed: int = 2

    def measure(self, context):
        chain = evaluated.tiny_chain(m=self.m, seed=self.seed)
        return {
            "least_margin": float(chain.margin),
            "u_min": float(chain.printed),
            "slope": float(chain.slope),
            "gap": float(chain.gap),
            "right_side": float(chain.right_side(chain.printed)),
            "repaired": float(chain.repaired),
        }


STUDIES = (
    Study(
        id="reg/singular-values",
        title="Singular values of layers beside margins, natural and adversarial training",
        runs=_singular_values,
        minutes={"smoke": 0.1, "cpu": 3},
    ),
    Study(
        id="reg/lemma-3-1",
        title="Lemma 3.1: displacement against length on random networks",
        runs=lambda scale: (Lemma31(nets=20 if scale == "smoke" else 200),),
        minutes=dict.fromkeys(("smoke", "cpu", "gpu", "paper"), 0.1),
    ),
    Study(
        id="reg/thm-3-1",
        title="Theorem 3.1 on a small dense network: margins against equation 5",
        runs=lambda scale: (Theorem31(m=50),) if scale == "smoke" else (Theorem31(),),
        minutes=dict.fromkeys(("smoke", "cpu", "gpu", "paper"), 0.1),
    ),
)
