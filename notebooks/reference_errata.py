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
# (errata)=
# # Errata
#
# What is not true as printed, sorted by what falls with it: a **central** result of a paper, a
# **result**, a **step** of a proof, or nothing but the sentence itself (a **slip**). Each entry
# says what is printed, the smallest counterexample we know as numbers that can be checked by hand,
# the form that holds, and what a reader may still conclude. Each has a check that the tests run
# ({ref}`statements`). Four papers of this density have errata; that these can be listed is to their
# credit.

# %%
from collections import Counter

from astute import figures, papers

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""

# %%
WRONG = ("FALSE AS PRINTED", "HOLDS WITH FIX")
errata = [s for s in papers.statements().values() if s.verdict in WRONG]
counts = Counter((s.consequence, s.verdict) for s in errata)
for consequence in papers.CONSEQUENCES:
    found = {verdict: counts[consequence, verdict] for verdict in WRONG}
    print(f"{consequence:<8}", ", ".join(f"{n} {verdict}" for verdict, n in found.items()))


# %% tags=["remove-cell"]
def listing(consequence):
    """The errata of one consequence: what is false first, each paper in turn."""
    chosen = [s for s in errata if s.consequence == consequence]
    chosen.sort(key=lambda s: WRONG.index(s.verdict))
    return figures.errata(chosen)


# %% [markdown]
# ## Central results

# %% tags=["remove-input"]
listing("central")

# %% [markdown]
# ## Results

# %% tags=["remove-input"]
listing("result")

# %% [markdown]
# ## Steps of proofs

# %% tags=["remove-input"]
listing("step")

# %% [markdown]
# ## Slips

# %% tags=["remove-input"]
listing("slip")
