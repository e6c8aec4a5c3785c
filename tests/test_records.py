"""Records are whole or absent, lie where they belong, and refuse what is no measurement."""

import errno
import json
import math
import multiprocessing
import os
import shutil
import signal
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astute import records
from astute.records import RecordError

PROVENANCE = {
    "commit": "0" * 40,
    "dirty": False,
    "versions": {"torch": "2.6"},
    "device": "cpu",
    "threads": 1,
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 1.5,
}


def made(n=0, study="sens/table2", result=None, **changes):
    record = {
        "schema": 1,
        "study": study,
        "scale": "cpu",
        "config": {"type": "Made", "n": n},
        "status": "ok",
        "result": {"value": 0.5} if result is None else result,
        "provenance": PROVENANCE,
    }
    return record | changes


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Records that may be written, in a folder of their own."""
    monkeypatch.setenv("ASTUTE_FROZEN", "0")
    monkeypatch.setenv("ASTUTE_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_record_comes_back_as_it_was():
    path = records.write(made())
    assert records.read(path) == made()
    assert records.get("sens/table2", "cpu", made()["config"]) == made()
    assert records.every() == {path: made()}


@settings(deadline=None, max_examples=20)
@given(
    st.dictionaries(
        st.text(max_size=3),
        st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=5),
        max_size=4,
    )
)
def test_any_plain_result_comes_back_to_the_last_bit(result):
    path = records.write(made(result=result))
    assert records.read(path)["result"] == result


def test_the_name_is_that_of_study_scale_and_configuration(folder):
    assert files_of(made()) == "sens/table2-dc32baf366.json"
    paths = {
        records.path_of(study, scale, {"type": "Made", "n": n})
        for study in ("sens/table2", "sens/table3")
        for scale in ("cpu", "gpu")
        for n in (0, 1)
    }
    assert len(paths) == 8
    assert {p.parent for p in paths} == {folder / "sens"}


def files_of(record):
    path = records.path_of(record["study"], record["scale"], record["config"])
    return path.relative_to(records.folder()).as_posix()


def test_what_was_never_measured_is_none():
    assert records.get("sens/table2", "cpu", {"type": "Made"}) is None
    assert records.every() == {}


def test_writing_again_replaces():
    records.write(made(result={"value": 0.1}))
    path = records.write(made(result={"value": 0.2}))
    assert records.every() == {path: made(result={"value": 0.2})}


def test_frozen_nothing_is_written(folder, monkeypatch):
    monkeypatch.setenv("ASTUTE_FROZEN", "1")
    path = records.write(made())
    assert path == records.path_of("sens/table2", "cpu", made()["config"])
    assert not folder.exists()


def test_without_a_folder_named_records_lie_in_the_repository(monkeypatch):
    monkeypatch.delenv("ASTUTE_RECORDS")
    assert records.folder() == records.ROOT / "records"


# ---- what is no record


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_and_the_old_record_stays(folder, value):
    path = records.write(made())
    with pytest.raises(RecordError, match="holds NaN or infinity: not a measurement"):
        records.write(made(result={"deep": [{"value": value}]}))
    assert records.read(path) == made()
    assert len(files(folder)) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "^schema: 1 was expected"),
        ({"study": "table2"}, "^study: 'table2' does not match"),
        ({"study": "../sens/table2"}, "^study: "),
        ({"study": "sens/../../table2"}, "^study: "),
        ({"scale": "huge"}, "^scale: 'huge' is not one of"),
        ({"config": {"n": 1}}, "^config: 'type' is a required property"),
        ({"status": "good"}, "^status: 'good' is not one of"),
        ({"result": None}, "^result: None is not of type 'object'"),
        ({"result": [1]}, "^result: "),
        ({"status": "failed", "result": None}, "^the record: 'error' is a required property"),
        ({"status": "failed", "error": "x"}, "^result: .* is not of type 'null'"),
        ({"extra": 1}, "^the record: Additional properties .*'extra'"),
        ({"provenance": {}}, "^provenance: 'commit' is a required property"),
        ({"provenance": PROVENANCE | {"seconds": -1}}, "^provenance/seconds: -1 is less than"),
        ({"provenance": PROVENANCE | {"threads": 1.5}}, "^provenance/threads: 1.5 is not of type"),
    ],
)
def test_a_record_that_breaks_the_schema_is_refused_by_its_field(folder, change, words):
    with pytest.raises(RecordError, match=words):
        records.write(made() | change)
    assert not folder.exists()


@pytest.mark.parametrize("key", list(made()))
def test_no_part_of_a_record_may_be_missing(key):
    with pytest.raises(RecordError, match="is a required property"):
        records.validate({k: v for k, v in made().items() if k != key})


def test_a_failure_is_a_record_too():
    failed = made(status="failed", result=None, error="stuck at chance")
    failed["result"] = None
    assert records.read(records.write(failed)) == failed


# ---- what lies in the folder


def test_a_record_cut_off_anywhere_is_refused_with_its_remedy():
    path = records.write(made())
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 2, 41), len(whole) - 2]:
        path.write_bytes(whole[:length])
        for read in (lambda: records.read(path), records.every, lambda: get(made())):
            with pytest.raises(
                RecordError, match=r"-\w{10}\.json is not a whole record; delete it"
            ):
                read()


def get(record):
    return records.get(record["study"], record["scale"], record["config"])


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b"PK\x03\x04",
        json.dumps(made()).replace("0.5", "NaN").encode(),
        json.dumps(made()).replace("0.5", "-Infinity").encode(),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_remedy(content):
    path = records.write(made())
    path.write_bytes(content)
    with pytest.raises(RecordError, match="is not a whole record; delete it and run again"):
        records.read(path)


def test_a_number_too_large_for_a_float_is_no_measurement():
    path = records.write(made())
    path.write_text(json.dumps(made()).replace("0.5", "1e999"))
    with pytest.raises(RecordError, match="is not a whole record"):
        records.read(path)


def test_an_edited_configuration_no_longer_belongs_to_its_name():
    path = records.write(made())
    path.write_text(json.dumps(made(n=1)))
    with pytest.raises(RecordError, match="does not belong to its configuration; delete it"):
        records.read(path)


@pytest.mark.parametrize("place", ["sens/table2-0000000000.json", "sens/other.json"])
def test_a_renamed_record_does_not_belong(folder, place):
    records.write(made()).rename(folder / place)
    with pytest.raises(RecordError, match="does not belong to its configuration"):
        records.every()


def test_a_record_moved_to_another_paper_does_not_belong(folder):
    path = records.write(made())
    (folder / "reg").mkdir()
    path.rename(folder / "reg" / path.name)
    with pytest.raises(RecordError, match="does not belong"):
        records.every()


def test_leftovers_of_a_killed_writer_are_not_records(folder):
    path = records.write(made())
    (folder / "sens" / f"{path.name}.0badcafe.part").write_text("{")
    assert list(records.every()) == [path]


# ---- writers and readers at once


def write_often(folder, value, until):
    os.environ |= {"ASTUTE_FROZEN": "0", "ASTUTE_RECORDS": str(folder)}
    while time.time() < until:
        records.write(made(result={"value": value, "bulk": "x" * 20_000}))


@pytest.fixture
def writers(folder):
    """Starts processes that write one record again and again."""
    context, started = multiprocessing.get_context("spawn"), []

    def start(value, seconds):
        until = time.time() + seconds
        started.append(context.Process(target=write_often, args=(folder, value, until)))
        started[-1].start()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.join()


def wait_for(condition, seconds=100):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_reader_between_two_writers_always_sees_a_whole_record(folder, writers):
    both = [writers(value, 120) for value in (1, 2)]
    path = records.path_of("sens/table2", "cpu", made()["config"])
    wait_for(path.exists)
    seen, until = set(), time.monotonic() + 100
    while seen != {1, 2} or len(records.every()) != 1:
        assert time.monotonic() < until
        seen.add(records.read(path)["result"]["value"])
    for _ in range(50):
        assert len(records.read(path)["result"]["bulk"]) == 20_000
    for process in both:
        process.kill()
        process.join()
    assert records.read(path)["result"]["value"] in (1, 2)
    assert [name for name in files(folder) if name.endswith(".json")] == [
        path.relative_to(folder).as_posix()
    ]


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


class HalfWritten:
    """A file whose writer dies with half of the text on the disk."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, text):
        self.file.write(text[: len(text) // 2])
        self.file.flush()
        die()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child only dies
@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_writer_killed_at_any_moment_leaves_a_whole_record(moment):
    """A forked child dies in the middle of the text, before it is safe, or before it is named."""
    path = records.write(made(result={"value": 1}))
    child = os.fork()
    if child == 0:
        kind, plain = type(path), type(path).open
        if moment == "write":
            kind.open = lambda self, *args, **kw: HalfWritten(plain(self, *args, **kw))
        elif moment == "fsync":
            os.fsync = die
        else:
            kind.replace = die
        records.write(made(result={"value": 2}))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert records.read(path)["result"] == {"value": 1}
    assert list(records.every()) == [path]
    assert records.read(records.write(made(result={"value": 3})))["result"] == {"value": 3}


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_record_and_leaves_no_half_file(folder, monkeypatch, where):
    path = records.write(made(result={"value": 1}))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if where == "fsync" else type(path), where, full)
    with pytest.raises(OSError, match="No space left on device"):
        records.write(made(result={"value": 2}))
    monkeypatch.undo()
    monkeypatch.setenv("ASTUTE_RECORDS", str(folder))
    assert records.read(path)["result"] == {"value": 1}
    assert len(files(folder)) == 1


# ---- bundles


@pytest.fixture
def bundle(folder, tmp_path):
    for n in range(3):
        records.write(made(n))
    records.write(made(study="reg/table3"))
    return tmp_path / "bundle.zip"


def fresh(folder):
    """What was there, after which the folder is empty."""
    kept = records.every()
    shutil.rmtree(folder)
    return kept


def test_records_travel_in_a_bundle(folder, bundle):
    assert records.export(bundle) == 4
    kept = fresh(folder)
    assert sorted(records.take_in(bundle)) == sorted(kept)
    assert records.every() == kept
    assert [p.name for p in bundle.parent.iterdir() if p.name.endswith(".part")] == []


def test_a_bundle_may_hold_some_studies(folder, bundle):
    assert records.export(bundle, ["reg/table3"]) == 1
    fresh(folder)
    records.take_in(bundle)
    assert {r["study"] for r in records.every().values()} == {"reg/table3"}


def test_nothing_to_export_is_refused(bundle):
    with pytest.raises(RecordError, match="no records to export for sens/table9"):
        records.export(bundle, ["sens/table9"])
    assert not bundle.exists()


def packed(bundle, **entries):
    with zipfile.ZipFile(bundle, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return bundle


def test_names_in_a_bundle_are_not_trusted(folder, tmp_path):
    """A whole record under an evil name goes where its content belongs, and nowhere else."""
    names = ("../../evil.json", "/etc/evil.json", "sens/../../../evil.json")
    bundle = packed(tmp_path / "b.zip", **{name: made(n) for n, name in enumerate(names)})
    records.take_in(bundle)
    assert files(folder) == sorted(files_of(made(n)) for n in range(3))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.zip", "records"]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        made(study="../../x"),
        made(study="sens/../../x"),
        made() | {"schema": 2},
        json.dumps(made()).replace("0.5", "NaN").encode(),
        json.dumps(made()).replace("0.5", "1e999").encode(),
    ],
    ids=range(9),
)
def test_one_bad_entry_and_nothing_is_taken_in(folder, tmp_path, bad):
    entries = {"sens/a.json": made(1), "sens/evil.json": bad, "sens/z.json": made(2)}
    with pytest.raises(RecordError, match=r"b\.zip: sens/evil\.json is not a record"):
        records.take_in(packed(tmp_path / "b.zip", **entries))
    assert not folder.exists()


