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
# (reg-4-2-margins)=
# # Margins, probabilities and losses
#
# *Wen, Li & Jia, section 4.2.1, appendices B.3 and B.5* {cite}`wen-regularization`
#
# What is behind the gaps of {ref}`reg-4-1`? The paper looks at three faces of one output: the
# **margin** of an image (logit of its label minus the best other one), the **probability** of its
# label, and its **loss**, minus the logarithm of that. With strength margins gather near zero;
# probabilities move to the middle; large losses, which sure errors make, get rarer. So training
# loss rises, test loss does not, and the gap falls.
#
# The page asks first what of this a single constant could do, then shows figures 4 and 5 for our
# networks, and last asks what table 1, on how much losses change under attack, is a table of.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from astute import attacks, claims, figures, margins, models, papers, records, robustness, runs
from astute.runs import reg

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## What a constant does
#
# Take any network, change nothing that it says, and divide its logits by $T$. Every margin is
# divided by $T$, whatever the data:
#
# ```{math}
# :label: eq-reg-temperature
# \mathcal M_T = \mathcal M / T, \qquad \operatorname{std}\mathcal M_T = \operatorname{std}\mathcal
# M/T, \qquad \text{accuracy, robust accuracy and skewness: the same.}
# ```
#
# **Predictions** for a network that has fitted its training images: standard deviation and
# inter-decile range of margins halve as $T$ doubles; training loss rises; more probabilities lie in
# $[.1, .9]$; fewer losses are large; the gap of losses falls; the gap of accuracies cannot move.
# Live, a dense network trained on a few hundred digits until it knows them, twice as sure as it was
# ($T=\tfrac12$), as it was, and half as sure:

# %%
context = runs.Context(device=device, data_root=data_root)
setting = runs.study("reg/singular-values").at("smoke")[0].trained
recipe = replace(setting.recipe, epochs=40, lr=3e-3)
setting = replace(setting, recipe=recipe, train_size=300, seed=seed)
setting = replace(setting, model=models.MLP(sizes=(784, 64, 10)))
net, _ = runs.trained(setting, context)
sets = {split: setting.split(split, context) for split in ("train", "test")}


# %%
class Divided(nn.Module):
    """A network with its logits divided by a constant."""

    def __init__(self, network, by):
        super().__init__()
        self.network, self.by = network, by

    def forward(self, x):
        return self.network(x) / self.by


# %% tags=["hide-input"]
def row_of(by):
    """What the paper reads off a network, for this one divided by a constant."""
    seen = {s: margins.collect(Divided(net, by).eval(), *xy) for s, xy in sets.items()}
    test, middle = seen["test"], seen["test"].probabilities
    middle = ((middle >= 0.1) & (middle <= 0.9)).double().mean()
    right = {s: 100 * (f.margins > 0).double().mean().item() for s, f in seen.items()}
    loss = {s: f.losses.double().mean().item() for s, f in seen.items()}
    gaps = right["train"] - right["test"], loss["test"] - loss["train"]
    large = 100 * (test.losses > 2).double().mean().item()
    shown = test.margins.std().item(), 100 * middle.item(), large, loss["train"], loss["test"]
    return [by, *(f"{v:.2f}" for v in (*shown, *gaps[::-1]))]


# %% tags=["remove-input", "nbval-ignore-output"]
factors = (0.5, 1, 2)
COLUMNS = ["T", "margin std", "middle, %", "loss > 2, %", "training loss", "test loss"]
COLUMNS += ["gap of losses", "gap of accuracies"]
table = [row_of(by) for by in factors]
figures.table(table, COLUMNS, "One network for the digits, its logits divided by T")

# %% tags=["remove-input"]
values = np.array([row[1:] for row in table], float)
print("margin std times T:", [f"{row[0] * float(row[1]):.1f}" for row in table])
rises, falls = (np.diff(values, axis=0) > 0).all(0), (np.diff(values, axis=0) < 0).all(0)
assert falls[0], "margins concentrate"
assert rises[1], "probabilities go to the middle"
assert falls[2], "large losses get rarer"
assert rises[3], "training loss rises"
assert falls[5], "the gap of losses falls"
assert (values[:, 6] == values[0, 6]).all(), "the gap of accuracies stays"

