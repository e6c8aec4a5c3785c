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
# (closer-5)=
# # Does dropout narrow the gap?
#
# *Yang et al., "Can we improve the generalization gap of these models?"* {cite}`yang-closer`
#
# The paper adds dropout to the robust methods and reports smaller gaps, smoother networks, and for
# TRADES more robustness. Its own table disagrees in one place: with dropout, three of ten networks
# have a *larger* Lipschitz estimate.
#
# SVHN and a wide residual network are out of reach of two cores. In their place: CNN2 on MNIST,
# which has dropout in the paper's code anyway, with it and without it.

# %%
import torch

from astute import claims, figures, models, papers, runs
from astute.runs import closer

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## What dropout does to a layer
#
# In training each unit is set to 0 with probability $p$ and else divided by $1-p$; in evaluation
# nothing happens. So the next layer sees the right *mean*, and additional *variance*
#
# ```{math}
# :label: eq-closer-dropout
# \mathbb E\bigl[\tilde h\bigr]=h,\qquad
# \operatorname{Var}\bigl[w^\top\tilde h\bigr] = \frac{p}{1-p}\sum_j w_j^2h_j^2 .
# ```
#
# Minimising a loss through this noise penalises large $w_jh_j$: a reason to expect smaller weights.
# **Prediction** for $p=\frac12$: the variance is $\sum_j w_j^2h_j^2$, within the error of 20,000
# draws.

# %%
generator = torch.Generator().manual_seed(seed)
w, h = torch.rand(2, 200, generator=generator).double()
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(seed)
    drawn = torch.nn.functional.dropout(h.expand(20_000, -1), 0.5) @ w
ratio = (drawn.var() / (w * h).square().sum()).item()
shift = ((drawn.mean() - w @ h) / drawn.std() * 20_000**0.5).item()
print(f"variance over prediction {ratio:.1f}")
print("mean off by less than four standard errors:", abs(shift) < 4)
assert abs(ratio - 1) < 0.05

# %% [markdown]
# ## With and without
#
# The two networks differ in one number:

# %%
print(models.CNN2(), models.CNN2(dropout=0.0), sep="\n")

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
rows = closer.mnist_table(runs.load("closer/dropout", scale, measure, context))
COLUMNS = {"test_acc": "test", "adv_test_acc": "attacked", "gap": "gap", "adv_gap": "adv gap"}
OURS = COLUMNS | {"lipschitz_official": "Lipschitz, downhill", "lipschitz_ascent": "uphill"}
PAPERS = COLUMNS | {"test_lipschitz": "Lipschitz"}


def changes(rows, columns):
    """What dropout adds to each cell of a table: with it minus without it."""
    lines = []
    for name, *pair in closer.dropout_pairs(rows):
        cells = [[row[c] for row in pair] for c in columns]
        lines.append([name, *("" if None in two else f"{two[1] - two[0]:+.2f}" for two in cells)])
    return lines or [["not measured yet", *[""] * len(columns)]]


# %% tags=["remove-input", "nbval-ignore-output"]
title = f"**Ours**, scale {scale}: what dropout adds, in points and in ratios"
figures.table(changes(claims.means(rows), OURS), ["training", *OURS.values()], title)

# %% tags=["remove-input"]
title = "The paper's table: what dropout adds (two cells are illegible)"
printed = changes(papers.table("closer_dropout"), PAPERS)
figures.table(printed, ["training", *PAPERS.values()], title)

# %% [markdown]
# ## Verdicts

# %% tags=["remove-input"]
judged = [claims.judge(f"closer/claim-{k}", scale) for k in ("13", "15", "16", "17")]
figures.judgements(judged, scale)

# %% [markdown]
# Claim 14, dropout smooths, under each reading of the instrument of {ref}`closer-3`:

# %% tags=["remove-input"]
both = [claims.judge("closer/claim-14", scale, r) for r in claims.readings("closer/claim-14")]
figures.judgements(both, scale, readings=True)

# %% [markdown]
# ## What we doubt
#
# - **The stand-in.** A claim about wide residual networks on SVHN and CIFAR-10 is judged here on a
#   small network on MNIST that leaves hardly any gap to narrow. A verdict of *not reproduced* is
#   one about this stand-in.
# - **Equal schedules are not equal training.** Dropout slows learning down. At 5 epochs a network
#   without it is farther along, and some of every difference is that.
# - **Where dropout sits.** Ours drops half of one dense layer; the paper's drops within blocks of
#   convolutions.
