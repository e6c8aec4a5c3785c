"""Rows of figure 1, table 1 and of the comparison at equal accuracy, from their records."""

import math

import numpy as np
import torch

from ... import intervals, records, scores
from .attacks import DATA, Anew, Transferred, label

#: The paper's methods; M1 in the reading that its results need, under the paper's name.
METHODS = {"M1 quantile": "M1", "M2": "M2", "M3": "M3"}
#: The attacks of 2019: what the paper says it used.
FOOLBOX = ("FGSM", "DeepFool 2019", "C&W 2019")
#: With C&W in fewer and longer steps.
LONGER = ("FGSM", "DeepFool 2019", "C&W")


def curves(found, attacks=FOOLBOX, reached=False, same=False):
    """Runs and records of `idio/fig1` on all data sets: a row for each method and p.

    Parameters
    ----------
    found : list of (run, record or None)
    attacks : tuple of str
        Names of `attacks.label`.
    reached : bool
        Count only images that are misclassified or have an adversarial: reading (c), of images
        beyond a bound, at the largest bound. Else what has none keeps its clean version.
    same : bool
        Count only the images of a data set that all these attacks saw.

    Returns
    -------
    list of dict
        ``data``, ``attack``, ``method``, ``p``; ``clean`` and ``adv``, lists of proportions.
    """
    rows, chosen, sizes = [], [], {}
    for run, record in found:
        if isinstance(run, Transferred) and label(run.attack) in attacks:
            chosen.append((run, record))
            data = run.trained.data
            sizes[data] = min(run.test_size, sizes.get(data, run.test_size))
    for run, record in chosen:
        about = {"data": DATA[run.trained.data], "attack": label(run.attack)}
        if records.result(record) is None:
            names = ({"method": m.label, "p": p} for m in run.methods for p in run.ps)
            rows += [about | name | {"clean": [], "adv": []} for name in names]
            continue
        result = record["result"]
        kept = ~intervals.outcomes(result["right"]) | intervals.outcomes(result["fooled"])
        for version in result["versions"]:
            clean, adv = version["clean_accuracy"], version["adversarial_accuracy"]
            if reached or same:
                counted = kept if reached else np.ones_like(kept)
                n = sizes[run.trained.data] if same else len(kept)
                clean, adv = (
                    intervals.proportion(intervals.outcomes(m)[:n][counted[:n]])
                    for m in (clean, adv)
                )
            name = {"method": version["method"], "p": version["p"]}
            rows.append(about | name | {"clean": [clean], "adv": [adv]})
    return rows


def bounded(result, version, bounds, reading):
    """Accuracy of a changed network against the bound on the perturbation, per bound.

    Parameters
    ----------
    result, version : dict
        Of `attacks.Transferred`; one of the result's versions.
    bounds : sequence of float
        Linf, pixel units; for reading "b" those of the run.
    reading : {"a", "b", "c"}
        What becomes of an image whose adversarial lies beyond the bound, or that has none: it
        keeps its clean version (a), its perturbation is scaled down to the bound (b; without an
        adversarial: clean), or it is left out (c).

    Returns
    -------
    list of float
        NaN where no image is left.
    """
    if reading == "b":
        return list(version["scaled_accuracy"])
    e = intervals.numbers(result["linf"])
    clean, adv = (
        intervals.outcomes(version[k]) for k in ("clean_accuracy", "adversarial_accuracy")
    )
    missing = intervals.outcomes(result["right"]) & ~intervals.outcomes(result["fooled"])
    accuracies = []
    for c in bounds:
        near = (e <= c + 1e-6) & ~missing
        if reading == "c":
            accuracies.append(float(adv[near].mean()) if near.any() else math.nan)
        else:
            accuracies.append(float(np.where(near, adv, clean).mean()))
    return accuracies


def outcomes(version, largest):
    """What an attack did to every image, from a version of `attacks.Anew`."""
    right, fooled = (torch.tensor(intervals.outcomes(version[k])) for k in ("right", "fooled"))
    distance = torch.tensor(intervals.numbers(version["l2"]).astype(float))
    return scores.Outcomes(distance, right, fooled, largest)


#: What each image contributes to a score; `scores.CAP` of the largest distance ends the curve.
SCORES = {
    "paper": lambda found: (found.fooled * found.distance**2).numpy(),
    "area": lambda found: scores.kept_distance(found, scores.CAP * found.largest).numpy(),
}


def anew(found):
    """Runs and records of `idio/table1`: a row for each network that was attacked.

    Returns
    -------
    list of dict
        ``data``, ``attack``, ``method``, ``p``; unless it is missing ``found``, a
        `scores.Outcomes`, and the first of them for the same attack, ``base``.
    """
    rows = []
    for run, record in found:
        if not isinstance(run, Anew):
            continue
        about = {"data": DATA[run.trained.data], "attack": label(run.attack)}
        if records.result(record) is None:
            rows += [about | {"method": m.label, "p": p} for m in run.methods for p in run.ps]
            continue
        result, base = record["result"], None
        for version in result["versions"]:
            now = outcomes(version, result["largest"])
            base = base or now
            name = {"method": version["method"], "p": version["p"]}
            rows.append(about | name | {"found": now, "base": base})
    return rows


def first(cell, count):
    """A row of `anew` for its first ``count`` images alone, to compare attacks on the same ones."""

    def cut(found):
        bits = (part[:count] for part in (found.distance, found.right, found.fooled))
        return scores.Outcomes(*bits, found.largest)

    return cell | {name: cut(cell[name]) for name in ("found", "base") if name in cell}


def changes(found, attacks=FOOLBOX, score="paper"):
    """Table 1 as the paper prints it: scores of the trained networks and their changes.

    Parameters
    ----------
    found : list of (run, record or None)
    attacks : tuple of str
        Of several the scores of each image are averaged, over the images that all attacks saw.
    score : {"paper", "area"}
        The paper's: squared l2 distance, 0 where the attack failed. Or the area under the
        robust-accuracy curve (`scores.kept_distance`), where a failure counts most.

    Returns
    -------
    list of dict
        ``dataset``, ``method``; ``score_p0`` and ``delta_p1`` ... ``delta_p5``, each a list of one
        `intervals.mean` over images, pixel units; empty if an attack's record is missing.
    """
    rows, given = [], anew(found)
    value = SCORES[score]
    for data in dict.fromkeys(row["data"] for row in given):
        for method, printed in METHODS.items():
            row = {"dataset": data, "method": printed, "score_p0": []}
            for p in range(1, 6):
                cells = [
                    r
                    for r in given
                    if (r["data"], r["method"], r["p"]) == (data, method, p)
                    and r["attack"] in attacks
                    and "found" in r
                ]
                row[f"delta_p{p}"] = []
                if len(cells) < len(attacks):
                    continue
                n = min(len(r["found"].right) for r in cells)
                before, after = (
                    np.mean([value(r[k])[:n] for r in cells], 0) for k in ("base", "found")
                )
                row["score_p0"] = [intervals.mean(before)]
                row[f"delta_p{p}"] = [intervals.mean(after - before)]
            rows.append(row)
    return rows