# %% [markdown]
# Even the test loss first falls a little, as in tables 3 and 4, and rises only when the network has
# been made less sure than it has reason to be. So claims 01, 02, 13, 15 and 16 can be met without
# any robustness and without a single other answer. That does not make them wrong. It makes them
# statements about **scale**, of logits, for which "regularisation" is one word and "temperature"
# another. What a constant cannot change is accuracy and the shape of a distribution, such as its
# skewness; the tables below show these beside the rest.
#
# (reg-4-2-figure-4)=
# ## Figure 4: margins

# %% tags=["remove-cell"]
# At scale smoke the page on gaps measures these networks; here they would show nothing.
STUDIES = {"CIFAR-10": "reg/table3", "CIFAR-100": "reg/table4"}
found = {
    data: [] if scale == "smoke" else runs.load(name, scale, measure, context)
    for data, name in STUDIES.items()
}
both = [one for part in found.values() for one in part]
there = any(records.result(record) for _, record in both)

# %% tags=["remove-input", "nbval-ignore-output"]
if scale == "smoke":
    print("at scale smoke no network is measured here; figures 4 and 5 stay empty")
else:
    print("\n".join(runs.state(STUDIES[data], scale, part) for data, part in found.items()))


# %% tags=["remove-cell"]
def densities(ax, data, split, what, edges, within=(-np.inf, np.inf)):
    """A histogram per strength, of the first seed's networks: share of images per bin.

    Returns the greatest share among bins that begin within the limits.
    """
    edges, most = np.array(edges), 0.0
    for run, record in found[data]:
        if run.trained.seed == 0 and records.result(record):
            share = np.array(record["result"][split][what]["counts"])
            share = share / share.sum()
            colour = f"C{(0, 4, 8, 16).index(run.strength)}"
            ax.stairs(share, edges, color=colour, label=run.strength)
            inside = (edges[:-1] >= within[0]) & (edges[:-1] < within[1])
            most = max(most, share[inside].max())
    return most


# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 2, figsize=(7.8, 4.8), sharex=True)
panels = [(split, data) for split in ("test", "train") for data in STUDIES]
for ax, (split, data) in zip(axes.flat, panels, strict=True):
    densities(ax, data, split, "margins", reg.networks.MARGINS)
    ax.axvline(0, color=figures.INK, lw=0.6)
    ax.set_title(f"{data}, {split}", fontsize="small")
if there:
    axes[0, 0].legend(fontsize="x-small", title="strength")
    ends = [r["result"]["test"]["margins"]["quantiles"] for _, r in both if records.result(r)]
    axes[0, 0].set_xlim(min(q[1] for q in ends) - 1, max(q[-2] for q in ends) + 1)
fig.supxlabel("margin, logits", fontsize="small")
fig.supylabel("share of images", fontsize="small")
figures.show(fig, alt="Distributions of margins by strength, test and training, both CIFAR sets")

# %% [markdown]
# The paper prints curves and no numbers. Ours, in numbers:

# %% tags=["remove-input", "nbval-ignore-output"]
COLUMNS = {"margin_std": "standard deviation", "inter_decile": "inter-decile range"}
COLUMNS |= {"mode": "mode", "skewness": "skewness"}
lines = []
for row in reg.blocks(both):
    for split in ("train", "test"):
        cells = [figures.beside(None, row[f"{split}_{c}"], digits=2) for c in COLUMNS]
        lines.append([row["dataset"], row["strength"], split, *cells])
lines = lines or [["", "", "", *["not measured at this scale"] * len(COLUMNS)]]
columns = ["data", "strength", "split", *COLUMNS.values()]
caption = f"Margins in logits, scale {scale}; several seeds: ± their range"
figures.table(lines, columns, caption)

# %% [markdown]
# Where training and test rows agree, a network has not fitted its training images; ten epochs are
# few for that. The paper's explanation of the rising gap of accuracies (B.3), a training
# distribution piled up just beyond zero and therefore skewed, is about networks that have, so that
# claim 17 can hold or fail here for another reason than theirs.

