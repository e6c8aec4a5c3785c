"""Figures and tables of the pages: legible in light and dark, the same bytes from run to run."""

import html
import io
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from PIL import Image

from . import papers

INK = "#6b7280"  # axes and letters: replaced by the page's own colour when shown
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe & Ito, 2008
STYLE = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color"), INK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "axes.titlesize": "medium",
    "figure.figsize": (5.6, 3.4),
    "figure.constrained_layout.use": True,
    "grid.alpha": 0.3,
    "svg.fonttype": "none",  # letters stay letters: they scale, and a search finds them
    "svg.hashsalt": "astute",
}
BADGES = {
    "success": ("holds", "reproduced", "agrees", "met"),
    "warning": ("holds with fix", "partly reproduced", "partly", "close", "undecided", "missed"),
    "danger": ("false as printed", "not reproduced", "contradicted", "differs"),
    "muted": ("not provable", "not measured", "not measured yet", "open"),
}
_COLOUR = {word: colour for colour, words in BADGES.items() for word in words}
_NUMBER = re.compile(r"[<≤≥>≈±]?\s*[-−+]?\.?\d[\d.,]*(e[-+]\d+)?\s*(%|$|±|\[)")
_LINK = re.compile(r"\[([^]]+)\]\(([\w./-]*\.html(?:#[\w.-]+)?|#[\w.-]+|https?://[^)\s]+)\)")


def use():
    """Set the style of all figures that follow on this page."""
    plt.rcParams.update(STYLE)


def show(fig, *, alt):
    """Put a figure on the page and close it: inline SVG for the web, PNG for LaTeX.

    An inline SVG sees the page's style sheet, so that axes and letters take its ink in light and
    in dark; an ``<img>`` would get a pale box instead. ``alt`` says in words what is to be seen.
    """
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the figure shows")
    svg, raw, png = io.StringIO(), io.BytesIO(), io.BytesIO()
    common = {"bbox_inches": "tight", "dpi": 110}
    fig.savefig(svg, format="svg", metadata={"Date": None}, transparent=True, **common)
    fig.savefig(raw, format="png", facecolor="white", **common)
    Image.open(raw).convert("RGB").quantize(64).save(png, "png", optimize=True)
    plt.close(fig)
    text = svg.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    text = re.sub(
        r'<g id="[^"]*"', "<g", text
    )  # every figure has an axes_1, a page has many figures
    text = re.sub(INK, f"var(--pst-color-text-muted, {INK})", text, flags=re.I)
    label = f'<svg role="img" aria-label="{html.escape(alt)}"'
    text = f'<div class="astute-figure">{text.replace("<svg", label, 1)}</div>'
    display({"text/html": text, "image/png": png.getvalue(), "text/plain": alt}, raw=True)


def images(grid, *, titles=(), rows=(), cmap="gray", limits=(0.0, 1.0), size=0.9):
    """Rows of small images, each pixel a sharp square.

    Parameters
    ----------
    grid : sequence of rows, each a sequence of images
        An image has shape (H, W), (1, H, W) or (3, H, W) and values in [0, 1]; so ``[x[:8],
        x_adv[:8]]`` shows two batches one above the other. ``None`` leaves a place empty.
    titles, rows : sequence of str
        Words above the columns and left of the rows.
    limits : (float, float)
        Values drawn darkest and lightest; (-eps, eps) with ``cmap="RdBu"`` suits a perturbation.
    size : float
        Side of an image, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        To be given to :func:`show`.
    """
    grid = [[None if image is None else _pixels(image) for image in row] for row in grid]
    shape = len(grid), max(map(len, grid))
    area = (size * shape[1], size * shape[0])
    fig, axes = plt.subplots(*shape, figsize=area, squeeze=False)
    fig.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for (i, j), ax in np.ndenumerate(axes):
        ax.set(xticks=[], yticks=[])
        image = grid[i][j] if j < len(grid[i]) else None
        ax.spines[:].set(visible=image is not None, linewidth=0.4)
        if image is not None:
            ax.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="none")
    for ax, words in zip(axes[0], titles, strict=False):
        ax.set_title(words, fontsize="small")
    for ax, words in zip(axes[:, 0], rows, strict=False):
        ax.set_ylabel(words, fontsize="small", rotation=0, ha="right", va="center")
    return fig


