"""Execute the notebooks into the pages of the book: in parallel, and only what changed.

    python -m astute.pages                                        the book's pages, book/sections
    python -m astute.pages sens_3_smoothing_and_saturation -p seed=1       one page, another seed
    python -m astute.pages --scale smoke --out tests/reference       what the tests replay (nbval)
    python -m astute.pages --check                             are the committed pages up to date?

A page carries a key: a hash of its source, its parameters, the library, what the papers say and
the records it may show. It is current while that key is still the one to be had. A page counts as
executed *here* once a stamp under _build/ says so too: a fresh machine runs everything once.
"""

import argparse
import ast
import difflib
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path

from . import ROOT
from .progress import bar

SECTIONS = "book/sections"
ELSEWHERE = "_build/pages"  # pages run with other parameters than their own
PACKAGES = ("foolbox", "matplotlib", "numpy", "scikit-learn", "scipy", "torch", "torchvision")
NOT_SEEN = ("pages.py", "progress.py", "__main__.py", "README.md")  # files no page depends on
QUIET = {"ASTUTE_QUIET": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
FROZEN = {"ASTUTE_FROZEN": "1", "CUDA_VISIBLE_DEVICES": ""}


def digest(*parts):
    """Hash of bytes and of JSON-able values -> 16 hex digits."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()[:16]


def contents(folder, suffix=""):
    """Names and contents of the files under a folder that can matter to a page."""
    found = []
    for file in sorted(folder.rglob(f"*{suffix}")):
        place = file.relative_to(folder)
        hidden = any(part.startswith((".", "__pycache__")) for part in place.parts)
        if file.is_file() and not hidden and file.name not in NOT_SEEN and file.suffix != ".part":
            found += [place.as_posix(), file.read_bytes().replace(b"\r\n", b"\n")]
    return digest(*found)


def keys(names, given, root=ROOT):
    """The key each page must carry, by name; ``given`` are its parameters, if not its own.

    A page may show the records of its paper, which is the first word of its name; a reference
    page those of all; and at scale smoke nothing is read but computed.
    """
    shared = [contents(root / "lib/astute", ".py"), contents(root / "papers"), given]
    found, records = {}, {}
    for name in names:
        paper = name.split("_")[0]
        folder = root / "records" / ("" if paper == "reference" else paper)
        if given.get("scale") != "smoke" and folder not in records:
            records[folder] = contents(folder)
        source = (root / "notebooks" / f"{name}.py").read_bytes().replace(b"\r\n", b"\n")
        found[name] = digest(source, records.get(folder, ""), *shared)
    return found


def versions():
    """Versions that can move a number: kept in a page as information."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package).split("+")[0]
    return found


def stale(file, key, strict=False):
    """Why an executed page does not belong to its sources; empty if it does."""
    try:
        page = json.loads(file.read_text(encoding="utf-8"))
        stamp = page["metadata"]["astute"]
        if stamp["key"] != key:
            return "its source, the library, a paper's table or a record has changed"
        if stamp["content"] != digest(page["cells"]):
            return "it was changed by hand after it was executed"
    except FileNotFoundError:
        return "it was never executed"
    except (KeyError, TypeError, ValueError):
        return "it is not a page that this command wrote"
    return "other versions made it" if strict and stamp["versions"] != versions() else ""


def parameters(source):
    """Names and default values in the cell tagged ``parameters`` of a percent-format notebook."""
    for cell in source.split("\n# %%")[1:]:
        heading, _, code = cell.partition("\n")
        if '"parameters"' in heading:
            lines = [s for s in ast.parse(code).body if isinstance(s, ast.Assign)]
            return {s.targets[0].id: ast.literal_eval(s.value) for s in lines}
    return {}


def checked(name, given, root):
    """Refuse parameters that a page does not have or that are of another kind."""
    known = parameters((root / "notebooks" / f"{name}.py").read_text(encoding="utf-8"))
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"{name} has no parameter {key}{_like(key, known)}")
        kinds = (int, float) if isinstance(known[key], float) else type(known[key])
        if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(known[key], bool):
            raise ValueError(
                f"{name}: parameter {key} is a {type(known[key]).__name__} such as "
                f"{known[key]!r}; got {value!r}"
            )


def _like(word, known):
    close = difflib.get_close_matches(word, known, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(known)}"


