"""Studies: the list of runs behind a table or figure, and how a run is measured and kept."""

import contextlib
import difflib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import torch

try:
    import fcntl
except ImportError:  # Windows: two sweeps there do some runs twice
    fcntl = None

from .. import data, records, training, values

SCALES = ("smoke", "cpu", "gpu", "paper")


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a run happens; nothing here changes what it measures.

    Attributes
    ----------
    device : str
        "cpu", "cuda" or "cuda:0" ...
    data_root : str
        Folder of data sets; "" looks where `data` says.
    deadline : float or None
        `time.monotonic()` at which training stops with a checkpoint.
    """

    device: str = "cpu"
    data_root: str = ""
    deadline: float | None = None

    def __post_init__(self):
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
            reason = str(error).partition("\n")[0]
            raise ValueError(f"no device {self.device!r} here; choose cpu ({reason})") from error

    def load(self, name, split, limit=None):
        """Images and labels on the device: see `data.load`."""
        return data.load(name, split, limit=limit, device=self.device, root=self.data_root or None)


@dataclass(frozen=True, kw_only=True)
class Training:
    """Everything that decides the weights of a trained network.

    Attributes
    ----------
    data : str
        Name of the data set.
    variant : value of `transforms`
    model : value of `models`
    objective : value of `objectives`
    recipe : training.Recipe
    train_size : int or None
        The first so many training images; None for all.
    seed : int
        Decides initial weights, order of images and attacks' starts.
    train_split : str
        Another split than "train" to train on, where the data set has one.
    """

    data: str
    variant: object
    model: object
    objective: object
    recipe: training.Recipe
    train_size: int | None = None
    seed: int = 0
    train_split: str = values.added("train")

    def split(self, name, context, limit=None):
        """Images of the variant and labels of split "train" or "test"."""
        limit = self.train_size if name == "train" and limit is None else limit
        part = context.load(self.data, self.train_split if name == "train" else name, limit)
        return self.variant(part.x), part.y


def trained(setting, context):
    """The trained network in evaluation mode, and how its training went.

    Weights are found in `records/weights/` (a few small ones, committed), then in the cache;
    otherwise the network is trained, resuming from a checkpoint if there is one.

    Parameters
    ----------
    setting : Training
    context : Context

    Returns
    -------
    nn.Module, list of dict
        The second as returned by `training.train`.
    """
    model = setting.model(seed=setting.seed)
    for path in _weights(setting):
        if path.exists():
            weights, about = training.load(path)
            model.load_state_dict(weights)
            return _ready(model, context).eval(), about["history"]
    x, y = setting.split("train", context)
    model = _ready(model, context)
    history = training.train(
        model,
        x,
        y,
        setting.objective,
        setting.recipe,
        seed=setting.seed,
        checkpoint=data.cache() / "checkpoints" / path.name,
        deadline=context.deadline,
        desc=f"{setting.variant.label} {type(setting.objective).__name__.lower()}",
    )
    training.save(path, model.state_dict(), history=history, config=values.config(setting))
    return model, history


def train_together(todo, context):
    """Train the networks of many runs side by side where that can be; keep their weights.

    Those that share network, objective and recipe and have no weights yet become one training
    (`training.train_together`). What can't stand side by side, and what fails, is left to be
    trained alone when its run is measured, which says why.

    Parameters
    ----------
    todo : list of (study id, run)
    context : Context

    Returns
    -------
    int
        Number of networks trained.
    """
    groups, count = {}, 0
    for _, run in todo:
        for one in vars(run).values():
            if isinstance(one, Training) and not any(map(os.path.exists, _weights(one))):
                key = values.digest([one.model, one.objective, one.recipe, one.train_size])
                groups.setdefault(key, {})[values.digest(one)] = one
    for group in (list(g.values()) for g in groups.values() if len(g) > 1):
        networks = [_ready(one.model(seed=one.seed), context) for one in group]
        name = f"{values.digest([values.digest(one) for one in group])}.safetensors"
        try:
            histories = training.train_together(
                networks,
                [one.split("train", context) for one in group],
                group[0].objective,
                group[0].recipe,
                seeds=[one.seed for one in group],
                checkpoint=data.cache() / "checkpoints" / name,
                deadline=context.deadline,
                desc=f"{len(group)} networks",
            )
        except training.OutOfTime:
            break
        except (training.TrainingFailed, ValueError):
            continue
        for one, network, history in zip(group, networks, histories, strict=True):
            about = {"history": history, "config": values.config(one)}
            training.save(_weights(one)[-1], network.state_dict(), **about)
        count += len(group)
    return count


def _weights(setting):
    """Where a trained network may be kept, and last where a new one is."""
    name = f"{values.digest(setting)}.safetensors"
    return [folder / "weights" / name for folder in (records.folder(), data.cache())]


def _ready(model, context):
    # Channels last computes the same convolutions twice as fast on two cores (measured).
    return model.to(context.device, memory_format=torch.channels_last)


@dataclass(frozen=True, kw_only=True)
class Study:
    """The runs behind one table or figure.

    Attributes
    ----------
    id : str
        "sens/table2".
    title : str
    runs : callable
        Scale -> tuple of runs; a run is a frozen dataclass whose fields are its configuration,
        with ``measure(context) -> dict`` in base units. No runs: not defined at that scale.
    minutes : dict
        Scale -> minutes one run takes on the machine that scale is meant for.
    table : str
        The table of `papers/tables/` that the study measures again; "" for none.
    rows : callable
        What `load` returns -> rows of that table's shape; a measured cell is a list over seeds.
    """

    id: str
    title: str
    runs: Callable[[str], tuple]
    minutes: dict[str, float] = field(default_factory=dict)
    table: str = ""
    rows: Callable[[list], list] | None = None

    def at(self, scale):
        """The runs at ``scale``; ValueError names the scales if it is none of them."""
        if scale not in SCALES:
            raise ValueError(f"scale is one of {', '.join(SCALES)}; got {scale!r}")
        return self.runs(scale)


def study(name):
    """The study of this id.

    Raises
    ------
    ValueError
        With the nearest names.
    """
    known = studies()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
        raise ValueError(f"no study {name!r}; did you mean {' or '.join(near or known)}?")
    return known[name]


def studies():
    """All studies by id, in the order of the papers."""
    return {s.id: s for paper in (sens, reg, idio, closer) for s in paper.STUDIES}


def measure(name, scale, run, context):
    """Measure one run and return its record, whatever happens: a failure is a record too.

    `training.OutOfTime` and Ctrl-C pass through: they leave a checkpoint, not a record.
    """
    started, clock = time.time(), time.monotonic()
    record = {"schema": 1, "study": name, "scale": scale, "config": values.config(run)}
    try:
        record |= {"status": "ok", "result": run.measure(context)}
    except (training.TrainingFailed, torch.OutOfMemoryError) as error:
        record |= {"status": "failed", "result": None, "error": str(error)}
    device = torch.cuda.get_device_name(context.device) if "cuda" in context.device else "cpu"
    seconds = time.monotonic() - clock
    record["provenance"] = records.provenance(device, torch.get_num_threads(), started, seconds)
    return records.validate(record)


class Elsewhere(RuntimeError):
    """Another sweep is at this run, or has measured it since this one was planned."""


def measured(todo, scale, context, jobs=1):
    """Records of many runs, each written and yielded as soon as it is made.

    Parameters
    ----------
    todo : list of (study id, run)
    scale : str
    context : Context
    jobs : int
        Runs at a time; more than one share the cores with one thread each.

    Yields
    ------
    dict, None, Elsewhere or ValueError
        A record; None for a run that the deadline stopped; `Elsewhere` for one that another sweep
        has taken; the error of one that found a damaged file. The sweep goes on after each.

    Raises
    ------
    OSError
        If nothing can be written (a full disk), if data are absent, if a worker was killed.
    """
    work = [
        (name, scale, one, context, _content(records.path_of(name, scale, values.config(one))))
        for name, one in todo
    ]
    if jobs == 1 or len(work) < 2:
        yield from (_in_turn(*job) for job in work)
        return
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(jobs, spawn, _start_worker) as pool:
        futures = [pool.submit(_in_turn, *job) for job in work]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "a worker was killed, perhaps for want of memory; the same command goes on"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start_worker():
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """A worker whose sweep was killed would wait for work for ever, and hold what it claimed."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _in_turn(name, scale, run, context, planned):
    """Measure a run and write its record, unless another sweep has it; see `measured`."""
    if context.deadline is not None and time.monotonic() > context.deadline:
        return None
    path = records.path_of(name, scale, values.config(run))
    with _claimed(path.stem) as ours:
        if not ours or _content(path) != planned:
            return Elsewhere(f"{path.name} is another sweep's")
        try:
            record = measure(name, scale, run, context)
            records.write(record)
        except training.OutOfTime:
            return None
        except ValueError as error:
            return error
    return record


