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
# (statements)=
# # Statements and errata
#
# Every definition, assumption, lemma, theorem, proof step and checkable sentence of the four
# papers. **HOLDS**: true as printed. **HOLDS WITH FIX**: a local repair keeps its content. **FALSE
# AS PRINTED**: there is a counterexample. **NOT PROVABLE**: an assumption or an empirical reading.
# **open**: no check that could fail has been run yet, so nothing is said. `astute statements`
# prints the same list.

# %%
from collections import Counter

from astute import figures, papers

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""

# %%
statements = papers.statements().values()
print(len(statements), "statements:", dict(sorted(Counter(s.verdict for s in statements).items())))

# %% [markdown]
# ## With a verdict
#
# What is printed, what stays of it, and the smallest counterexample.

# %%
figures.table(
    [
        [s.id, s.place, s.statement, s.verdict, s.corrected, s.counterexample]
        for s in statements
        if s.verdict != "open"
    ],
    ["id", "place", "printed", "verdict", "corrected", "counterexample"],
)

# %% [markdown]
# ## Open

# %%
figures.table(
    [[s.id, s.place, s.statement, s.verdict] for s in statements if s.verdict == "open"],
    ["id", "place", "printed", "verdict"],
)
