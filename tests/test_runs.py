"""Studies are lists of runs with names of their own; runs are measured, kept and found again."""

import json
import time
from dataclasses import dataclass, replace

import pytest
import torch

from astute import models, objectives, papers, records, runs, training, transforms, values
from astute.intervals import outcomes
from astute.runs import Context, Study, Training

STUDIES = runs.studies()
SETTING = Training(
    data="digits",
    variant=transforms.Original(),
    model=models.MLP(sizes=(784, 8, 10)),
    objective=objectives.Natural(),
    recipe=training.Recipe(lr=0.02, epochs=2, batch_size=20),
    train_size=100,
)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Records and weights in a folder of their own."""
    monkeypatch.setenv("ASTUTE_FROZEN", "0")
    monkeypatch.setenv("ASTUTE_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("ASTUTE_CACHE", str(tmp_path / "cache"))
    return tmp_path


# ---- what is planned


def test_every_study_is_listed_under_its_own_id():
    assert all(study.id == name for name, study in STUDIES.items())
    modules = (runs.sens, runs.sens_mnist, runs.sens_masking, runs.sens_certified, runs.sens_cifar)
    modules += (runs.sens_capacity,)
    modules += (runs.sens_examples, runs.reg, runs.idio, runs.idio_corruptions, runs.idio_parts)
    modules += (runs.closer,)
    listed = [s.id for module in modules for s in module.STUDIES]
    assert listed == list(STUDIES)
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda s: s.id)
def test_the_runs_of_a_study_have_names_of_their_own_and_fit_a_record(study):
    paths = set()
    for scale in runs.SCALES:
        for run in study.at(scale):
            config = values.config(run)
            json.dumps(config, allow_nan=False)
            paths.add(records.path_of(study.id, scale, config))
            assert callable(run.measure)
            assert hash(run) == hash(replace(run))
    assert len(paths) == sum(len(study.at(scale)) for scale in runs.SCALES)
    assert all(path.name.startswith(study.id.partition("/")[2] + "-") for path in paths)


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda s: s.id)
def test_every_planned_scale_has_its_cost_and_every_table_is_the_papers(study):
    assert set(study.minutes) == {scale for scale in runs.SCALES if study.at(scale)}
    assert all(minutes > 0 for minutes in study.minutes.values())
    assert study.title
    if study.table:
        columns = set(papers.table(study.table)[0])
        found = [(run, None) for run in study.at("cpu")]
        for row in study.rows(found):
            measured = {key for key, value in row.items() if value in ([], None)}
            assert measured & columns


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="scale is one of smoke, cpu, gpu, paper; got 'tiny'"):
        STUDIES["sens/table2"].at("tiny")


def test_an_unknown_study_is_refused_with_the_nearest_names():
    with pytest.raises(ValueError, match=r"no study 'sens/tabel2'; did you mean .*sens/table2"):
        runs.study("sens/tabel2")


def test_table_2_trains_nine_variants_both_ways_on_three_seeds():
    planned = STUDIES["sens/table2"].at("cpu")
    assert len(planned) == 9 * 2 * 3
    assert [row["variant"] for row in runs.sens.table2([(run, None) for run in planned])] == [
        row["variant"] for row in papers.table("sens_table2")
    ]
    for run in planned:
        attack = run.attack
        assert (attack.norm, attack.eps, attack.step_size, attack.steps) == ("linf", 0.3, 0.01, 40)
        assert (attack.keep, attack.random_start, attack.restarts) == ("last", True, 1)
        if isinstance(run.trained.objective, objectives.Adversarial):
            assert run.trained.objective.attack.eps == attack.eps


# ---- one run


@dataclass(frozen=True, kw_only=True)
class Made:
    """A run that does what it is told."""

    n: int = 0
    outcome: object = None

    def measure(self, context):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return {"value": self.n}


@pytest.fixture
def made(monkeypatch):
    """A study `sens/made` of three runs."""
    study = Study(
        id="sens/made",
        title="Made",
        runs=lambda scale: tuple(Made(n=n) for n in range(3)) if scale != "gpu" else (),
        minutes={"smoke": 1, "cpu": 1, "paper": 1},
    )
    monkeypatch.setattr(runs, "studies", lambda: {"sens/made": study})
    return study


def test_a_measured_run_is_a_whole_record():
    run, before = Made(n=3), time.time()
    record = runs.measure("sens/made", "cpu", run, Context())
    assert record["config"] == values.config(run)
    assert (record["status"], record["result"]) == ("ok", {"value": 3})
    assert record["provenance"]["device"] == "cpu"
    assert record["provenance"]["threads"] == torch.get_num_threads()
    assert 0 <= record["provenance"]["seconds"] <= time.time() - before + 0.01
    assert records.read(records.write(record)) == record


def failing(error):
    class Failing(Made):
        def measure(self, context):
            raise error

    return Failing()


@pytest.mark.parametrize(
    "error", [training.TrainingFailed("stuck at chance"), torch.OutOfMemoryError("too large")]
)
def test_a_failure_is_a_record_that_says_why(error):
    record = runs.measure("sens/made", "cpu", failing(error), Context())
    assert (record["status"], record["result"], record["error"]) == ("failed", None, str(error))
    assert records.read(records.write(record)) == record


@pytest.mark.parametrize("error", [training.OutOfTime("late"), KeyboardInterrupt(), KeyError("x")])
def test_what_is_no_failure_of_training_passes_through(error):
    with pytest.raises(type(error)):
        runs.measure("sens/made", "cpu", failing(error), Context())


# ---- a study


def test_what_has_no_record_is_none_unless_asked_for(made):
    assert [record for _, record in runs.load("sens/made", "cpu")] == [None] * 3
    assert records.every() == {}


def test_what_is_missing_is_measured_and_kept_once(made, monkeypatch):
    found = runs.load("sens/made", "cpu", measure_missing=True)
    assert [record["result"]["value"] for _, record in found] == [0, 1, 2]
    assert len(records.every()) == 3
    monkeypatch.setattr(Made, "measure", None)
    assert runs.load("sens/made", "cpu", measure_missing=True) == found
    assert runs.load("sens/made", "cpu") == found
    assert [record for _, record in runs.load("sens/made", "paper")] == [None] * 3
    assert runs.load("sens/made", "gpu") == []


def test_at_the_smallest_scale_all_is_measured_in_memory(made):
    found = runs.load("sens/made", "smoke")
    assert [record["result"]["value"] for _, record in found] == [0, 1, 2]
    assert records.every() == {}


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_runs_are_measured_each_once(made, jobs):
    todo = [("sens/made", Made(n=n)) for n in range(3)]
    found = list(runs.measured(todo, "cpu", Context(), jobs))
    assert sorted(record["result"]["value"] for record in found) == [0, 1, 2]


def test_after_the_deadline_nothing_is_begun():
    late = Context(deadline=time.monotonic() - 1)
    todo = [("sens/made", failing(KeyError("must not be called")))] * 2
    assert list(runs.measured(todo, "cpu", late)) == [None, None]


def test_a_run_that_the_deadline_stops_gives_no_record():
    todo = [("sens/made", failing(training.OutOfTime("late")))]
    assert list(runs.measured(todo, "cpu", Context())) == [None]


# ---- trained networks


def test_the_first_images_of_a_variant_are_trained_on():
    setting = replace(SETTING, variant=transforms.Binarize())
    x, y = setting.split("train", Context())
    plain, labels = SETTING.split("train", Context())
    assert x.shape == (100, 1, 28, 28)
    assert torch.equal(x, (plain >= 0.5).float())
    assert torch.equal(y, labels)
    # The number of training images says nothing about the test set.
    assert len(SETTING.split("test", Context())[0]) == 360
    assert len(SETTING.split("test", Context(), 30)[0]) == 30


def test_weights_are_trained_once_and_found_again(folder, monkeypatch):
    model, history = runs.trained(SETTING, Context())
    assert [p.suffix for p in (folder / "cache" / "weights").iterdir()] == [".safetensors"]
    assert not any(part.training for part in model.modules())

    def refuse(*_, **__):
        raise AssertionError("trained a second time")

    monkeypatch.setattr(training, "train", refuse)
    again, history_again = runs.trained(SETTING, Context())
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))
    assert history == history_again
    assert not any(part.training for part in again.modules())
    with pytest.raises(AssertionError, match="second time"):
        runs.trained(replace(SETTING, seed=1), Context())


def test_committed_weights_come_before_those_of_the_cache(folder):
    runs.trained(SETTING, Context())
    (kept,) = (folder / "cache" / "weights").iterdir()
    weights, about = training.load(kept)
    committed = folder / "records" / "weights" / kept.name
    training.save(committed, {k: 2 * v for k, v in weights.items()}, **about)
    model, _ = runs.trained(SETTING, Context())
    assert all(torch.equal(v, 2 * weights[k]) for k, v in model.state_dict().items())


def test_damaged_weights_are_refused_by_name(folder):
    runs.trained(SETTING, Context())
    (kept,) = (folder / "cache" / "weights").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{kept.name} is not a whole file of ours; delete it"):
        runs.trained(SETTING, Context())


def test_training_that_runs_out_of_time_goes_on_at_the_next_call(folder):
    whole, history = runs.trained(SETTING, Context())
    for path in (folder / "cache" / "weights").iterdir():
        path.unlink()
    stops = 0
    while True:
        try:
            model, resumed = runs.trained(SETTING, Context(deadline=time.monotonic()))
            break
        except training.OutOfTime:
            stops += 1
            assert len(list((folder / "cache" / "checkpoints").iterdir())) == 1
    assert stops == 9
    assert resumed == history
    assert all(map(torch.equal, whole.state_dict().values(), model.state_dict().values()))
    assert list((folder / "cache" / "checkpoints").iterdir()) == []


def test_training_starts_from_the_weights_of_the_seed_in_channels_last():
    model, _ = runs.trained(replace(SETTING, model=models.LeNet(width=0.125)), Context())
    assert model.conv2.weight.is_contiguous(memory_format=torch.channels_last)


# ---- the whole way through


def test_table_2_at_the_smallest_scale_runs_from_images_to_rows():
    found = runs.load("sens/table2", "smoke")
    assert all(record["status"] == "ok" for _, record in found)
    rows = runs.sens.table2(found)
    assert {row["variant"] for row in rows} <= {
        row["variant"] for row in papers.table("sens_table2")
    }
    assert len(rows) == len(found) / 2
    for row in rows:
        assert set(row) == set(papers.table("sens_table2")[0])
        for column in set(row) - {"variant"}:
            (measured,) = row[column]
            assert measured["n"] == found[0][0].test_size
            assert measured["value"] == outcomes(measured).mean()
        robust, clean = row["robust_acc"][0]["value"], row["pgd_test_acc"][0]["value"]
        assert robust <= row["robustness_wrt_predictions"][0]["value"]
        assert robust <= clean
        assert row["std_test_acc"][0]["value"] > 0.5
