"""The papers' claims as predicates, judged on the printed tables and on our records alike.

A predicate is a function of rows shaped as the paper's own table (per cent numbers); it returns
whether the claim holds and the numbers that decided it. On our records it is judged again on
resampled test images (the same images for every cell, so that differences stay paired) and
resampled seeds: a claim that does not hold, or fail, in 95 % of the draws is *undecided*.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from .. import intervals, papers, runs

VERDICTS = ("reproduced", "not reproduced", "undecided", "not measured")
DRAWS = 200
PREDICATES = {}


class Incomplete(LookupError):
    """A cell that the predicate needs has not been measured."""


@dataclass(frozen=True)
class Predicate:
    """What decides a claim: a study, its rows, and a function of them."""

    study: str
    rows: Callable
    holds: Callable


@dataclass(frozen=True)
class Judgement:
    """A verdict at one scale, what decided it, and in how many of the draws it held."""

    id: str
    scale: str
    predicate: str
    printed: str
    verdict: str
    evidence: str
    support: float | None = None

    def row(self):
        """As plain data, for a listing."""
        return asdict(self)


def claim(name, study, rows):
    """Register a predicate: ``rows(found)`` makes the table, the function judges it."""

    def register(function):
        PREDICATES[name] = Predicate(study=study, rows=rows, holds=function)
        return function

    return register


def names():
    """The ids of all claims, in the papers' order."""
    return list(papers.claims())


def cell(rows, column, **where):
    """The number in ``column`` of the one row whose cells equal ``where``.

    Raises
    ------
    Incomplete
        If it has not been measured.
    """
    for row in rows:
        if all(row.get(key) == value for key, value in where.items()):
            if row.get(column) is None:
                break
            return row[column]
    raise Incomplete(f"{column} of {', '.join(f'{v}' for v in where.values())}")


def column(rows, name):
    """All numbers of a column, in the rows' order; `Incomplete` if one is missing."""
    missing = [row for row in rows if row.get(name) is None]
    if missing or not rows:
        raise Incomplete(f"{name} ({len(missing) or 'all'} of {len(rows)} rows)")
    return [row[name] for row in rows]


def on_paper(name, table):
    """(holds, evidence) of a claim on the table that the paper prints."""
    return PREDICATES[name].holds(papers.table(table))


def judge(name, scale="cpu"):
    """The verdict on a claim at a scale, from records alone.

    Parameters
    ----------
    name : str
        Such as "sens/claim-03".
    scale : str

    Returns
    -------
    Judgement

    Raises
    ------
    ValueError
        If there is no such claim.
    """
    known = papers.claims()
    if name not in known:
        raise ValueError(f"no claim {name!r}; `astute claims` lists all {len(known)}")
    claim, predicate = known[name], PREDICATES.get(name)
    about = {"id": name, "scale": scale, "predicate": claim.predicate, "printed": claim.printed}
    if predicate is None:
        return Judgement(**about, verdict="not measured", evidence="no predicate for it yet")
    if scale == "smoke":
        return Judgement(**about, verdict="not measured", evidence="smoke runs decide nothing")
    remedy = f"run `astute run {predicate.study} --scale {scale}`"
    try:
        rows = predicate.rows(runs.load(predicate.study, scale))
        holds, evidence = predicate.holds(means(rows))
        support = np.mean([predicate.holds(draw)[0] for draw in draws(rows)] or [holds])
    except Incomplete as missing:
        return Judgement(
            **about, verdict="not measured", evidence=f"{missing.args[0]} is missing: {remedy}"
        )
    sure = support >= 0.95 if holds else support <= 0.05
    verdict = ("reproduced" if holds else "not reproduced") if sure else "undecided"
    return Judgement(**about, verdict=verdict, evidence=evidence, support=float(support))


def means(rows):
    """Rows with every measured cell (a list over seeds) replaced by its mean, in per cent."""
    return [{key: _mean(value) for key, value in row.items()} for row in rows]


def _mean(value):
    if not isinstance(value, list):
        return value
    numbers = [100 * m["value"] if isinstance(m, dict) else m for m in value]
    return float(np.mean(numbers)) if numbers else None


def draws(rows, count=DRAWS, seed=0):
    """Resampled versions of ``rows``: images and seeds drawn with replacement.

    Nothing is yielded where there is nothing to draw: no outcomes of images, no second seed.
    """
    cells = {}  # (row, column) -> seeds x images of outcomes, or seeds of numbers
    for i, row in enumerate(rows):
        for key, value in row.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                cells[i, key] = np.stack([intervals.outcomes(m) for m in value])
            elif isinstance(value, list) and len(value) > 1:
                cells[i, key] = np.array(value)
    generator = np.random.default_rng(seed)
    for _ in range(count if cells else 0):
        picks, drawn = {}, [dict(row) for row in rows]
        for (i, key), measured in cells.items():
            replicas = measured[generator.integers(len(measured), size=len(measured))]
            if measured.ndim == 2:
                n = measured.shape[1]
                if n not in picks:
                    picks[n] = np.bincount(generator.integers(n, size=n), minlength=n)
                replicas = 100 * (replicas @ picks[n]) / n
            drawn[i][key] = [float(replicas.mean())]
        yield means(drawn)


from . import closer, idio, reg, sens  # noqa: E402, F401 - they register their predicates