# %% tags=["remove-input"]
judged = [claims.judge(f"reg/claim-{k}", scale) for k in (13, 14, 17)]
figures.judgements(judged, scale)

# %% [markdown]
# The networks of {ref}`reg-4-1` that were trained on few images for longer are nearer to having
# fitted theirs. The two claims that do not need CIFAR-100, and those of figure 5 below, on these:

# %% tags=["remove-input"]
names = [f"reg/claim-{k}" for k in (13, 14, 15, 16)]
judged = [claims.judge(name, scale, r) for name in names for r in claims.readings(name)[1:]]
figures.judgements(judged, scale, readings=True)

# %% tags=["remove-cell", "nbval-ignore-output"]
few = [] if scale == "smoke" else runs.load("reg/few-images", scale, measure, context)
free = [n for n in claims.means(reg.blocks(few)) if n["spectral_norm"] == "uncontrolled"]
widths = {(net["images"], net["strength"]): net["test_margin_std"] for net in free}
for n in reg.FEW:
    for a in (4, 8, 16):
        value = widths.get((n, a))
        figures.glue(f"reg42 std {n} {a}", "not measured" if value is None else f"{value:.1f}")

# %% [markdown]
# It is fitting that decides. With 1,000 images strength keeps networks from learning theirs by
# heart, and the standard deviation of test margins falls from {glue:text}`reg42 std 1000 4` to
# {glue:text}`reg42 std 1000 16` logits. With 250 all is learnt at every strength, and it hardly
# moves: {glue:text}`reg42 std 250 4`, {glue:text}`reg42 std 250 8`, {glue:text}`reg42 std 250 16`.
#
# ## Figure 5: probabilities and losses
#
# For a margin near 0 the probability of the label is near one half of what two classes share, the
# loss near $\log 2$ or above. **Prediction**: the middle of the left histogram and the region just
# below $\log 10$ (an answer without knowledge, for ten classes) of the right one fill up with
# strength; its far end empties. The inset leaves out the two ends.

# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(7.8, 3.4))
parts = (("probabilities", reg.networks.PROBABILITIES), ("losses", reg.networks.LOSSES))
for ax, (what, edges) in zip(axes, parts, strict=True):
    densities(ax, "CIFAR-10", "test", what, edges)
    inset = ax.inset_axes((0.45, 0.5, 0.55, 0.45))
    middle = (0.1, 0.9) if what == "probabilities" else (3, 8)
    most = densities(inset, "CIFAR-10", "test", what, edges, middle)
    inset.set(xlim=middle, ylim=(0, 1.1 * most or 1))
    inset.tick_params(labelsize="x-small")
    ax.set_xlabel({"probabilities": "probability of the label", "losses": "loss, nats"}[what])
axes[0].set_ylabel("share of test images")
if there:
    axes[0].legend(fontsize="x-small", title="strength", loc=(0.6, 0.05))
figures.show(fig, alt="Histograms of probabilities and losses on CIFAR-10 test images, by strength")

# %% tags=["remove-input", "nbval-ignore-output"]
lines = []
for row in reg.blocks(both):
    cells = [figures.beside(None, row[c]) for c in ("middle", "above_5")]
    losses = [figures.beside(None, row[c], digits=3) for c in ("train_loss", "test_loss")]
    lines.append([row["dataset"], row["strength"], *cells, *losses])
lines = lines or [["", "", *["not measured at this scale"] * 4]]
figures.table(
    lines,
    ["data", "strength", "in [.1, .9], %", "loss above 5, %", "training loss", "test loss"],
    f"Probabilities and losses of test images, scale {scale}",
)

# %% tags=["remove-input"]
figures.judgements([claims.judge(f"reg/claim-{k}", scale) for k in (15, 16)], scale)

