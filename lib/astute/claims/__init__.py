"""The papers' claims as predicates, judged on the printed tables and on our records alike.

A predicate is a function of rows shaped as the paper's own table (per cent numbers); it returns
whether the claim holds and the numbers that decided it. On our records it is judged again on
resampled test images (the same images for every cell, so that differences stay paired) and
resampled seeds: a claim that does not hold, or fail, in 95 % of the draws is *undecided*.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from .. import intervals, papers, runs

VERDICTS = ("reproduced", "not reproduced", "undecided", "not measured")
DRAWS = 200
PREDICATES = {}


class Incomplete(LookupError):
    """A cell that the predicate needs has not been measured."""


class Unplanned(Incomplete):
    """A cell that no study of ours is to measure, so that no command would."""


@dataclass(frozen=True)
class Predicate:
    """What decides a claim: studies, the rows of their records, and a function of these.

    Where the paper's text and its code or numbers disagree, ``readings`` makes the rows under each
    reading; ``rows`` is the first of them.
    """

    studies: tuple[str, ...]
    rows: Callable
    holds: Callable
    readings: dict[str, Callable] = field(default_factory=dict)


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
    reading: str = ""

    def row(self):
        """As plain data, for a listing."""
        return asdict(self)


def claim(name, studies, rows, readings=None):
    """Register a predicate: ``rows(found)`` makes the table, the function judges it.

    Of several studies the runs and records are put one after another.
    """
    studies = (studies,) if isinstance(studies, str) else studies

    def register(function):
        if name in PREDICATES:
            raise ValueError(f"{name} has a predicate already: {PREDICATES[name].holds.__name__}")
        PREDICATES[name] = Predicate(
            studies=studies, rows=rows, holds=function, readings=readings or {}
        )
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


def readings(name):
    """The readings under which a claim is judged, the default one first; [""] if there is one."""
    predicate = PREDICATES.get(name)
    return list(predicate.readings if predicate else {}) or [""]


def judge(name, scale="cpu", reading=""):
    """The verdict on a claim at a scale, from records alone.

    Parameters
    ----------
    name : str
        Such as "sens/claim-03".
    scale : str
    reading : str
        One of `readings`; "" for the first.

    Returns
    -------
    Judgement

    Raises
    ------
    ValueError
        If there is no such claim or no such reading of it.
    """
    known = papers.claims()
    if name not in known:
        raise ValueError(f"no claim {name!r}; `astute claims` lists all {len(known)}")
    claim, predicate = known[name], PREDICATES.get(name)
    if reading and reading not in readings(name):
        raise ValueError(f"{name} has no reading {reading!r}; it has {', '.join(readings(name))}")
    about = {"id": name, "scale": scale, "predicate": claim.predicate, "printed": claim.printed}
    about["reading"] = reading or readings(name)[0]
    if predicate is None:
        return Judgement(**about, verdict="not measured", evidence="no predicate for it yet")
    if scale == "smoke":
        return Judgement(**about, verdict="not measured", evidence="smoke runs decide nothing")
    remedy = f"run `astute run {' '.join(predicate.studies)} --scale {scale}`"
    try:
        rows_of = predicate.readings.get(about["reading"], predicate.rows)
        rows = rows_of([one for s in predicate.studies for one in runs.load(s, scale)])
        holds, evidence = predicate.holds(means(rows))
        support = np.mean([predicate.holds(draw)[0] for draw in draws(rows)] or [holds])
    except Unplanned as missing:
        return Judgement(**about, verdict="not measured", evidence=missing.args[0])
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
    numbers = [_number(m) for m in value]
    return float(sum(numbers) / len(numbers)) if numbers else None


def _number(measured):
    """One seed's cell: a proportion in per cent, a mean in its own unit, or the number itself."""
    if not isinstance(measured, dict):
        return measured
    return measured["value"] * (100 if "outcomes" in measured else 1)


def _per_image(measured):
    """(N,): what each image contributes to a cell."""
    if "outcomes" in measured:
        return 100.0 * intervals.outcomes(measured)
    return intervals.numbers(measured).astype(float)


def draws(rows, count=DRAWS, seed=0):
    """Resampled versions of ``rows``: images and seeds drawn with replacement.

    Nothing is yielded where there is nothing to draw: no outcomes of images, no second seed.
    """
    cells = {}  # (row, column) -> images of each seed, or seeds of numbers
    for i, row in enumerate(rows):
        for key, value in row.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                cells[i, key] = [_per_image(m) for m in value]
            elif isinstance(value, list) and len(value) > 1:
                cells[i, key] = np.array(value)
    generator = np.random.default_rng(seed)
    weights, columns = {}, {}  # how often each of n images is drawn; (row, column) -> (count,)
    for place, measured in cells.items():
        if isinstance(measured, list):
            for n in map(len, measured):  # of the right images alone seeds have unequally many
                if n not in weights:
                    weights[n] = generator.multinomial(n, np.full(n, 1 / n), size=count).T / n
            measured = np.stack([images @ weights[len(images)] for images in measured])
        else:
            measured = np.repeat(measured[:, None], count, axis=1)
        picks = generator.integers(len(measured), size=measured.shape)
        columns[place] = np.take_along_axis(measured, picks, 0).mean(0).tolist()
    fixed = means(rows)
    for k in range(count if cells else 0):
        drawn = [dict(row) for row in fixed]
        for (i, key), values in columns.items():
            drawn[i][key] = values[k]
        yield drawn


# they register their predicates
from . import closer, idio, reg, sens  # noqa: E402, F401
