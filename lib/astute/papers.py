"""What the four papers say, as data: their tables, claims, statements and what is doubtful in them.

Read from the folder `papers/`; its README has the conventions. Nothing here was measured by us.
"""

import csv
import difflib
import re
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache

import yaml

from . import ROOT

FOLDER = ROOT / "papers"
PRINTED = ("yes", "no", "mixed", "not printed", "identity")
#: Verdicts, and the fields a statement must have to carry one.
VERDICTS = {
    "HOLDS": ("check",),
    "HOLDS WITH FIX": ("check", "corrected"),
    "FALSE AS PRINTED": ("check", "counterexample"),
    "NOT PROVABLE": ("check",),
    "open": (),
}
#: How much hangs on a statement that is not true as printed; the errata are in this order.
CONSEQUENCES = ("central", "result", "step", "slip")
KINDS = ("OCR", "typo", "typo?", "OCR or typo", "contradiction", "rounding", "code", "note")


@dataclass(frozen=True)
class Paper:
    """One of the four papers; `bib` is its key in the bibliography."""

    key: str
    title: str
    authors: str
    bib: str


PAPERS = {
    paper.key: paper
    for paper in (
        Paper(
            "idio",
            "Reducing Exploitation of Data Idiosyncrasy Helps Robustify Trained Models",
            "Wu, Wang, Zelikman, Xing & Xu",
            "wu-idiosyncrasy",
        ),
        Paper(
            "sens",
            "On the Sensitivity of Adversarial Robustness to Input Data Distributions",
            "Ding, Lui, Jin, Wang & Huang",
            "ding-sensitivity",
        ),
        Paper(
            "reg",
            "Towards Understanding the Regularization of Adversarial Robustness on Neural Networks",
            "Wen, Li & Jia",
            "wen-regularization",
        ),
        Paper(
            "closer",
            "A Closer Look at Accuracy vs. Robustness",
            "Yang, Rashtchian, Zhang, Salakhutdinov & Chaudhuri",
            "yang-closer",
        ),
    )
}


