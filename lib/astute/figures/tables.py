"""Tables: numbers with their intervals, beside what a paper prints."""

import html
import re

import numpy as np

BADGES = {
    "success": ("holds", "reproduced", "agrees", "met"),
    "warning": ("holds with fix", "partly reproduced", "partly", "close", "undecided", "missed"),
    "danger": ("false as printed", "not reproduced", "contradicted", "differs"),
    "muted": ("not provable", "not measured", "not measured yet", "open"),
}
COLOUR = {word: colour for colour, words in BADGES.items() for word in words}
_NUMBER = re.compile(r"[<≤≥>≈±]?\s*[-−+]?\.?\d[\d.,]*(e[-+]\d+)?\s*(%|$|±|\[)")
_LINK = re.compile(r"\[([^]]+)\]\(([\w./-]*\.html(?:#[\w.-]+)?|#[\w.-]+|https?://[^)\s]+)\)")


def interval(measured, *, scale=100, digits=1):
    """A proportion as in our tables: value and 95 % interval, in per cent unless told otherwise.

    Examples
    --------
    >>> interval({"value": 0.912, "low": 0.9, "high": 0.924})
    '91.2 [90.0, 92.4]'
    >>> interval(None)
    'not measured yet'
    """
    if measured is None:
        return "not measured yet"
    value, low, high = (f"{scale * measured[k]:.{digits}f}" for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


#: What a caption says of the cells that `beside` makes.
PLUS_MINUS = "± half the 95 % interval over images; of several seeds, their range"


def beside(printed, measured, *, digits=1):
    """One cell of a comparison: the paper's number, ours, and how exact ours is.

    Behind ± stands half the 95 % interval over images, or the range over seeds if there are
    several: see `PLUS_MINUS`.

    Parameters
    ----------
    printed : float or None
        As the paper prints it.
    measured : list of dict or of float
        One entry a seed: a proportion (shown in per cent), a mean, or a number.

    Examples
    --------
    >>> beside(95.1, [71.5, 70.5]), beside(None, [3.0]), beside(95.1, [])
    ('95.1 → **71.0** ± 1.0', '**3.0**', '95.1 → not measured yet')
    >>> beside(95.1, [{"value": 0.7, "low": 0.67, "high": 0.73, "n": 1000, "outcomes": ""}])
    '95.1 → **70.0** ± 3.0'
    """
    values, halves = [], []
    for m in measured or ():
        unit = 100 if isinstance(m, dict) and "outcomes" in m else 1
        values.append(unit * m["value"] if isinstance(m, dict) else m)
        halves += [unit * (m["high"] - m["low"]) / 2] if isinstance(m, dict) else []
    ours = "not measured yet"
    if values:
        ours = f"**{sum(values) / len(values):.{digits}f}**"
        if len(values) > 1:
            halves = [max(values) - min(values)]
        ours += f" ± {halves[0]:.{digits}f}" if halves else ""
    return ours if printed is None else f"{printed:.{digits}f} → {ours}"


def cell(printed, measured, column, *, digits=1):
    """`beside` for one column of two rows; where we have no run for it, the printed number alone.

    Parameters
    ----------
    printed, measured : dict
        A row of the paper's table, and ours with a list over seeds in each planned cell.
    column : str

    Examples
    --------
    >>> cell({"ar8": 87.5}, {"ar8": []}, "ar8"), cell({"ar8": 87.5}, {}, "ar8"), cell({}, {}, "ar8")
    ('87.5 → not measured yet', '87.5', '')
    """
    theirs = printed.get(column)
    if column in measured:
        return beside(theirs, measured[column], digits=digits)
    return "" if theirs is None else f"{theirs:.{digits}f}"


def judgements(judged, scale, *, readings=False):
    """A table of claims: what is claimed, what the paper's numbers say, ours, and the verdict.

    Parameters
    ----------
    judged : sequence of claims.Judgement
    scale : str
    readings : bool
        Say under which reading each was judged.
    """
    rows = []
    for j in judged:
        reading = [j.reading] if readings else []
        name = j.id.split("-")[-1]
        rows.append([name, j.predicate, *reading, j.printed, j.evidence, j.verdict])
    extra = ["reading"] if readings else []
    columns = ["claim", "what is claimed", *extra, "paper", f"ours, scale {scale}", "verdict"]
    return table(rows, columns)


class Table:
    """What :func:`table` returns: HTML for the page, Markdown for everything else."""

    def __init__(self, rows, columns, caption):
        self.columns, self.caption = [str(c) for c in columns], caption
        self.rows = [[_words(v) for v in row] for row in rows]
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row has {len(row)} cells, columns are {self.columns}: {row}")
        self.align = ["right" if _numeric(c) else "left" for c in zip(*self.rows, strict=True)]
        self.align = self.align or ["left"] * len(self.columns)

    def _repr_html_(self):
        def line(tag, cells):
            made = zip(self.align, cells, strict=True)
            return (
                "<tr>" + "".join(f'<{tag} class="text-{a}">{c}</{tag}>' for a, c in made) + "</tr>"
            )

        head = line("th", map(inline, self.columns))
        body = "\n".join(line("td", map(inline, row)) for row in self.rows)
        caption = f"<caption>{inline(self.caption)}</caption>" if self.caption else ""
        return (
            f'<div class="astute-table"><table class="table">{caption}\n'
            f"<thead>{head}</thead>\n<tbody>{body}</tbody></table></div>"
        )

    def _repr_markdown_(self):
        rule = ["---:" if a == "right" else "---" for a in self.align]
        rows = [self.columns, rule, *self.rows]
        return "\n".join("| " + " | ".join(v.replace("|", "\\|") for v in r) + " |" for r in rows)

    __repr__ = __str__ = _repr_markdown_


def table(rows, columns, caption=""):
    """A table for the page, numbers to the right, verdict words as coloured badges.

    Parameters
    ----------
    rows : sequence of sequences
        Cells: words, numbers (shown with four digits, or all before the point), ``None`` for
        empty, or what ``intervals.proportion`` returns, shown by :func:`interval`. Words may
        hold ``$math$``, ```` `code` ````, ``**bold**`` and ``[links](page.html)``.
    columns : sequence of str
        One heading for each cell of a row.
    caption : str
        A sentence above the table.

    Examples
    --------
    >>> table([["smooth 3", 87.2, "reproduced"], ["smooth 4", 9.0, "close"]],
    ...       ["variant", "paper", "verdict"])
    | variant | paper | verdict |
    | --- | ---: | --- |
    | smooth 3 | 87.2 | reproduced |
    | smooth 4 | 9 | close |
    """
    return Table(rows, columns, caption)


def _numeric(column):
    """Whether the cells of a column are numbers, but for gaps and verdicts."""
    filled = [words for words in column if words and words.lower() not in COLOUR]
    return bool(filled) and all(map(_NUMBER.match, filled))


def _words(value):
    """One cell as text."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return interval(value)
    if isinstance(value, (float, np.floating)):
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return str(value)


def inline(text):
    """The few marks a cell may hold, as HTML."""
    if text.lower() in COLOUR:
        colour = COLOUR[text.lower()]
        return f'<span class="sd-badge sd-bg-{colour} sd-bg-text-{colour}">{text}</span>'
    parts = re.split(r"(\$[^$]+\$|`[^`]+`)", text)
    for k, part in enumerate(map(html.escape, parts)):
        if k % 2 and part[0] == "$":
            parts[k] = f'<span class="math notranslate nohighlight">\\({part[1:-1]}\\)</span>'
        elif k % 2:
            parts[k] = f"<code>{part[1:-1]}</code>"
        else:
            part = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", part)
            parts[k] = _LINK.sub(r'<a href="\2">\1</a>', part)
    return "".join(parts)