def own_kernel(folder):
    """Environment in which the kernel called python3 is this very Python, whatever is installed."""
    spec = folder / "kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    return {"JUPYTER_PATH": str(folder), "IPYTHONDIR": str(folder / "ipython")}


def tidy(notebook, **stamp):
    """Drop timings, random ids and versions, so that executing again gives the same bytes."""
    import nbformat

    for k, cell in enumerate(notebook.cells):
        cell["id"] = f"c{k:03d}"
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            tags = [*tags, "hide-input"]
        kept = {k: v for k, v in cell.metadata.items() if k == "mystnb"}
        cell["metadata"] = nbformat.from_dict(kept | ({"tags": tags} if tags else {}))
    notebook["metadata"] = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        }
    )
    cells = json.loads(nbformat.writes(notebook))["cells"]
    notebook.metadata["astute"] = {**stamp, "content": digest(cells), "versions": versions()}
    return nbformat.writes(notebook)


def execute(name, given, key, out, folder, root, pipe):
    """Execute one page, in a process of its own; says through ``pipe`` how far it is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    os.dup2(os.open(folder / "log", os.O_WRONLY | os.O_CREAT), 2)
    os.environ.update(
        QUIET | own_kernel(folder) | (FROZEN if given.get("scale") == "smoke" else {})
    )
    import jupytext
    import papermill
    from traitlets.config import Config

    notebook = jupytext.read(root / "notebooks" / f"{name}.py")
    pipe.send(("cells", sum(cell.cell_type == "code" for cell in notebook.cells)))
    raw = folder / f"{name}.ipynb"
    try:
        executed = papermill.execute_notebook(
            notebook,
            str(raw),
            parameters=given,
            kernel_name="python3",
            cwd=str(root),
            progress_bar=False,
            start_timeout=300,
            coalesce_streams=True,  # how the lines of a cell were cut depends on the moment
            on_cell_executed=lambda **_: pipe.send(("cell", 1)),
            # a private socket for each kernel: no port, and no warning about an open one
            config=Config(AsyncKernelManager={"transport": "ipc", "ip": str(folder / "k")}),
        )
        text = tidy(executed, key=key, parameters=given)
        page = root / out / f"{name}.ipynb"
        page.parent.mkdir(parents=True, exist_ok=True)
        if _cells(page) != _cells(text) or stale(page, key):  # the same again: leave it alone
            replace(page, text)
        replace(stamp(name, out, root), key)
        pipe.send(("done", ""))
    except Exception as error:
        failed = root / "_build/failed" / raw.name
        if raw.exists():
            failed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(raw, failed)
        pipe.send(("done", f"{_story(error)} (see {failed.relative_to(root)})"))


def _cells(page):
    """The cells of a page given as text or file; None if there are none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return json.loads(page if isinstance(page, str) else page.read_text("utf-8"))["cells"]


def _story(error):
    """An exception in one line: which cell, which error."""
    cell = getattr(error, "cell_index", None)
    where = "" if cell is None else f"code cell {error.exec_count}: "
    what = getattr(error, "ename", None) or type(error).__name__
    words = str(getattr(error, "evalue", None) or error).strip() or "no message"
    return f"{where}{what}: {words.splitlines()[0]}"


