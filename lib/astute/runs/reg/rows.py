"""Rows of tables 1 to 6 and of appendix B.2, from the records of networks."""

from ... import records, robustness
from .networks import MARGINS, bound, strength

#: Data sets as the tables name them.
NAMES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}


def _named(setting):
    """The columns of `NETWORK` for a training."""
    name, limit = type(setting.objective).__name__, bound(setting)
    if name == "Adversarial":
        name = "PGD" if setting.objective.attack.random_start else "FGSM"
    return {
        "dataset": NAMES.get(setting.data, setting.data),
        "model": f"ResNet-{6 * setting.model.n + 2}",
        "images": setting.train_size,
        "training": {"Natural": "natural"}.get(name, name),
        "spectral_norm": "uncontrolled" if limit is None else f"{limit:g}",
    }


def blocks(found):
    """Runs and records as rows, one a network.

    Returns
    -------
    list of dict
        ``dataset``, ``model``, ``images`` (of training; None for all),
        ``training`` ("PGD", "FGSM", "TRADES", "natural"),
        ``spectral_norm`` ("uncontrolled" or the bound), ``strength`` (255ths); lists over seeds:
        ``train_acc``, ``test_acc``, ``train_loss``, ``test_loss``, ``pgd_acc`` (conditional),
        ``delta_acc`` (points) and ``delta_loss`` (nats), ``robust_acc``, ``lipschitz``, ``middle``
        and ``above_5`` of the test images, and of margins on either split ``train_margin_std``,
        ``train_inter_decile``, ``train_skewness``, ``train_mode``, and so on.
    """
    rows = {}
    for run, record in found:
        key = _named(run.trained) | {"strength": run.strength}
        row = rows.setdefault(tuple(key.values()), key | {c: [] for c in CELLS})
        if records.result(record):
            for column, read in CELLS.items():
                row[column].append(read(record["result"]))
    return list(rows.values())


def _mode(summary):
    """Middle of the fullest bin, logits; those at the ends hold all that is beyond, too."""
    fullest = max(range(1, len(MARGINS) - 2), key=summary["counts"].__getitem__)
    return (MARGINS[fullest] + MARGINS[fullest + 1]) / 2


def _split_cells(split):
    """Columns read from one half of a record."""
    return {
        f"{split}_acc": lambda r: r[split]["accuracy"],
        f"{split}_loss": lambda r: r[split]["loss"],
        f"{split}_margin_std": lambda r: r[split]["margins"]["std"],
        f"{split}_inter_decile": lambda r: r[split]["margins"]["inter_decile"],
        f"{split}_skewness": lambda r: r[split]["margins"]["skewness"],
        f"{split}_mode": lambda r: _mode(r[split]["margins"]),
    }


#: Columns of `blocks`, and how a record's result gives them.
CELLS = {
    **_split_cells("train"),
    **_split_cells("test"),
    "delta_acc": lambda r: 100 * (r["train"]["accuracy"]["value"] - r["test"]["accuracy"]["value"]),
    "delta_loss": lambda r: r["test"]["loss"]["value"] - r["train"]["loss"]["value"],
    "pgd_acc": robustness.conditional,
    "robust_acc": lambda r: r["robust_accuracy"],
    "middle": lambda r: r["test"]["middle"],
    "above_5": lambda r: r["test"]["above_5"],
    "lipschitz": lambda r: r["lipschitz"],
}
#: Columns that tell one network from another, but for its strength.
NETWORK = ("dataset", "model", "images", "training", "spectral_norm")
#: The paper's metrics, in its order.
METRICS = (
    *("train_acc", "test_acc", "delta_acc", "train_loss", "test_loss", "delta_loss"),
    "pgd_acc",
)


def table(found):
    """Runs and records in the shape of tables 2 to 6: a row a metric, a column a strength.

    Natural training stands in column ``ar0``, as in table 5.
    """
    rows = {}
    for block in blocks(found):
        names = {k: block[k] for k in NETWORK}
        if names["training"] == "natural":
            names["training"] = "PGD"
        for metric in METRICS:
            row = rows.setdefault((*names.values(), metric), names | {"metric": metric})
            row[f"ar{block['strength']}"] = block[metric]
    return list(rows.values())


def second_look(found):
    """Runs and records of `reg/second-look` as rows like those of `table`, a column a strength.

    Returns
    -------
    list of dict
        The columns of `NETWORK`, ``metric``: "clean_acc" and "robust_acc" on the attacked images,
        "pgd_acc" as in the tables.
    """
    reads = {"clean_acc": lambda r: r["clean_accuracy"], "robust_acc": CELLS["robust_acc"]}
    reads |= {"pgd_acc": CELLS["pgd_acc"]}
    rows = {}
    for run, record in found:
        names = _named(run.trained)
        for metric, read in reads.items():
            row = rows.setdefault((*names.values(), metric), names | {"metric": metric})
            cell = row.setdefault(f"ar{strength(run.trained)}", [])
            if records.result(record):
                cell.append(read(record["result"]))
    return list(rows.values())


def variation(found, what="loss"):
    """Runs and records in the shape of table 1: a row a data set and radius.

    Parameters
    ----------
    what : {"loss", "probability"}
        Whose change: the paper's numbers look like either.
    """
    rows = {}
    for run, record in found:
        name = NAMES.get(run.trained.data, run.trained.data)
        if not run.strength or run.bound is not None:
            continue
        for i, attack in enumerate(run.variations):
            eps = round(255 * attack.eps)
            row = rows.setdefault((name, eps), {"dataset": name, "attack_eps_255": eps})
            cells = [row.setdefault(f"{part}_ar{run.strength}", []) for part in ("mean", "std")]
            if records.result(record):
                measured = record["result"]["variations"][i][what]
                for cell, number in zip(cells, (measured, measured["sd"]), strict=True):
                    cell.append(number)
    return list(rows.values())


def spreads(found, reading="circular"):
    """Runs and records as rows, one a layer: its singular values' standard deviation.

    Returns
    -------
    list of dict
        The columns of `NETWORK`, ``layer``, ``kind``; for every strength
        ``std4`` and so on, lists over seeds; likewise ``mean4``, the mean of its singular values,
        and ``norm4``, the greatest.
    """
    rows = {}
    for block, (run, record) in ((blocks([one])[0], one) for one in found):
        names = {k: block[k] for k in NETWORK}
        for layer, measured in record["result"]["layers"].items() if records.result(record) else ():
            row = rows.setdefault(
                (*names.values(), layer), names | {"layer": layer, "kind": measured["kind"]}
            )
            for name, key in (("std", "spread"), ("mean", "mean"), ("norm", "largest")):
                row.setdefault(f"{name}{run.strength}", []).append(measured[reading][key])
    return list(rows.values())
