"""Speed as ratios within one run: ours and its peers over a reference, timed in turn.

One file per item. It holds ``measurements()``, a generator of `Row`; ``python -m bench ITEM``
prints them and ``python -m bench ITEM --write`` also keeps them in ``bench/results/ITEM.json``,
which a page of the book shows. Seconds differ between machines and hours; ratios of calls that
took turns hardly do, so only ratios are kept. They are of processor seconds, all threads together,
as a shared machine takes turns, too::

    def measurements():
        found = ratios({"ours": ours, "scikit-learn": theirs}, reference, pairs=5)
        yield Row("what was measured; the reference", found.pop("ours"), goal=0.35, peers=found)

A peer that may be missing is imported by `peer` and timed only if it is there: `ratios` gives
``None`` for a function that is ``None``, which is shown as "not installed".
"""

import datetime
import importlib
import json
import os
import platform
import statistics
import time
import warnings
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).parent / "results"


class Row(NamedTuple):
    """One measurement: seconds of ours over seconds of the reference, and what was hoped for."""

    label: str  #: what was measured, and against what
    ratio: float
    goal: float | None = None  #: at most this
    peers: dict = {}  # noqa: RUF012 -- name -> ratio to the same reference, None if absent
    note: str = ""  #: such as why the goal is missed, or the error that comes with the speed

    def __str__(self):
        goal = "" if self.goal is None else f" (goal {self.goal:g})"
        peers = "".join(
            f"; {name} " + ("not installed" if value is None else f"{value:.3f}")
            for name, value in self.peers.items()
        )
        return f"{self.ratio:8.3f}  {self.label}{goal}{peers}" + f"; {self.note}" * bool(self.note)


def ratios(functions, reference, pairs=5):
    """Median seconds of each function over those of the reference called in the same round.

    Parameters
    ----------
    functions : dict of str to callable or None
    reference : callable
    pairs : int
        Rounds; all are called once before, so that none pays for what is done once.

    Returns
    -------
    dict of str to float or None
    """
    timed = {name: function for name, function in functions.items() if function is not None}
    found = {name: [] for name in timed}
    for lap in range(pairs + 1):
        base = _seconds(reference)
        for name, function in timed.items():
            seconds = _seconds(function)
            if lap:
                found[name].append(seconds / base)
    return {name: statistics.median(found[name]) if name in found else None for name in functions}


def ratio(ours, reference, pairs=5):
    """`ratios` of one function."""
    return ratios({"ours": ours}, reference, pairs)["ours"]


def _seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def peer(name):
    """The module of another library, or None where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


def write(item, rows):
    """Keep an item's rows in ``bench/results/ITEM.json``: the whole file or nothing."""
    import torch

    record = {
        "item": item,
        "rows": [row._asdict() for row in rows],
        "machine": {
            "cpu": _cpu(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    RESULTS.mkdir(exist_ok=True)
    unfinished = RESULTS / f".{item}.json"
    unfinished.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(unfinished, RESULTS / f"{item}.json")


def _cpu():
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