def replace(file, text):
    """Write a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(file)


def stamp(name, out, root):
    """The file that says with which key a page was executed on this machine."""
    return root / "_build/executed" / Path(out).as_posix().strip("/").replace("/", "-") / name


def run(todo, given, out, jobs, root):
    """Execute pages, ``jobs`` at a time; name -> key in, name -> reason of failure out."""
    context = multiprocessing.get_context("spawn")
    waiting, running, failed = list(todo), {}, {}
    short = "/tmp" if os.path.isdir("/tmp") else None  # a socket's path has some hundred letters
    terminal = sys.stderr.isatty()
    with tempfile.TemporaryDirectory(prefix="astute", dir=short) as scratch:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    name = waiting.pop(0)
                    folder = Path(scratch) / str(len(waiting))
                    folder.mkdir()
                    here, there = context.Pipe(duplex=False)
                    work = (name, given, todo[name], out, folder, root, there)
                    process = context.Process(target=execute, args=work, daemon=True)
                    process.start()
                    there.close()
                    line = bar(desc=name, unit="cell") if terminal else None
                    running[here] = name, process, line, time.monotonic(), folder
                for pipe in wait(list(running)):
                    name, process, line, start, folder = running[pipe]
                    try:
                        kind, value = pipe.recv()
                    except EOFError:
                        process.join()
                        log = (folder / "log").read_text(errors="replace").strip()
                        kind = "done"
                        value = f"its process ended with {process.exitcode}. {log[-300:]}".strip()
                    if kind != "done":
                        if line is not None and kind == "cells":
                            line.reset(total=value)
                        elif line is not None:
                            line.update(value)
                        continue
                    del running[pipe]
                    process.join()
                    if line is not None:
                        line.leave = False
                        line.close()
                    if value:
                        failed[name] = value
                    verb = "FAILED  " if value else "executed"
                    seconds = time.monotonic() - start
                    print(f"  {verb}  {name}  {seconds:.1f} s  {value}".rstrip(), flush=True)
        finally:
            for _, process, *_ in running.values():
                process.terminate()
            for _, process, *_ in running.values():
                process.join(5)
    return failed


def main(argv=None, root=ROOT):
    """The command line; returns its exit status."""
    known = sorted(f.stem for f in (root / "notebooks").glob("*.py"))
    args = _arguments(argv)
    for name in args.names:
        if name not in known:
            raise ValueError(f"there is no page {name}{_like(name, known)}")
    given = {k: v for k in ("scale", "device", "data_root") if (v := getattr(args, k)) is not None}
    given |= dict(args.parameter)
    out = args.out or (ELSEWHERE if given else SECTIONS)
    # what a scale changes is not in the reference pages: they only show what was measured
    names = args.names or [n for n in known if not given or not n.startswith("reference_")]
    for name in names:
        checked(name, given, root)
    wanted = keys(names, given, root)
    why = {n: stale(root / out / f"{n}.ipynb", wanted[n], args.strict) for n in names}
    if args.check:
        if not args.names:
            left = {f.stem for f in (root / out).glob("*.ipynb")} - set(names)
            why |= dict.fromkeys(left, f"no notebook makes it; delete {out}/*.ipynb of that name")
        bad = [f"stale  {name}: {reason}" for name, reason in sorted(why.items()) if reason]
        print("\n".join(bad) or f"{len(names)} pages in {out} belong to their sources")
        return int(bool(bad))
    for name in names:
        here = stamp(name, out, root)
        if not why[name] and not (here.exists() and here.read_text() == wanted[name]):
            why[name] = "it was not yet executed on this machine"
    todo = {n: wanted[n] for n in names if args.force or why[n]}
    jobs = max(1, min(args.jobs, len(todo)))
    print(f"{len(todo)} of {len(names)} pages to execute, {jobs} at a time; into {out}", flush=True)
    start = time.monotonic()
    try:
        failed = run(todo, given, out, jobs, root)
    except KeyboardInterrupt:
        print("stopped; the pages that were finished are kept")
        return 130
    counts = f"{len(todo) - len(failed)} executed, {len(failed)} failed"
    print(f"{counts}, {len(names) - len(todo)} unchanged; {time.monotonic() - start:.0f} s")
    return int(bool(failed))


def _arguments(argv):
    def pair(text):
        name, equals, value = text.partition("=")
        if not equals:
            raise argparse.ArgumentTypeError(f"write name=value, as in seed=1; got {text}")
        with suppress(ValueError, SyntaxError):
            return name, ast.literal_eval(value)
        return name, value

    say = argparse.ArgumentParser(
        "astute pages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    say.add_argument("names", nargs="*", metavar="PAGE", help="names of pages; default all")
    for name, words in (
        ("--scale", "smoke, cpu, gpu or paper instead of the page's own"),
        ("--device", "cpu or cuda"),
        ("--data-root", "folder of the data sets"),
        ("--out", f"folder; default {SECTIONS}, or {ELSEWHERE} if any parameter is given"),
    ):
        say.add_argument(name, help=words)
    say.add_argument(
        "-p", "--parameter", type=pair, action="append", default=[], metavar="NAME=VALUE"
    )
    jobs = os.cpu_count() or 1
    say.add_argument("--jobs", type=int, default=jobs, help="pages at a time; default: cores")
    say.add_argument("--force", action="store_true", help="execute what is current too")
    say.add_argument("--check", action="store_true", help="execute nothing; 1 if a page is stale")
    say.add_argument("--strict", action="store_true", help="other versions make a page stale too")
    return say.parse_args(argv)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        sys.exit(f"astute pages: {error}")