def _content(path):
    """Bytes of a record that may not be there."""
    return path.read_bytes() if path.exists() else None


@contextlib.contextmanager
def _claimed(name):
    """Whether this run is ours to measure; given up by the system if the process dies."""
    path = data.cache() / "claims" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        path.unlink(missing_ok=True)


def load(name, scale, measure_missing=False, context=None):
    """Runs of a study with their records: what a page asks for.

    Parameters
    ----------
    name : str
        Study id.
    scale : str
        At "smoke" what is missing is always measured, in memory: it takes seconds.
    measure_missing : bool
        Measure and keep what has no record yet.

    Returns
    -------
    list of (run, record or None)
    """
    context = context or Context()
    found = []
    for run in study(name).at(scale):
        record = records.get(name, scale, values.config(run))
        if record is None and (measure_missing or scale == "smoke"):
            record = measure(name, scale, run, context)
            if scale != "smoke":
                records.write(record)
        found.append((run, record))
    return found


def state(name, scale, found):
    """How much of a study has been measured, in a sentence, with the command for the rest.

    Parameters
    ----------
    name, scale : str
    found : list of (run, record or None)
        From `load`.

    Examples
    --------
    >>> state("reg/lemma-3-1", "cpu", [(None, None)])
    'reg/lemma-3-1: 0 of 1 runs measured; `astute run reg/lemma-3-1 --scale cpu` does the rest'
    >>> state("reg/table2", "smoke", [])
    'reg/table2: no runs at scale smoke, but at cpu, gpu, paper'
    """
    if not found:
        there = ", ".join(s for s in SCALES if study(name).at(s)) or "no other"
        return f"{name}: no runs at scale {scale}, but at {there}"
    count = sum(records.result(record) is not None for _, record in found)
    errors = [r["error"].partition(":")[0] for _, r in found if r and r["status"] == "failed"]
    if count == len(found):
        return f"{name}: all {count} runs measured at scale {scale}"
    text = f"{name}: {count} of {len(found)} runs measured"
    text += f", {len(errors)} failed ({', '.join(dict.fromkeys(errors))})" if errors else ""
    rest = f"; `astute run {name} --scale {scale}` does the rest"
    return text + rest * (count + len(errors) < len(found))


# they need what is above
from . import closer, idio, reg, sens  # noqa: E402
