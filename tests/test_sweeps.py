"""Sweeps that are cut into: nothing is lost but the run in flight."""

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from astute import ROOT, data, records, runs, training, values
from astute.__main__ import main

STUDY = "sens/table6"
SMOKE = (STUDY, "--scale", "smoke")
PLANNED = runs.study(STUDY).at("smoke")
TRAINED = "reg/singular-values"


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Records and weights in a folder of their own."""
    monkeypatch.setenv("ASTUTE_FROZEN", "0")
    monkeypatch.setenv("ASTUTE_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("ASTUTE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def begun(*argv, **options):
    """The command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    words = [sys.executable, "-m", "astute", "run", *argv]
    return subprocess.Popen(words, env=environment, text=True, stdout=subprocess.PIPE, **options)


def whole():
    """All records, each of which reads; no half-written file beside them."""
    assert not list(records.folder().rglob("*.part"))
    return records.every()


def path_of(run, study=STUDY):
    return records.path_of(study, "smoke", values.config(run))


# ---- two sweeps


def test_two_sweeps_on_one_folder_share_the_runs():
    both = [begun(*SMOKE) for _ in range(2)]
    said = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len(whole()) == len(PLANNED)
    assert sum(words.count(" ok ") for words in said) == len(PLANNED)  # each was measured once
    assert main(["run", *SMOKE]) == 0


def test_a_run_that_another_sweep_is_at_is_left_to_it(capsys):
    with runs._claimed(path_of(PLANNED[0]).stem) as ours:
        assert ours
        assert main(["run", *SMOKE]) == 0
    assert "1 runs left to another sweep on this folder" in capsys.readouterr().out
    assert len(whole()) == len(PLANNED) - 1
    assert path_of(PLANNED[0]) not in records.every()
    assert main(["run", *SMOKE]) == 0
    assert len(whole()) == len(PLANNED)
    assert not list((data.cache() / "claims").iterdir())


def test_a_run_that_another_sweep_has_measured_meanwhile_is_not_measured_again():
    todo = [(STUDY, run) for run in PLANNED[:2]]
    sweep = runs.measured(todo, "smoke", runs.Context())
    first = next(sweep)
    record = runs.measure(STUDY, "smoke", PLANNED[1], runs.Context())
    records.write(record)
    assert first["status"] == "ok"
    assert isinstance(next(sweep), runs.Elsewhere)
    assert records.get(STUDY, "smoke", values.config(PLANNED[1])) == record


# ---- networks side by side


def test_networks_trained_side_by_side_give_the_records_of_those_trained_alone(capsys):
    """Up to rounding, which the attack may turn into an image more or less."""
    study = "sens/table2"
    assert main(["run", study, "--scale", "smoke", "--together"]) == 0
    out = capsys.readouterr().out
    planned = runs.study(study).at("smoke")
    assert f"{len(planned)} networks trained side by side" in out
    together = {path: record["result"] for path, record in whole().items()}
    kept = list((data.cache() / "weights").iterdir())
    assert len(kept) == len(planned)
    for path in [*kept, *together]:
        path.unlink()
    assert main(["run", study, "--scale", "smoke"]) == 0
    for path, record in records.every().items():
        assert records.close(record["result"], together[path], 0.05)


# ---- kill -9


def test_a_killed_sweep_with_workers_leaves_no_process_and_no_half_record():
    """The workers go with it, or they would hold what they had claimed for ever."""
    process = begun(*SMOKE, "--jobs", "2", start_new_session=True)
    try:
        until = time.monotonic() + 240
        while not list(records.folder().glob("*/*.json")):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = records.every()  # they read: whole
        while alive(process.pid) and time.monotonic() < until:
            time.sleep(0.02)
        assert not alive(process.pid)
    finally:
        process.stdout.close()
        if alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
    assert main(["run", *SMOKE]) == 0
    done = records.every()
    assert len(done) == len(PLANNED)
    assert kept.items() <= done.items()


def alive(group):
    """Whether a process of the group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(
        line.split(") ")[1].split()[2] == str(group) and line.split(") ")[1][0] != "Z"
        for line in statuses()
    )


def statuses():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                    yield file.read()
            except OSError:
                pass


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A run whose process is killed, as the system does when memory runs out."""

    n: int

    def measure(self, context):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_sentence():
    todo = [(STUDY, Killed(n=n)) for n in range(2)]
    sweep = runs.measured(todo, "smoke", runs.Context(), jobs=2)
    with pytest.raises(OSError, match="a worker was killed, perhaps for want of memory"):
        list(sweep)


# ---- a full disk