# %% [markdown]
# (reg-4-2-variation)=
# ## What is table 1 a table of?
#
# Appendix B.5 measures how an attack of radius 1, 2 or 4 of 255 changes "the loss" of each test
# image: mean and standard deviation of that change. The text says loss. The numbers are smaller
# than one would expect of a network whose test loss is above .6 at an error of one in nine, and
# they look like changes of the **probability**. The two are tied: the derivative of $-\log p$ is at
# least 1 in size, so
#
# ```{math}
# :label: eq-reg-variation
# |\Delta\ell| \;\ge\; |\Delta p| \quad\text{for every image,}
# ```
#
# and a change of probability has mean $m\le1$ and variance at most $m(1-m)$. **Predictions**: the
# inequality for each image of any network; and all eighteen printed cells within the variance that
# a probability allows (which a loss may exceed).

# %%
attack = attacks.PGD(norm="linf", eps=0.1, step_size=0.025, steps=10, keep="last")
x, y = sets["test"]
generator = torch.Generator(x.device).manual_seed(seed)
x_adv = robustness.attacked(net, x, y, attack, generator)
before, after = margins.collect(net, x, y), margins.collect(net, x_adv, y)
change = {k: (getattr(after, k) - getattr(before, k)).abs() for k in ("losses", "probabilities")}
assert (change["losses"] >= change["probabilities"] - 1e-5).all()
cells = [
    (r[f"mean_ar{a}"], r[f"std_ar{a}"]) for r in papers.table("reg_table1") for a in (4, 8, 16)
]
print(sum(sd**2 <= m * (1 - m) for m, sd in cells), "of", len(cells), "cells fit a probability")

# %% tags=["remove-input", "nbval-ignore-output"]
means = {k: v.double().mean().item() for k, v in change.items()}
figures.table(
    [[k, f"{v:.3f}", f"{change[k].double().std().item():.3f}"] for k, v in means.items()],
    ["change of", "mean", "standard deviation"],
    "The dense network for the digits under an attack of radius 0.1",
)

# %% [markdown]
# That decides nothing yet: a small change of loss would fit too. Table 1 beside ours, in both
# readings:

# %% tags=["remove-cell"]
KEYS = "dataset", "attack_eps_255"
readings = {
    name: {tuple(map(row.get, KEYS)): row for row in rows([*both, *few])}
    for name, rows in claims.reg.confidence.VARIATIONS.items()
}
usual = {name: rows for name, rows in readings.items() if "images" not in name}


def cell(row, a):
    """Mean ± standard deviation of a measured cell."""
    parts = [row.get(f"{part}_ar{a}") for part in ("mean", "std")]
    if None in parts:
        return "no run"
    mean, sd = (claims.means([{"": part}])[0][""] for part in parts)
    return "not measured yet" if mean is None else f"{mean:.4f} ± {sd:.4f}"


# %% tags=["remove-input", "nbval-ignore-output"]
lines = []
for row in papers.table("reg_table1"):
    for a in (4, 8, 16):
        ours = [cell(found.get(tuple(map(row.get, KEYS)), {}), a) for found in usual.values()]
        theirs = f"{row[f'mean_ar{a}']:.4f} ± {row[f'std_ar{a}']:.4f}"
        lines.append([row["dataset"], f"{row['attack_eps_255']:.0f}", a, theirs, *ours])
figures.table(
    lines,
    ["data", "radius", "strength", "paper", "ours, loss", "ours, probability"],
    f"Table 1: change under attack, mean ± standard deviation; scale {scale}",
)

# %% [markdown]
# Which resembles the paper? One number for each reading: the factor, ours over the paper's, by its
# geometric mean over the cells that are measured, and how much it varies from cell to cell (the
# standard deviation of its logarithm). The networks of few images, which have fitted some of
# theirs as the paper's have, are asked as well.

# %% tags=["remove-input", "nbval-ignore-output"]
lines = []
for what, ours in readings.items():
    ratios = []
    for row in claims.means(ours.values()):
        printed = [r for r in papers.table("reg_table1") if all(r[k] == row[k] for k in KEYS)]
        keys = [key for key in row if "_ar" in key and row[key] and key in printed[0]]
        ratios += [row[key] / printed[0][key] for key in keys]
    logs = np.log(ratios)
    cells = [f"{np.exp(logs.mean()):.2f}", f"{logs.std():.2f}"] if ratios else ["", ""]
    lines.append([what, len(ratios) or "not measured yet", *cells])