def _one_of(field, value, allowed):
    if value not in allowed:
        raise ValueError(f"{field} is one of {', '.join(allowed)}; got {value!r}")


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper as a predicate on a table of results.

    `printed` says whether the paper's own numbers satisfy it, `note` the numbers behind that,
    `table` the tables whose shape of rows decides it, `study` the study that measures it.
    """

    id: str
    predicate: str
    printed: str
    study: str
    note: str = ""
    table: tuple[str, ...] = ()

    def __post_init__(self):
        _one_of("the paper in the id", self.paper, PAPERS)
        _one_of("printed", self.printed, PRINTED)

    @property
    def paper(self):
        return self.id.partition("/")[0]


@dataclass(frozen=True)
class Statement:
    """A definition, theorem, proof step or sentence of a paper, and what the companion found.

    `corrected` is the form that holds, `survives` what a reader may still conclude,
    `counterexample` the smallest one as numbers, `check` how the verdict was earned and its
    control, `reference` numbers that this check, or anybody's own, must find again, `page` where it
    stands in the book: "page" or "page#anchor". `consequence` says what falls with a statement that
    is not true as printed: a central result of the paper, a result, a step of a proof, or nothing
    (a slip).
    """

    id: str
    paper: str
    place: str
    statement: str
    verdict: str
    tried: str = ""
    corrected: str = ""
    counterexample: str = ""
    survives: str = ""
    consequence: str = ""
    check: str = ""
    page: str = ""
    reference: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        _one_of("paper", self.paper, PAPERS)
        _one_of("the paper in the id", self.id.partition("/")[0], (self.paper,))
        _one_of("verdict", self.verdict, VERDICTS)
        if self.consequence:
            _one_of("consequence", self.consequence, CONSEQUENCES)
        for name in VERDICTS[self.verdict]:
            if not getattr(self, name):
                raise ValueError(f"the verdict {self.verdict} needs the field {name}; else open")


@dataclass(frozen=True)
class Doubt:
    """A number or formula that is damaged, mistyped or contradicted, and what the tables do."""

    id: str
    where: str
    kind: str
    what: str
    handling: str = ""

    def __post_init__(self):
        _one_of("kind", self.kind, KINDS)


def _entry(row, kind):
    """One mapping of a YAML list -> kind."""
    known = [one.name for one in fields(kind)]
    for one in fields(kind):
        needed = one.default is MISSING and one.default_factory is MISSING
        if needed and row.get(one.name, "") == "":
            raise ValueError(f"the field {one.name} is missing")
    for name, value in row.items():
        if name not in known:
            raise ValueError(f"no field {name!r}; the fields are {', '.join(known)}")
        if name == "reference":
            numbers = value.values() if isinstance(value, dict) else [value]
            if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
                raise ValueError(f"reference is a mapping of words to numbers; got {value!r}")
            continue
        texts = value if name == "table" and isinstance(value, list) else [value]
        if (name == "table") != isinstance(value, list) or not all(
            isinstance(text, str) for text in texts
        ):
            raise ValueError(f"{name} is text (table: a list of names); quote {value!r}")
    return kind(**row | ({"table": tuple(row["table"])} if "table" in row else {}))


@lru_cache
def _entries(path, kind):
    """A YAML list of mappings -> {id: kind}; refuses by file, id and rule."""
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name} is not YAML: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path.name} is a list of entries, each with an id")
    entries = {}
    for number, row in enumerate(rows, 1):
        name = row.get("id", f"entry {number}")
        try:
            entry = _entry(row, kind)
        except ValueError as error:
            raise ValueError(f"{path.name}, {name}: {error}") from None
        if name in entries:
            raise ValueError(f"{path.name}, {name}: this id occurs twice; ids are unique")
        entries[name] = entry
    return entries


def claims(folder=FOLDER):
    """{id: Claim}, in the order of the register."""
    return dict(_entries(folder / "claims.yml", Claim))


def statements(folder=FOLDER):
    """{id: Statement}, in the order of the papers."""
    found = {}
    for paper in PAPERS:
        path = folder / "statements" / f"{paper}.yml"
        found |= _entries(path, Statement) if path.exists() else {}
    return found


def doubts(folder=FOLDER):
    """{id: Doubt}: d01, d02, ..."""
    return dict(_entries(folder / "doubts.yml", Doubt))


def table_names(folder=FOLDER):
    """Names of the tables, sorted: "closer_dropout", ..."""
    return sorted(path.stem for path in (folder / "tables").glob("*.csv"))


def _cell(text):
    """A plain decimal number as float, nothing as None, else the text."""
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text or None


@lru_cache
def _text(path):
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file)) or [[""]]
    if "" in header or len(set(header)) < len(header):
        raise ValueError(f"{path.name}: columns have a name each, no two the same; got {header}")
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise ValueError(
                f"{path.name}, line {number}: {len(line)} cells under {len(header)} columns"
            )
    return [dict(zip(header, line, strict=True)) for line in lines]


def printed(name, folder=FOLDER):
    """Rows of a table with every cell as the text that the paper prints, digits and all.

    Examples
    --------
    >>> printed("sens_table2")[5]["pgd_test_acc"]
    '98.7'
    """
    known = table_names(folder)
    if name not in known:
        near = difflib.get_close_matches(name, known, cutoff=0.5) or known
        raise ValueError(f"no table {name!r}; did you mean {' or '.join(near)}?")
    return [dict(row) for row in _text(folder / "tables" / f"{name}.csv")]


def table(name, folder=FOLDER):
    """Rows of a table as the paper prints it.

    Parameters
    ----------
    name : str
        One of `table_names()`.

    Returns
    -------
    list of dict
        Column -> float, str, or None where the paper prints nothing; per cent for accuracies, but
        fractions in `idio_appendix_table1`, as printed.

    Raises
    ------
    ValueError
        If there is no such table, or a line has too few or too many cells.

    Examples
    --------
    >>> table("sens_table2")[1]["robust_acc"]
    95.1
    """
    return [{key: _cell(cell) for key, cell in row.items()} for row in printed(name, folder)]
