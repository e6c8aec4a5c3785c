"""The book compiles without a warning, its links lead somewhere, and its sources keep the rules."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext
import pytest
import yaml

from astute import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
EXECUTED = sorted((ROOT / "book/sections").glob("*.ipynb"))
WRITTEN = sorted((ROOT / "book").glob("*.md"))
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}


def contents():
    """The pages that _toc.yml names."""

    def walk(node):
        found = [node[k] for k in ("root", "file") if k in node]
        parts = [*node.get("parts", []), *node.get("chapters", []), *node.get("sections", [])]
        return found + [page for part in parts for page in walk(part)]

    return walk(yaml.safe_load((ROOT / "_toc.yml").read_text()))


@cache
def notebook(file):
    return jupytext.read(file)


def code(file):
    return [cell for cell in notebook(file).cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def test_every_page_of_the_contents_exists():
    for page in contents():
        places = [ROOT / f"{page}{suffix}" for suffix in (".md", ".ipynb")]
        assert any(place.exists() for place in places), f"{page} is in _toc.yml but nowhere else"


def test_every_page_is_in_the_contents():
    pages = {f"book/{file.stem}" for file in WRITTEN}
    pages |= {f"book/sections/{file.stem}" for file in NOTEBOOKS}
    assert pages == set(contents())


def test_every_citation_is_in_the_bibliography():
    bibliography = (ROOT / "book/references.bib").read_text()
    known = re.findall(r"^@\w+\{([^,]+),", bibliography, re.M)
    assert len(known) == len(set(known)), "a key stands twice"
    for file in NOTEBOOKS + WRITTEN:
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", file.read_text(encoding="utf-8")):
            unknown = {key.strip() for key in keys.split(",")} - set(known)
            assert not unknown, f"{file.name} cites {unknown}, not in book/references.bib"


def test_the_four_papers_are_in_the_bibliography():
    from astute import papers

    bibliography = (ROOT / "book/references.bib").read_text()
    for paper in papers.PAPERS.values():
        assert f"{{{paper.bib}," in bibliography


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
class TestNotebook:
    """The rules for a page."""

    def test_its_name_says_which_paper(self, file):
        assert file.stem.split("_")[0] in ("sens", "reg", "idio", "closer", "reference")

    def test_it_begins_with_one_title(self, file):
        text = [c.source for c in notebook(file).cells if c.cell_type == "markdown"]
        assert re.match(r"(\([\w-]+\)=\s+)?# \S", text[0]), "the first cell holds the title"
        prose = "\n".join(re.sub(r"```.*?```", "", t, flags=re.S) for t in text)
        assert len(re.findall(r"^# ", prose, re.M)) == 1

    def test_a_cell_has_at_most_fifteen_lines(self, file):
        for cell in code(file):
            assert len(cell.source.splitlines()) <= 15, cell.source

    def test_its_parameters_are_literals_in_one_cell(self, file):
        cells = [cell for cell in code(file) if "parameters" in tags(cell)]
        assert len(cells) == 1
        for line in ast.parse(cells[0].source).body:
            assert isinstance(line, ast.Assign), ast.unparse(line)
            ast.literal_eval(line.value)

    def test_it_installs_nothing_downloads_nothing_and_has_no_absolute_path(self, file):
        banned = (
            r"\bpip\b|\bconda\b|https?://|urllib|requests|wget|curl|[\"'](/\w|~/|[A-Z]:\\)|^[!%]"
        )
        for cell in code(file):
            assert not re.search(banned, cell.source, re.M), cell.source

    def test_figures_and_only_what_may_differ_are_ignored_in_replays(self, file):
        for cell in code(file):
            if "figures.show(" in cell.source:
                assert "nbval-ignore-output" in tags(cell), cell.source


@pytest.mark.parametrize("file", EXECUTED, ids=lambda f: f.stem)
def test_an_executed_page_shows_no_warning_and_no_error(file):
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            said = output.get("text", output.get("evalue", ""))
            assert output.get("name") != "stderr", f"{cell['id']} says on stderr: {said}"
            assert output["output_type"] != "error", f"{cell['id']} fails: {said}"


class Page(HTMLParser):
    """Links, anchors and what a browser loads of one page."""

    def __init__(self, file):
        super().__init__()
        self.links, self.ids, self.loads = [], set(), []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if value and name in ("id", "name"):
                self.ids.add(value)
            if value and name in ("href", "src"):
                self.links.append(value)
            if value and (tag, name) in LOADED:
                self.loads.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The compiled book, from the executed pages that are committed."""
    out = tmp_path_factory.mktemp("site")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT]
    options = ["-W", "-n", "--keep-going", "--path-output", out]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    files = (out / "_build/html").rglob("*.html")
    return {file.resolve(): Page(file) for file in files if "_static" not in file.parts}


def test_every_page_is_compiled(site):
    made = {file.with_suffix("").as_posix() for file in site}
    for page in contents():
        assert any(place.endswith(page) for place in made), page


def test_links_within_the_book_lead_somewhere(site):
    bad = []
    for file, page in site.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc or not (url.path or url.fragment):
                continue
            target = (file.parent / unquote(url.path)).resolve() if url.path else file
            anchors = site[target].ids if target in site else None
            if not target.exists():
                bad.append(f"{file.name}: {link}")
            elif url.fragment and anchors is not None and unquote(url.fragment) not in anchors:
                bad.append(f"{file.name}: no anchor {link}")
    assert not bad, "\n".join(bad)


def test_no_page_loads_anything_from_elsewhere(site):
    for file, page in site.items():
        far = [url for url in page.loads if urlsplit(url).netloc]
        assert not far, f"{file.name} loads {far}"


def test_formulas_are_typeset_by_what_the_book_brings_along(site):
    for file, page in site.items():
        if file.parent.name in ("book", "sections"):
            own = [url.split("?")[0] for url in page.loads if "mathjax" in url]
            assert own, f"{file.name} has no MathJax"
            assert all((file.parent / url).exists() for url in own), own
