"""Executing the notebooks: what belongs to its sources, what is refused, what a failure spares."""

import json
import os
import subprocess
import sys
import time

import pytest

from astute import ROOT, pages

HEADER = """# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% tags=["parameters"]
scale = "cpu"
seed = 0
rate = 0.5

# %%
"""
NAMES = sorted(f.stem for f in (ROOT / "notebooks").glob("*.py"))
REPLAYED = [name for name in NAMES if not name.startswith("reference_")]


@pytest.fixture
def book(tmp_path):
    """A project with one small page of the paper `sens` and a record of it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "records/sens").mkdir(parents=True)
    (tmp_path / "records/sens/a.json").write_text("1")
    (tmp_path / "notebooks/sens_1.py").write_text(HEADER + "print(scale, seed + rate)\nseed\n")
    return tmp_path


def reason(book):
    file = book / pages.SECTIONS / "sens_1.ipynb"
    return pages.stale(file, pages.keys(["sens_1"], {}, book)["sens_1"])


def test_there_are_notebooks():
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_page_belongs_to_its_sources(name):
    why = pages.stale(ROOT / pages.SECTIONS / f"{name}.ipynb", pages.keys([name], {})[name])
    assert not why, f"{name}: {why}; run `make book` and commit {pages.SECTIONS}"


@pytest.mark.parametrize("name", REPLAYED)
def test_a_replayed_page_belongs_to_its_sources(name):
    key = pages.keys([name], {"scale": "smoke"})[name]
    why = pages.stale(ROOT / "tests/reference" / f"{name}.ipynb", key)
    assert not why, f"{name}: {why}; run `make reference` and commit tests/reference"


def test_no_executed_page_is_left_over():
    for folder, names in ((pages.SECTIONS, NAMES), ("tests/reference", REPLAYED)):
        assert sorted(f.stem for f in (ROOT / folder).glob("*.ipynb")) == names


def test_executing_again_gives_the_same_bytes_and_only_what_changed_is_executed(
    book, capsys, monkeypatch
):
    page = book / pages.SECTIONS / "sens_1.ipynb"
    assert pages.main([], book) == 0
    first = page.read_bytes()
    assert b"cpu 0.5" in first
    page.unlink()
    assert pages.main(["--jobs", "2"], book) == 0
    assert page.read_bytes() == first
    time.sleep(0.01)
    written = page.stat().st_mtime_ns
    capsys.readouterr()
    assert pages.main([], book) == 0
    assert "0 of 1 pages to execute" in capsys.readouterr().out
    assert page.stat().st_mtime_ns == written
    assert pages.main(["--check"], book) == 0

    # a fresh machine has the page but not the stamp: it is executed there all the same
    pages.stamp("sens_1", pages.SECTIONS, book).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(pages, "run", lambda todo, *_: {name: "" for name in todo})
        pages.main([], book)
    assert "1 of 1 pages to execute" in capsys.readouterr().out

    # a page that fails keeps its old version, and says which cell was wrong
    source = book / "notebooks/sens_1.py"
    source.write_text(source.read_text() + "\n# %%\nraise ValueError('eps is 8')\n")
    assert pages.main([], book) == 1
    assert "code cell 3: ValueError: eps is 8 (see _build/failed/sens_1.ipynb)" in (
        capsys.readouterr().out
    )
    assert page.read_bytes() == first
    assert (book / "_build/failed/sens_1.ipynb").exists()
    assert not list(book.rglob("*.part"))
    assert "has changed" in reason(book)


def executed(book):
    """A page as if executed, without the seconds that takes."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", id="x")])
    key = pages.keys(["sens_1"], {}, book)["sens_1"]
    text = pages.tidy(notebook, key=key, parameters={})
    pages.replace(book / pages.SECTIONS / "sens_1.ipynb", text)
    return book / pages.SECTIONS / "sens_1.ipynb"


