# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# (reproduction)=
# # Reproduction table
#
# Every table of the four papers. Where a study has measured a row, ours stands beside the paper's
# number as *paper → ours*; a table without any says *not measured yet*, with the command that
# measures it once its study is built. All of ours on this page are at one scale.

# %%
from IPython.display import Markdown, display

from astute import claims, figures, papers, runs

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""


# %% tags=["hide-input"]
def ours(table):
    """The id of the study behind a table and its measured rows, keyed by the words of the row."""
    for study in runs.studies().values():
        if study.table == table:
            found = runs.load(study.id, scale) if study.at(scale) else []
            return study.id, claims.means(study.rows(found))
    return None, []


def words(row):
    """What names a row: its cells that are words, and the level of smoothing in table 1."""
    named = lambda key, value: isinstance(value, str) or key == "smooth_level"  # noqa: E731
    return {key: value for key, value in row.items() if named(key, value)}


# %% tags=["hide-input"]
def beside(table):
    """A table of a paper with ours beside it, and what it says of itself."""
    name, measured = ours(table)
    rows, met = [], 0
    for row in papers.table(table):
        mine = [m for m in measured if all(m.get(k) == v for k, v in words(row).items())]
        cells = []
        for key, value in row.items():
            setting = isinstance(value, str) or key in ("eps", "smooth_level")
            got = mine[0].get(key) if mine and not setting else None
            met += isinstance(got, float)
            shown = "" if value is None else f"{value:.10g}" if isinstance(value, float) else value
            cells.append(f"{shown} → **{got:.4g}**" if isinstance(got, float) else shown)
        rows.append(cells)
    return name, met, figures.table(rows, list(papers.table(table)[0]))


# %% tags=["hide-input"]
for paper in papers.PAPERS.values():
    display(Markdown(f"## {paper.title}"))
    for table in papers.table_names():
        if not table.startswith(f"{paper.key}_"):
            continue
        name, met, shown = beside(table)
        display(Markdown(f"### `{table}`"))
        if name and met:
            display(Markdown(f"{met} cells measured at scale {scale} by study `{name}`."))
        else:
            command = f": `astute run {name} --scale {scale}`" if name else "; no study yet"
            display(Markdown(f"*not measured yet*{command}"))
        display(shown)
