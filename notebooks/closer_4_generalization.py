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
# (closer-4)=
# # How well do robust classifiers generalise?
#
# *Yang et al., "How well do classifiers produced by existing training methods generalize?"*
# {cite}`yang-closer`
#
# If the data allow accuracy and robustness at once, and robust training finds smooth functions, why
# does it lose accuracy? The paper looks at the *gap*, accuracy on training images minus accuracy on
# test images, clean and attacked, and concludes that AT, RST and TRADES **generalise badly**:
# smoothness, which should help, comes with a larger gap.
#
# On the slides' own numbers this is a story about CIFAR-10. On MNIST the printed gaps of the robust
# methods are *smaller* than that of natural training. This page measures MNIST, and a small network
# on CIFAR-10.

# %%
import matplotlib.pyplot as plt
import numpy as np

from astute import claims, data, figures, papers, runs
from astute.runs import closer

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## What a gap is, and how exact
#
# ```{math}
# :label: eq-closer-gap
# \text{gap} = \Pr_{\text{train}}[C(x)=y] - \Pr_{\text{test}}[C(x)=y],\qquad
# \text{adv gap} = \Pr_{\text{train}}[C(x')=y] - \Pr_{\text{test}}[C(x')=y].
# ```
#
# A difference of two fractions of finite samples. With $n$ test images and an accuracy of $p$, its
# standard error is at least $\sqrt{p(1-p)/n}$. **Prediction** for the slides' MNIST columns, where
# $p\approx.995$ and $n=10^4$: about $0.07$ points. Most of the printed differences between methods
# are smaller than that.

# %%
p, n = 0.995, 10_000
error = 100 * np.sqrt(p * (1 - p) / n)
printed = [r["gap"] for r in papers.table("closer_mnist") if r["architecture"] == "CNN2"]
close = sum(abs(a - b) < 2 * np.sqrt(2) * error for a in printed for b in printed) - len(printed)
print(f"standard error {error:.2f} points")
print(f"pairs of CNN2's methods within two standard errors: {close // 2} of 45")
assert close // 2 >= 20

# %% [markdown]
# ## A gap that is nothing but memory
#
# The nearest-neighbour rule of {ref}`closer-2` has a training accuracy of 100 % by construction,
# and its gap is all of its test error. A gap compares a method with its own training accuracy; it
# can shrink because test accuracy rises, or because training accuracy falls. TRADES with a large
# weight does the latter (claim 21). Live on the digits: the rule's gap, with $n$ remembered images.

# %%
digits, test = data.load("digits"), data.load("digits", "test")
x, z = digits.x.flatten(1), test.x.flatten(1)
distance = (z.square().sum(1)[:, None] + x.square().sum(1) - 2 * z @ x.T).clamp_min(0)
gaps = {n: 1 - (digits.y[distance[:, :n].argmin(1)] == test.y).float().mean() for n in (50, 1437)}
for n, gap in gaps.items():
    print(f"{n:>5} images remembered: gap {100 * gap:.0f} points")
assert gaps[1437] < gaps[50]

# %% [markdown]
# ## Ten methods on MNIST

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
recorded = runs.load("closer/mnist", scale, measure, context)
rows = closer.mnist_table(recorded, variants="both")
key = lambda row: (row["method"], row["parameter"])  # noqa: E731
paper = {key(r): r for r in papers.table("closer_mnist") if r["architecture"] == "CNN2"}
COLUMNS = {"train_acc": "train", "test_acc": "test", "gap": "gap", "adv_test_acc": "attacked"}
COLUMNS |= {"adv_gap": "adv gap"}


# %% tags=["remove-input", "nbval-ignore-output"]
def line(row, paper=paper):
    """A row of the tables: paper and ours."""
    printed = paper.get(key(row), {})
    cells = [figures.beside(printed.get(c), row[c], digits=2) for c in COLUMNS]
    return [row["method"], row["parameter"] or "", *cells]


figures.table(
    [line(row) for row in rows],
    ["method", "", *COLUMNS.values()],
    f"CNN2 on MNIST, per cent: paper → **ours**, scale {scale}. {figures.PLUS_MINUS}",
)

# %% [markdown]
# The paper trains on 60,000 images for 160 epochs, to the last training image; ours see 10,000 for
# 5 epochs and do not get there. A gap needs a network that has fitted its images, so on *levels* of
# gaps these runs say little; what they can show is the order of the methods at equal schedule.

# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(7.8, 3.4))
ours = claims.means(rows)
for ax, column, label in ((axes[0], "gap", "gap"), (axes[1], "adv_gap", "adv gap")):
    for k, method in enumerate(("Natural", "GR", "LLR", "AT", "RST", "TRADES")):
        pick = [r for r in ours if r["method"] == method and r["lipschitz_ascent"] is not None]
        where = [r["lipschitz_ascent"] for r in pick], [r[column] for r in pick]
        ax.plot(*where, "o", color=f"C{k}", label=method)
    ax.set(xscale="log", xlabel="test Lipschitz, uphill", ylabel=f"{label}, points")
axes[0].legend(fontsize="x-small")
figures.show(fig, alt="Clean and adversarial gap of our networks against their test Lipschitz")

# %% [markdown]
# ## Ten methods on CIFAR-10
#
# Three convolutions, 10,000 images, 5 epochs. **Prediction**: no gap of thirty points, as claim 09
# has it, can open in a network that has seen every image five times; whoever wants to test the
# slides' sentence must train until the training images are fitted.

# %% tags=["remove-input", "nbval-ignore-output"]
cifar = closer.mnist_table(runs.load("closer/lipschitz", scale, measure, context))
wide = {key(r): r for r in papers.table("closer_generalization") if r["dataset"] == "CIFAR-10"}
figures.table(
    [line(row, wide) for row in cifar] or [["none at this scale", *[""] * 6]],
    ["method", "", *COLUMNS.values()],
    f"CIFAR-10, per cent: paper (WRN-40-10) → **ours** (three convolutions), scale {scale}. "
    + figures.PLUS_MINUS,
)

# %% [markdown]
# Clean gaps are a few points at most, adversarial ones about none; those are measured on 1,000
# images of either split, within some three points. The large gaps of the slides come from networks
# that have fitted their training images; whether ours would open such gaps when trained as far was
# not measured.
#
# ## Verdicts

# %% tags=["remove-input"]
judged = [claims.judge(f"closer/claim-{k}", scale) for k in ("08", "09", "10", "11", "19")]
figures.judgements(judged, scale)

# %% [markdown]
# *Not reproduced* is here a verdict on the schedule, for claims 08 and 09 above all. Claim 12,
# smoother means a larger gap, hangs on the instrument of {ref}`closer-3`:

# %% tags=["remove-input"]
both = [claims.judge("closer/claim-12", scale, r) for r in claims.readings("closer/claim-12")]
figures.judgements(both, scale, readings=True)

# %% [markdown]
# ## What we doubt
#
# - **That the gap explains the loss of accuracy.** A method can have a large gap and a high test
#   accuracy. On the slides RST beats AT on CIFAR-10 in accuracy with nearly the same gap.
# - **That MNIST can tell.** All clean accuracies lie within a point. The paper's sentence, "AT,
#   TRADES and RST also have large generalization gaps", holds on its CIFAR-10 column, partly on the
#   restricted ImageNet, and on its MNIST columns it is the other way round.
# - **That five epochs on CIFAR-10 can.** Every number of that table is of under-fitted networks.
# - **One seed.** Rows with a ± have three; the others one, as in the paper.
