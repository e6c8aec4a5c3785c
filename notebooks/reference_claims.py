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
# (claims)=
# # Claims register
#
# Every testable sentence of the four papers as a predicate on a table of results, judged on our
# records. *Printed* says whether the paper's own numbers satisfy it. A claim is **reproduced** or
# **not reproduced** where at least 95 % of resampled test images and seeds agree with the verdict,
# else **undecided**; what nobody measured here yet says so, with the command that would.
# `astute claims` prints the same list.

# %%
from collections import Counter

from astute import claims, figures

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""

# %%
judged = [claims.judge(name, scale) for name in claims.names()]
counts = Counter(j.verdict for j in judged)
print(f"{len(judged)} claims at scale {scale}:", dict(sorted(counts.items())))

# %% [markdown]
# Where a paper's text and its code or numbers disagree, a claim is judged under each reading, and
# stands here once for each; the counts above are of the first.
#
# ## Sensitivity to the input distribution


# %%
def listing(paper):
    """The claims of one paper as a table, once for each reading."""
    names = [name for name in claims.names() if name.startswith(f"{paper}/")]
    rows = [claims.judge(name, scale, r) for name in names for r in claims.readings(name)]
    return figures.judgements(rows, scale, readings=any(row.reading for row in rows))


listing("sens")

# %% [markdown]
# ## Regularisation by adversarial training

# %%
listing("reg")

# %% [markdown]
# ## Data idiosyncrasy

# %%
listing("idio")

# %% [markdown]
# ## Accuracy versus robustness

# %%
listing("closer")