figures.table(lines, ["reading", "numbers compared", "ours / paper's", "spread of its logarithm"])

# %% tags=["remove-cell", "nbval-ignore-output"]
for (_, _, *cells), key in zip(lines, ("ll", "l1000", "l250", "pp", "p1000", "p250"), strict=True):
    figures.glue(f"reg42 factor {key}", cells[0] or "not measured")
    figures.glue(f"reg42 log {key}", cells[1] or "not measured")

# %% [markdown]
# The networks of 250 images are the ones to ask. They have all their training images right, as the
# paper's have, and as changes of **loss** their numbers would be {glue:text}`reg42 factor l250`
# times the printed ones; as changes of **probability** the factor is
# {glue:text}`reg42 factor p250`, and the most even of all from cell to cell
# ({glue:text}`reg42 log p250`). It is also the only reading in which the standard deviation exceeds
# the mean in every cell, as it does in all printed ones (claim 23 below). Table 1 is a table of
# probabilities, very likely, whatever its caption says.

# %% tags=["remove-cell"]
BARS = {"paper": {tuple(map(r.get, KEYS)): r for r in papers.table("reg_table1")}}
BARS |= {
    f"ours, {what}": {key: claims.means([row])[0] for key, row in ours.items()}
    for what, ours in usual.items()
}


# %% tags=["remove-cell"]
def bars(ax, data, source):
    """Figure 8: mean and standard deviation against radius, a line a strength."""
    for k, a in enumerate((4, 8, 16)):
        rows = {eps: source.get((data, eps), {}) for eps in (1, 2, 4)}
        cells = [(eps, r.get(f"mean_ar{a}"), r.get(f"std_ar{a}")) for eps, r in rows.items()]
        cells = [c for c in cells if None not in c]
        if cells:
            eps, mean, sd = (np.array(v) for v in zip(*cells, strict=True))
            ax.errorbar(eps + 0.1 * k, mean, sd, fmt="o-", ms=3, color=f"C{k}", label=a)


# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 3, figsize=(8, 4.4), sharex=True)
for line, data in zip(axes, ("CIFAR10", "CIFAR100"), strict=True):
    for ax, (who, source) in zip(line, BARS.items(), strict=True):
        bars(ax, data, source)
        ax.set_title(f"{data}, {who}", fontsize="small")
        ax.set_xticks([1, 2, 4])
axes[0, 0].legend(fontsize="x-small", title="strength")
fig.supxlabel("radius of the attack, of 255", fontsize="small")
fig.supylabel("change", fontsize="small")
figures.show(fig, alt="Mean change under attack with its standard deviation, the paper's and ours")

# %% [markdown]
# The bars are standard deviations over images, as in the paper's figure 8, not errors of the mean.
# They reach below zero where no change can, since the changes are far from normal: most are nearly
# none and a few are large. The mean's own standard error is the bar divided by the root of the
# number of images, which for the paper's 10,000 makes differences in the third digit visible.

# %% tags=["remove-input"]
names = [f"reg/claim-{k}" for k in (22, 23)]
judged = [claims.judge(name, scale, r) for name in names for r in claims.readings(name)]
figures.judgements(judged, scale, readings=True)

# %% [markdown]
# ## What we doubt
#
# - **That margins explain accuracy.** "Concentration moves more examples across the boundary" is
#   one way to lose accuracy; {eq}`eq-reg-temperature` concentrates and loses none. The mean moves
#   with the width, and for distributions of one shape their ratio says how many are wrong.
# - **That widths of two networks compare.** A margin has the unit logit, and networks choose their
#   own. Nothing in the paper fixes the scale.
# - **Table 1's quantity.** The factors above compare networks of unequal accuracy, and those that
#   fit do so on 250 images. Claims 22 and 23 are judged under both readings.
# - **Our schedule**: networks that are still learning are unsure for that reason too.