def test_a_damaged_bundle_is_refused_in_words_wherever_it_is_damaged(folder, bundle):
    records.export(bundle)
    kept, whole = fresh(folder), bundle.read_bytes()
    for length in range(0, len(whole), 97):
        bundle.write_bytes(whole[:length])
        with pytest.raises(RecordError, match=r"bundle\.zip"):
            records.take_in(bundle)
    for at in range(0, len(whole), 13):
        bundle.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            records.take_in(bundle)
        except RecordError:
            assert not folder.exists()
        else:  # a byte that says nothing, such as a date: the records are the same
            assert fresh(folder).items() <= kept.items()


def test_a_bundle_that_is_not_there_is_missed_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.zip"):
        records.take_in(tmp_path / "nowhere.zip")


# ---- agreement


@pytest.mark.parametrize(
    ("a", "b", "agree"),
    [
        ({"v": 0.5}, {"v": 0.509}, True),
        ({"v": 0.5}, {"v": 0.52}, False),
        ({"v": 100.0}, {"v": 100.9}, True),
        ({"v": 0.5, "outcomes": "AA=="}, {"v": 0.5, "outcomes": "/w=="}, True),
        ({"v": [0.5, {"w": 1}]}, {"v": [0.5, {"w": 1}]}, True),
        ({"v": [0.5]}, {"v": [0.5, 0.5]}, False),
        ({"v": 0.5}, {"w": 0.5}, False),
        ({"v": 0.5}, {"v": [0.5]}, False),
        ({"v": "a"}, {"v": "b"}, False),
        ({"v": None}, {"v": None}, True),
        ({"v": None}, {"v": 0.0}, False),
        ({"v": True}, {"v": False}, False),
        ({"v": True}, {"v": 1}, True),
    ],
)
def test_results_agree_within_the_tolerance(a, b, agree):
    assert records.close(a, b, 0.01) == agree
    assert records.close(b, a, 0.01) == agree


def test_provenance_fits_the_schema_and_names_the_libraries():
    about = records.provenance("cpu", 2, 0.0, 1.23456)
    records.validate(made(provenance=about))
    assert about["started"] == "1970-01-01T00:00:00+00:00"
    assert about["seconds"] == 1.235
    assert set(about["versions"]) == {"python", *records.PACKAGES}
