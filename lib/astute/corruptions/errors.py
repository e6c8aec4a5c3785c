"""Accuracy under every corruption, and the relative corruption error."""

import numpy as np

from .. import intervals, progress, robustness
from .images import GROUPS, KINDS, SEVERITIES, Corruption


def accuracies(model, x, y, seed=0, severities=SEVERITIES, batch_size=500):
    """Accuracy under every kind of corruption.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    x, y : Tensor (N, C, H, W), (N,)
    seed : int
        Of the corruptions.
    severities : sequence of int
    batch_size : int

    Returns
    -------
    dict
        ``clean``, an `intervals.proportion`, and by kind a list of them, one a severity.
    """
    if len(x) == 0:
        raise ValueError("accuracy on no images is undefined; got an empty set")

    def share(images):
        predicted = robustness.predict(model, images, batch_size)
        return intervals.proportion((predicted == y).cpu())

    found = {"clean": share(x)}
    total = len(KINDS) * len(severities)
    with progress.bar(total=total, desc="corruptions", unit="set") as bar:
        for kind in KINDS:
            found[kind] = []
            for severity in severities:
                corrupted = Corruption(kind=kind, severity=severity, seed=seed)(x)
                found[kind].append(share(corrupted))
                bar.update()
    return found


def relative_mce(clean, corrupted, base_clean, base_corrupted):
    """RmCE: how much more accuracy a model loses to corruptions than a base model does.

    Parameters
    ----------
    clean, base_clean : float
        Accuracies on the images as they are, fractions.
    corrupted, base_corrupted : dict of str to sequence of float
        Accuracies by kind and severity; the same kinds, each as often.

    Returns
    -------
    float
        Mean over kinds of (sum over severities of clean - corrupted) / (the same of the base): 1
        for the base itself.

    Raises
    ------
    ValueError
        If kinds or severities differ, if numbers are no fractions, or if the base loses nothing.

    References
    ----------
    Wu et al., section 4; Hendrycks & Dietterich (2019), section 4.2.

    Examples
    --------
    >>> relative_mce(0.5, {"fog": [0.25]}, 0.5, {"fog": [0.375]})
    2.0
    """
    shapes = [{kind: len(v) for kind, v in part.items()} for part in (corrupted, base_corrupted)]
    if shapes[0] != shapes[1] or not shapes[0]:
        raise ValueError(f"both need the same kinds and severities; got {shapes[0]}, {shapes[1]}")
    numbers = [
        clean,
        base_clean,
        *(v for p in (corrupted, base_corrupted) for k in p.values() for v in k),
    ]
    if not all(0 <= v <= 1 for v in numbers):
        raise ValueError(
            f"accuracies are fractions in [0, 1]; got {min(numbers):g}..{max(numbers):g}"
        )
    ratios = []
    for kind, values in corrupted.items():
        base = sum(base_clean - v for v in base_corrupted[kind])
        if base == 0:
            raise ValueError(
                f"the base model loses nothing under {kind}: no ratio to it; leave it out"
            )
        ratios.append(sum(clean - v for v in values) / base)
    return sum(ratios) / len(ratios)


def coordinates(clean, corrupted, base_clean, base_corrupted):
    """A model's place in figure 2 of Wu et al.: (gain in accuracy over the base, 1 - RmCE).

    Examples
    --------
    >>> coordinates(0.6, {"fog": [0.3]}, 0.5, {"fog": [0.25]})
    {'accuracy': 0.2, 'robustness': -0.2}
    """
    relative = relative_mce(clean, corrupted, base_clean, base_corrupted)
    return {
        "accuracy": round((clean - base_clean) / base_clean, 12),
        "robustness": round(1 - relative, 12),
    }


def group_accuracies(corrupted):
    """Mean accuracy by group of corruptions, as in the appendix of Wu et al.

    Parameters
    ----------
    corrupted : dict of str to sequence of float
        By kind, one number a severity; all of `KINDS`.

    Examples
    --------
    >>> group_accuracies({kind: [0.5, 0.25] for kind in KINDS})["blur"]
    0.375
    """
    if set(corrupted) != set(KINDS):
        odd = sorted(set(KINDS) ^ set(corrupted))
        raise ValueError(
            f"group means need the {len(KINDS)} kinds, no others; see {', '.join(odd)}"
        )
    return {
        group: float(np.mean([np.mean(corrupted[kind]) for kind in kinds]))
        for group, kinds in GROUPS.items()
    }
