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
# # Statements
#
# Every definition, assumption, lemma, theorem, proof step and checkable sentence of the four
# papers, and the verdict that its check earned. **HOLDS**: true as printed. **HOLDS WITH FIX**: a
# local repair keeps its content. **FALSE AS PRINTED**: there is a counterexample. **NOT PROVABLE**:
# an assumption or an empirical reading; its page shows a case where it is true and one where it is
# not. **open**: no check has settled it; what was tried is said.
#
# A verdict is data, and so is its check: a function that computes what the statement says by a
# route that could have failed, and a deliberately wrong form that the same route must reject. The
# tests run every check and fail where it earns another verdict. What is not true as printed is
# collected, with counterexamples, in the {ref}`errata <errata>`. `astute statements` prints the
# same list.

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
for key in papers.PAPERS:
    counts = Counter(s.verdict for s in statements if s.paper == key)
    print(f"{key:<7}{sum(counts.values()):>3}:", dict(sorted(counts.items())))


# %% tags=["remove-cell"]
def listing(paper):
    """A paper's statements: where each stands, what it says, and a link to its box."""
    rows = []
    for s in statements:
        if s.paper == paper:
            page, _, anchor = s.page.partition("#")
            link = f"{page}.html#{anchor}" if anchor else f"{page}.html"
            name = s.id.partition("/")[2]
            place = [f"[{name}]({link})" if page else name, s.place]
            rows.append([*place, s.statement, s.verdict])
    return figures.table(rows, ["statement", "place", "printed", "verdict"])


# %% [markdown]
# ## Sensitivity to the input distribution

# %% tags=["remove-input"]
listing("sens")

# %% [markdown]
# ## Regularisation by adversarial training

# %% tags=["remove-input"]
listing("reg")

# %% [markdown]
# ## Data idiosyncrasy

# %% tags=["remove-input"]
listing("idio")

# %% [markdown]
# ## Accuracy versus robustness

# %% tags=["remove-input"]
listing("closer")

# %% [markdown]
# ## Still open
#
# What was tried, where something was.

# %% tags=["remove-input"]
figures.table(
    [[s.id, s.statement, s.tried or "nothing yet"] for s in statements if s.verdict == "open"],
    ["statement", "printed", "tried"],
)