@pytest.mark.parametrize(
    ("file", "matters"),
    [
        ("records/sens/a.json", True),
        ("records/sens/new.json", True),
        ("records/reg/b.json", False),
        ("records/sens/half.json.part", False),
        ("papers/tables/sens_table1.csv", True),
        ("papers/README.md", False),
        ("lib/astute/attacks.py", True),
        ("lib/astute/theory/sens.py", True),
        ("lib/astute/pages.py", False),
        ("notebooks/sens_1.py", True),
    ],
)
def test_what_a_page_may_show_makes_it_stale_and_nothing_else(book, file, matters):
    executed(book)
    assert reason(book) == ""
    (book / file).parent.mkdir(parents=True, exist_ok=True)
    (book / file).write_text("2")
    assert bool(reason(book)) == matters


def test_a_reference_page_depends_on_the_records_of_all_papers(book):
    (book / "notebooks/reference_all.py").write_text(HEADER)
    before = pages.keys(["reference_all"], {}, book)
    (book / "records/reg").mkdir()
    (book / "records/reg/b.json").write_text("2")
    assert pages.keys(["reference_all"], {}, book) != before


def test_a_page_changed_by_hand_or_cut_off_or_made_by_others_is_stale(book):
    page = executed(book)
    good = page.read_text()
    page.write_text(good.replace('"source": "1"', '"source": "2"').replace('"1"', '"2"'))
    assert "changed by hand" in reason(book)
    for text in (good[: len(good) // 2], "{}", "[]"):
        page.write_text(text)
        assert "not a page that this command wrote" in reason(book)
    page.unlink()
    assert "never executed" in reason(book)


def test_check_names_a_page_without_a_notebook(book, capsys):
    executed(book).with_name("old.ipynb").write_text("{}")
    assert pages.main(["--check"], book) == 1
    assert "stale  old: no notebook makes it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sens_l"], "there is no page sens_l; did you mean sens_1?"),
        (["-p", "sed=1"], "sens_1 has no parameter sed; did you mean seed?"),
        (["-p", "seed=many"], "parameter seed is a int such as 0; got 'many'"),
        (["-p", "seed=True"], "parameter seed is a int such as 0; got True"),
        (["--device", "cuda"], "sens_1 has no parameter device; there are scale, seed, rate"),
    ],
)
def test_wrong_names_and_values_are_refused_in_words(book, arguments, words):
    with pytest.raises(ValueError, match=r"sens") as refusal:
        pages.main(arguments, book)
    assert words in str(refusal.value)


def test_a_whole_number_is_a_good_value_for_a_fraction(book):
    pages.checked("sens_1", {"rate": 1, "scale": "smoke"}, book)


def test_a_page_with_other_parameters_goes_elsewhere(book, monkeypatch):
    asked = []
    monkeypatch.setattr(pages, "run", lambda todo, given, out, *_: asked.append((given, out)) or {})
    pages.main(["-p", "seed=1"], book)
    pages.main(["--scale", "smoke", "--out", "tests/reference"], book)
    assert asked == [
        ({"seed": 1}, pages.ELSEWHERE),
        ({"scale": "smoke"}, "tests/reference"),
    ]


def test_the_kernel_is_this_python_whatever_kernels_are_installed(tmp_path, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager

    foreign = tmp_path / "other/kernels/python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text(json.dumps({"argv": ["/nowhere"], "display_name": "P"}))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("JUPYTER_PATH", pages.own_kernel(tmp_path / "own")["JUPYTER_PATH"])
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == sys.executable


def test_an_interrupt_leaves_no_half_written_page_and_no_kernel(book):
    source = book / "notebooks/sens_1.py"
    source.write_text(
        HEADER + "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    # Started in the background by a shell, tests inherit an interrupt that is ignored.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += f"import pathlib, astute.pages as p; p.main([], pathlib.Path({str(book)!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = book / "pid"
    wait_for(lambda: pid.exists() and pid.read_text())
    process.send_signal(2)
    assert "stopped" in process.communicate(timeout=60)[0]
    assert not (book / pages.SECTIONS).exists()
    wait_for(lambda: gone(int(pid.read_text())))


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