def _pixels(image):
    """One image as matplotlib takes it: (H, W), (1, H, W) or (3, H, W) -> (H, W) or (H, W, 3)."""
    image = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image, dtype=float)
    if image.ndim == 3 and image.shape[0] in (1, 3):
        image = np.moveaxis(image, 0, -1).clip(0, 1) if image.shape[0] == 3 else image[0]
    elif image.ndim != 2:
        raise ValueError(f"an image has shape (H, W), (1, H, W) or (3, H, W); got {image.shape}")
    return image


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


#: Panels of `strengths`: their titles and the metrics of the regularisation paper's tables.
PANELS = {
    "gap of losses, nats": ("delta_loss",),
    "gap of accuracies": ("delta_acc",),
    "losses, nats": ("train_loss", "test_loss"),
    "accuracies": ("train_acc", "test_acc"),
}


def strengths(curves, *, shared=False):
    """Gaps, losses and accuracies against adversarial strength: figures 3, 6 and 7 of Wen et al.

    Parameters
    ----------
    curves : dict of str to list of (dict, str, str)
        By the name of a row of panels: {metric: row with cells ``ar0`` to ``ar16``}, a style of
        line, and whose numbers these are. Missing cells are left out.
    shared : bool
        Whether all panels of a metric have one scale.

    Returns
    -------
    matplotlib.figure.Figure
        To be given to :func:`show`.
    """
    size = (9, 2.2 * len(curves))
    alike = {"sharex": True, "sharey": "col" if shared else "none", "squeeze": False}
    fig, axes = plt.subplots(len(curves), 4, figsize=size, **alike)
    for line, (name, sources) in zip(axes, curves.items(), strict=True):
        line[0].set_ylabel(name)
        for ax, (title, metrics) in zip(line, PANELS.items(), strict=True):
            for source, metric in ((s, m) for s in sources for m in metrics):
                _curve(ax, metric, *source)
            ax.set(xticks=[0, 4, 8, 16])
            ax.set_title(title, fontsize="small")
            if ax in axes[0, [0, 3]] and ax.lines:
                ax.legend(fontsize="xx-small")
    fig.supxlabel("strength, of 255", fontsize="small")
    return fig


def _curve(ax, metric, rows, style, whose):
    """One metric over strength: training in the first colour, test and gaps in the second."""
    cells = {a: rows.get(metric, {}).get(f"ar{a}") for a in (0, 4, 8, 16)}
    pairs = [(a, value) for a, value in cells.items() if value is not None]
    word = {"train": "training", "delta": "gap"}.get(metric.split("_")[0], "test")
    if pairs:
        shown = {"color": f"C{word != 'training':d}", "label": f"{whose}, {word}"}
        ax.plot(*zip(*pairs, strict=True), style, ms=4, **shown)


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

        head = line("th", map(_inline, self.columns))
        body = "\n".join(line("td", map(_inline, row)) for row in self.rows)
        caption = f"<caption>{_inline(self.caption)}</caption>" if self.caption else ""
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
    filled = [words for words in column if words and words.lower() not in _COLOUR]
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


def _inline(text):
    """The few marks a cell may hold, as HTML."""
    if text.lower() in _COLOUR:
        colour = _COLOUR[text.lower()]
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
        lines = "".join(f"<dt>{label}</dt><dd>{_inline(words)}</dd>" for label, words in self.lines)
        name = f"<code>{self.statement.id}</code>"
        name = f'<a href="{self.link}">{name}</a>' if self.link else name
        return (
            f'<div class="admonition astute-verdict astute-{_COLOUR[verdict.lower()]}">'
            f'<p class="admonition-title">{name} {_inline(verdict)} '
            f"<span>{_inline(self.statement.place)}</span></p>\n<dl>{lines}</dl></div>"
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
