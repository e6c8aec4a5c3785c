"""Boxes for statements, and numbers for sentences."""

from .. import papers
from .tables import COLOUR, inline


class Boxes:
    """What :func:`errata` returns: one box after another."""

    def __init__(self, boxes):
        self.boxes = boxes

    def _repr_html_(self):
        return "\n".join(box._repr_html_() for box in self.boxes)

    def _repr_markdown_(self):
        return "\n\n".join(box._repr_markdown_() for box in self.boxes)

    __repr__ = __str__ = _repr_markdown_


def errata(statements):
    """Boxes of several statements without what was computed, each with a link to its page."""
    return Boxes([Verdict(statement, None, link=True) for statement in statements])


class Verdict:
    """What :func:`verdict` returns: a box for the page, Markdown for everything else."""

    def __init__(self, statement, evidence, link=False):
        self.statement = statement
        page, _, anchor = statement.page.partition("#")
        self.link = f"{page}.html{'#' * bool(anchor)}{anchor}" if link and page else ""
        self.lines = [(label, getattr(statement, field)) for field, label in PARTS.items()]
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in statement.reference.items())
        self.lines.append(("Numbers", numbers))
        if evidence is not None:
            self.lines.append(("Computed here", evidence.found))
        self.lines = [(label, words) for label, words in self.lines if words]

    def _repr_html_(self):
        verdict = self.statement.verdict
        lines = "".join(f"<dt>{label}</dt><dd>{inline(words)}</dd>" for label, words in self.lines)
        name = f"<code>{self.statement.id}</code>"
        name = f'<a href="{self.link}">{name}</a>' if self.link else name
        return (
            f'<div class="admonition astute-verdict astute-{COLOUR[verdict.lower()]}">'
            f'<p class="admonition-title">{name} {inline(verdict)} '
            f"<span>{inline(self.statement.place)}</span></p>\n<dl>{lines}</dl></div>"
        )

    def _repr_markdown_(self):
        head = f"**{self.statement.id}: {self.statement.verdict}** ({self.statement.place})"
        return "\n".join([head, "", *(f"- {label}: {words}" for label, words in self.lines)])

    __repr__ = __str__ = _repr_markdown_


#: Fields of a statement that a box shows, and what it calls them.
PARTS = {
    "statement": "Printed",
    "corrected": "Corrected",
    "counterexample": "Counterexample",
    "survives": "What survives",
    "tried": "Tried",
    "check": "Check",
}


def verdict(name, evidence=None):
    """The box of a statement: what is printed, what was found, what holds.

    Parameters
    ----------
    name : str
        Id of the statement, such as "reg/lemma-3.1".
    evidence : theory.Evidence, optional
        What its check has just returned on this page.

    Raises
    ------
    ValueError
        If there is no such statement, or the evidence earns another verdict than the register's.

    Examples
    --------
    >>> print(str(verdict("reg/lemma-3.1")).splitlines()[0])
    **reg/lemma-3.1: HOLDS WITH FIX** (Section 3, Lemma 3.1)
    """
    known = papers.statements()
    if name not in known:
        raise ValueError(f"no statement {name!r}; `astute statements` lists all {len(known)}")
    statement = known[name]
    if evidence is not None and evidence.verdict != statement.verdict:
        raise ValueError(
            f"{name}: the register says {statement.verdict}, its check earns {evidence.verdict}: "
            f"{evidence.found}"
        )
    return Verdict(statement, evidence)


def glue(name, value):
    """Keep ``value`` for the sentences of this page: ``{glue:text}`name``` shows it."""
    from myst_nb import glue as keep  # a second to import, and not needed to look at a figure

    keep(name, value.item() if hasattr(value, "item") else value, display=False)
