"""The command line: lists for programs, refusals of one line, runs that survive a kill."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from astute import ROOT, __version__, papers, records, runs
from astute.__main__ import main

COMMANDS = ("status", "run", "verify", "claims", "statements", "export", "import", "pages")
SMOKE = ("sens/table6", "--scale", "smoke")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Records and weights in a folder of their own."""
    monkeypatch.setenv("ASTUTE_FROZEN", "0")
    monkeypatch.setenv("ASTUTE_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("ASTUTE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def refused(capsys, *argv):
    """The one line on standard error of a command that fails."""
    assert main(list(argv)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("astute: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: astute {command}")
    assert "None" not in out


def test_the_commands_are_listed_each_with_its_sentence(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"\n    {command}\s+[A-Z][^\n]+ ", out), command


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"astute {__version__}\n"


@pytest.mark.parametrize("argv", [[], ["fly"], ["claims", "--scale", "huge"], ["run"]])
def test_words_it_does_not_know_are_refused_with_the_usage(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert "usage: astute" in capsys.readouterr().err


# ---- listings


def listed(capsys, *argv):
    assert main([*argv, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    assert all(isinstance(row["id"], str) for row in rows)
    return rows


def test_the_status_lists_every_study_and_scale(capsys):
    rows = listed(capsys, "status")
    assert {row["id"] for row in rows} == set(runs.studies())
    for row in rows:
        assert row["runs"] == len(runs.study(row["id"]).at(row["scale"]))
        assert row["measured"] + row["failed"] + row["missing"] == row["runs"]
        assert row["measured"] == row["failed"] == 0
        assert row["minutes"] > 0
    only = listed(capsys, "status", "--scale", "cpu")
    assert only == [row for row in rows if row["scale"] == "cpu"]


def test_the_status_in_words_has_a_line_a_row(capsys):
    assert main(["status", "--scale", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "sens/table2 " in out
    assert "0/54" in out
    assert "min to measure" in out


def test_the_claims_are_listed_with_their_verdicts(capsys):
    rows = listed(capsys, "claims")
    assert [row["id"] for row in rows] == list(papers.claims())
    assert {row["verdict"] for row in rows} == {"not measured"}
    assert main(["claims", "--scale", "gpu"]) == 0
    assert "sens/claim-01 " in capsys.readouterr().out


def test_the_statements_are_listed_with_their_verdicts(capsys):
    rows = listed(capsys, "statements")
    assert [row["id"] for row in rows] == list(papers.statements())
    assert {row["verdict"] for row in rows} <= set(papers.VERDICTS)
    assert main(["statements"]) == 0
    assert capsys.readouterr().out.count("\n") >= len(rows)


# ---- refusals


@pytest.mark.parametrize("command", ["run", "verify"])
def test_an_unknown_study_is_refused_with_the_nearest_names(command, capsys):
    assert "no study 'sens/tabel2'; did you mean" in refused(capsys, command, "sens/tabel2")


def test_a_study_without_runs_at_the_scale_is_refused(capsys):
    assert "sens/table6 is not defined at scale paper" in refused(
        capsys, "run", "sens/table6", "--scale", "paper"
    )


def test_nothing_to_verify_is_refused(capsys):
    assert "no records to verify; `astute status` lists" in refused(capsys, "verify")


def test_nothing_to_export_is_refused(capsys, tmp_path):
    assert "no records to export" in refused(capsys, "export", str(tmp_path / "b.zip"))
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_is_not_there_is_refused(capsys, tmp_path):
    assert "nowhere.zip" in refused(capsys, "import", str(tmp_path / "nowhere.zip"))


def test_a_bundle_that_is_none_is_refused(capsys, tmp_path):
    (tmp_path / "b.zip").write_text("no")
    assert "b.zip is not a whole bundle" in refused(capsys, "import", str(tmp_path / "b.zip"))


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(capsys, device):
    assert main(["run", *SMOKE, "--device", device]) == 2
    err = capsys.readouterr().err
    assert err.startswith("astute: ")
    assert err.count("\n") == 1


def test_a_damaged_record_is_refused_with_its_remedy(capsys):
    assert main(["run", *SMOKE]) == 0
    path = next(iter(records.every()))
    path.write_text(path.read_text()[:-9])
    capsys.readouterr()
    assert "is not a whole record; delete it" in refused(capsys, "status", "--scale", "smoke")


# ---- runs


def test_a_run_is_measured_once_and_then_agrees(capsys):
    assert main(["run", *SMOKE]) == 0
    out = capsys.readouterr().out
    count = len(runs.study("sens/table6").at("smoke"))
    assert out.startswith(f"{count} runs to measure at scale smoke\n")
    assert out.count(" ok ") == count == len(records.every())
    before = {path: path.stat().st_mtime_ns for path in records.every()}
    assert main(["run", *SMOKE]) == 0
    assert capsys.readouterr().out == "0 runs to measure at scale smoke\n"
    assert before == {path: path.stat().st_mtime_ns for path in records.every()}

    (row,) = [r for r in listed(capsys, "status", "--scale", "smoke") if r["id"] == "sens/table6"]
    assert (row["measured"], row["missing"]) == (count, 0)

    assert main(["verify", *SMOKE, "--sample", "2"]) == 0
    assert capsys.readouterr().out.count("agrees") == 2


def test_a_record_that_was_tampered_with_does_not_agree(capsys):
    main(["run", *SMOKE])
    for path, record in records.every().items():
        record["result"]["mean_log2_volume"] *= 1.05
        assert records.write(record) == path
    capsys.readouterr()
    assert main(["verify", *SMOKE, "--sample", "1"]) == 1
    assert capsys.readouterr().out.startswith("DIFFERS  table6-")


def test_forced_runs_are_measured_again(capsys):
    main(["run", *SMOKE])
    before = {path: path.stat().st_mtime_ns for path in records.every()}
    assert main(["run", *SMOKE, "--force"]) == 0
    after = {path: path.stat().st_mtime_ns for path in records.every()}
    assert before.keys() == after.keys()
    assert all(after[path] > before[path] for path in before)


def test_a_failed_run_fails_the_command_and_is_tried_again_when_asked(capsys, monkeypatch):
    def fail(self, context):
        raise runs.training.TrainingFailed("stuck at chance")

    with monkeypatch.context() as patch:
        patch.setattr(runs.sens.Volume, "measure", fail)
        assert main(["run", *SMOKE]) == 1
        assert "failed" in capsys.readouterr().out
    assert main(["run", *SMOKE]) == 0
    assert capsys.readouterr().out.startswith("0 runs to measure")
    assert main(["run", *SMOKE, "--retry"]) == 0
    assert {r["status"] for r in records.every().values()} == {"ok"}


def test_without_time_nothing_is_measured_and_nothing_is_lost(capsys):
    assert main(["run", *SMOKE, "--minutes", "0.000001"]) == 0
    left = len(runs.study("sens/table6").at("smoke"))
    assert f"time is up: {left} runs left; the same command goes on" in capsys.readouterr().out
    assert records.every() == {}


def test_records_travel_through_a_bundle(capsys, monkeypatch, tmp_path):
    main(["run", *SMOKE])
    kept = records.every()
    bundle = str(tmp_path / "b.zip")
    assert main(["export", bundle, "sens/table6"]) == 0
    assert main(["export", bundle]) == 0
    monkeypatch.setenv("ASTUTE_RECORDS", str(tmp_path / "elsewhere"))
    capsys.readouterr()
    assert main(["import", bundle]) == 0
    assert capsys.readouterr().out == f"{len(kept)} records taken in\n"
    assert list(records.every().values()) == list(kept.values())


def test_control_c_is_one_line(capsys, monkeypatch):
    def stop(self, context):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs.sens.Volume, "measure", stop)
    assert main(["run", *SMOKE]) == 130
    assert capsys.readouterr().err == "astute: stopped; records and checkpoints are whole\n"


def test_a_killed_run_goes_on_and_ends_with_the_same_records(folder, capsys):
    """SIGKILL after the first record of a process of its own; the same command does the rest."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    argv = [sys.executable, "-m", "astute", "run", *SMOKE]
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while not list(folder.glob("records/sens/*.json")) and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    begun, planned = records.every(), len(runs.study(SMOKE[0]).at("smoke"))
    assert 1 <= len(begun) < planned
    assert main(["run", *SMOKE]) == 0
    assert capsys.readouterr().out.startswith(f"{planned - len(begun)} runs to measure")
    done = records.every()
    assert len(done) == planned
    assert begun.items() <= done.items()
    assert main(["verify", *SMOKE, "--sample", "2"]) == 0