@pytest.fixture
def small_disk(folder):
    """A file system of 1 MiB for the records."""
    place = folder / "records"
    place.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(size, capture_output=True).returncode:
        pytest.skip("no right to mount a small file system here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_loses_the_run_in_flight_alone(small_disk, capsys):
    ballast = small_disk / "ballast"
    assert main(["run", STUDY, "--scale", "smoke", "--only", path_of(PLANNED[0]).name]) == 0
    kept = whole()
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(2**21))
    capsys.readouterr()
    assert main(["run", *SMOKE]) == 2
    said = capsys.readouterr()
    assert "No space left on device" in said.err
    assert said.err.count("\n") == 1
    assert whole() == kept
    ballast.unlink()
    assert main(["run", *SMOKE]) == 0
    assert len(whole()) == len(PLANNED)


@pytest.fixture
def short_files():
    """Files of this process may have 200 bytes: what is longer can't be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, kept)


def test_records_that_can_not_be_written_are_one_sentence_and_no_file(short_files, capsys):
    assert main(["run", *SMOKE]) == 2
    assert "File too large" in capsys.readouterr().err
    assert whole() == {}
    short_files()
    assert main(["run", *SMOKE]) == 0
    assert len(whole()) == len(PLANNED)


def test_a_checkpoint_that_can_not_be_written_leaves_the_last_one(folder, short_files):
    import torch

    path = folder / "checkpoint"
    short_files()
    training.save(path, {"a": torch.zeros(1)}, version=1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    with pytest.raises(OSError, match=r"checkpoint could not be written: .*File too large"):
        training.save(path, {"a": torch.zeros(9999)}, version=2)
    assert training.load(path)[1] == {"version": 1}
    assert [p.name for p in folder.iterdir()] == ["checkpoint"]


# ---- damaged files


def test_a_corrupt_record_is_named_and_the_others_are_measured(capsys):
    spoilt = path_of(PLANNED[2])
    spoilt.parent.mkdir(parents=True)
    spoilt.write_text('{"schema": 1, "study": ')
    assert main(["run", *SMOKE]) == 1
    said = capsys.readouterr()
    assert f"{spoilt} is not a whole record; delete it and run again" in said.err
    assert said.out.count(" ok ") == len(PLANNED) - 1
    assert spoilt.read_text() == '{"schema": 1, "study": '  # it is not ours to throw away
    spoilt.unlink()
    assert main(["run", *SMOKE]) == 0
    assert len(whole()) == len(PLANNED)


def weights_of(run):
    """Where the trained network of a run is kept."""
    (setting,) = (v for v in vars(run).values() if isinstance(v, runs.Training))
    return data.cache() / "weights" / f"{values.digest(setting)}.safetensors"


def test_damaged_weights_stop_their_own_run_alone(capsys):
    planned = runs.study(TRAINED).at("smoke")
    spoilt = weights_of(planned[1])
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    assert main(["run", TRAINED, "--scale", "smoke"]) == 1
    said = capsys.readouterr()
    assert f"{spoilt} is not a whole file of ours; delete it and run again" in said.err
    users = [run for run in planned if weights_of(run) == spoilt]
    assert len(whole()) == len(planned) - len(users)
    spoilt.unlink()
    assert main(["run", TRAINED, "--scale", "smoke"]) == 0
    assert len(whole()) == len(planned)


# ---- the engine for many machines


@pytest.fixture
def sweep(folder):
    """Snakemake on our Snakefile, in a folder of its own with `astute` on the path."""
    engine = shutil.which("snakemake", path=os.environ.get("ASTUTE_SNAKEMAKE"))
    if engine is None:
        pytest.skip("snakemake is not on the PATH or in ASTUTE_SNAKEMAKE: nothing to try it with")
    (folder / "bin").mkdir()
    command = folder / "bin" / "astute"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m astute "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "lib"),
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "home"),
    }

    def go(*options):
        words = [engine, "-s", ROOT / "workflow" / "Snakefile", "-c2", "--keep-going", *options]
        words += ["--config", f"study={TRAINED}", "scale=smoke"]
        return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)

    return go


def test_the_engine_runs_a_study_and_after_a_repair_only_what_is_missing(sweep, capsys):
    planned = runs.study(TRAINED).at("smoke")
    spoilt = weights_of(planned[1])
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"not weights")
    first = sweep()
    assert first.returncode != 0
    users = {path_of(run, TRAINED) for run in planned if weights_of(run) == spoilt}
    done = whole()
    assert len(done) == len(planned) - len(users)
    logs = "".join(p.read_text() for p in (records.folder().parent / "_build/sweep").iterdir())
    assert f"{spoilt} is not a whole file of ours; delete it" in logs

    spoilt.unlink()
    again = sweep()
    assert again.returncode == 0, again.stderr
    assert f"{len(users)} of {len(users) + 1} steps" in again.stderr
    after = whole()
    assert len(after) == len(planned)
    assert done.items() <= after.items()  # the others were not touched
    assert "Nothing to be done" in sweep().stderr
    main(["status", "--scale", "smoke", "--json"])
    (row,) = [r for r in json.loads(capsys.readouterr().out) if r["id"] == TRAINED]
    assert row["measured"] == len(planned)
