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
# (reg-4-2-singular)=
# # Singular values, layer by layer
#
# *Wen, Li & Jia, section 4.2.2, appendix B.2* {cite}`wen-regularization`
#
# The paper's key result (figures 1a, 5c, 5d): in most layers the singular values of a network
# trained at strength 16 *spread* less, by standard deviation, than those at strength 4. Of the 55
# convolutions of ResNet-56 on CIFAR-10 it counts 41. From there its argument runs to concentrated
# outputs, small margins and lost accuracy ({ref}`reg-1`, {ref}`reg-3`).
#
# A convolution has more than one list of singular values. This page computes three, says which
# claims depend on the choice, and then looks whether the spread of layers goes together with what
# it is to explain: how fast the network's outputs change, and how wide its margins are.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from astute import claims, figures, intervals, models, papers, records, runs, spectra
from astute.runs import reg

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## Three lists for one layer
#
# *Reshaped*: of the kernel written as a matrix, a row per output channel. *Circular*: of the layer
# on its feature map, wrapped round, which Fourier transform makes a small matrix per frequency
# {cite}`sedghi-singular`; the paper names this method. *Exact*: of the layer as it is applied, with
# zeros beyond the border. The first has as many values as there are output channels, the others
# thousands.
#
# The exact matrix of a layer on a map of $32\times32$ is too large to decompose. Its **mean
# square** can be counted (squared taps, each as often as it meets a pixel), and its mean is a
# trace, $\operatorname{tr}(A^\top A)^{1/2}/n$, that Lanczos quadrature estimates from random signs;
# so the spread comes with a standard error. **Predictions** on a map small enough for the truth:
# circular near exact, and nearer on the larger map; reshaped far off; the estimate within three
# standard errors.

# %%
generator = torch.Generator().manual_seed(seed)
layer = nn.Conv2d(6, 8, 3, padding=1, bias=False).eval()
layer.weight.data = torch.randn(8, 6, 3, 3, generator=generator) / 12
lines, lists = [], {}
for side in (4, 8, 12):
    shape = (6, side, side)
    truth = spectra.dense_singular_values(spectra.operator_matrix(layer, shape))
    wrapped = spectra.conv_singular_values(layer.weight, shape[1:]).flatten()
    kernel = spectra.dense_singular_values(layer.weight.flatten(1))
    guess = spectra.estimated_summary(layer, shape)
    lists[side] = {"exact": truth, "circular": wrapped, "reshaped": kernel}
    lines.append((side, truth, wrapped, kernel, guess))

# %% tags=["remove-input", "nbval-ignore-output"]
rows, off = [], []
for side, *three, guess in lines:
    spreads = [spectra.spread(values).item() for values in three]
    error = guess["mean"] / guess["spread"] * guess["error"]
    off.append([(guess["spread"] - spreads[0]) / error, abs(spreads[1] / spreads[0] - 1)])
    rows.append([f"{side} x {side}", *(f"{v:.4f}" for v in spreads)])
    rows[-1].append(f"{guess['spread']:.4f} ± {error:.4f}")
columns = ["map", "exact", "circular", "reshaped", "exact, estimated"]
figures.table(rows, columns, "Standard deviation of the singular values of one random layer")

# %% tags=["remove-input"]
off = np.abs(off)
print("estimate within three standard errors:", (off[:, 0] < 3).all())
print("circular nearer to exact on the larger map:", (np.diff(off[:, 1]) < 0).all())

# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(7.5, 2.8), sharey=True)
for ax, side in zip(axes, (4, 12), strict=True):
    for reading, values in lists[side].items():
        values = values.detach().sort(descending=True).values.numpy()
        ax.plot(np.linspace(0, 1, len(values)), values, label=reading)
    ax.set(title=f"{side} x {side} pixels", xlabel="share of values")
axes[0].set_ylabel("singular value")
axes[1].legend(fontsize="small")
figures.show(fig, alt="Sorted singular values of a random layer under three definitions, two maps")

# %% [markdown]
# ## What a spread is not
#
# A ReLU does not mind a positive factor. Multiply the weights of one layer by $c$ and divide those
# of the next by $c$: **prediction**, the same function, the same margins, the same gradients with
# respect to the input, and spreads $c$ and $1/c$ times what they were.

# %%
first = models.MLP(sizes=(784, 32, 32, 10), bias=False)(seed=seed).eval()
second = models.MLP(sizes=(784, 32, 32, 10), bias=False)(seed=seed).eval()
second.fc1.weight.data *= 4
second.fc2.weight.data /= 4
x = torch.rand(50, 1, 28, 28, generator=generator)
largest, change = first(x).abs().max().item(), (first(x) - second(x)).abs().max().item()
print(f"outputs up to {largest:.1f} in size change by {change:.0e} at most")
for name in ("fc1", "fc2", "fc3"):
    a, b = (
        spectra.spread(spectra.dense_singular_values(n.get_submodule(name).weight))
        for n in (first, second)
    )
    print(f"{name}: spread times {(b / a).item():.2f}")

# %% [markdown]
# So no layer's spread is a property of the function. (In a residual network this works within each
# block, if its biases go along.) A comparison of two networks, layer by layer, trusts that training
# put their factors at the same places; weight decay works towards that. A sum over layers is not
# free of factors either. What is: the spread relative to the mean singular value, which the table
# of sums below shows as well.
#
# ## Figures 1a, 5c and 5d

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
STUDIES = {"CIFAR10": "reg/table3", "CIFAR100": "reg/table4"}
found = {
    data: [] if scale == "smoke" else runs.load(name, scale, measure, context)
    for data, name in STUDIES.items()
}
rows = {
    (data, reading): reg.spreads(part, reading)
    for data, part in found.items()
    for reading in spectra.READINGS
}

# %% tags=["remove-input", "nbval-ignore-output"]
if scale == "smoke":
    print("at scale smoke no network is measured here; the tables and figures stay empty")
else:
    print("\n".join(runs.state(STUDIES[data], scale, part) for data, part in found.items()))


# %% tags=["remove-cell"]
def profile(ax, table):
    """Spread against layer for two strengths: mean over seeds, and their range as a bar."""
    for k, a in enumerate((4, 16)):
        robust = [row for row in table if row["training"] == "PGD"]
        seen = [(i, row[f"std{a}"]) for i, row in enumerate(robust) if row.get(f"std{a}")]
        if seen:
            places, values = zip(*seen, strict=True)
            mean = np.array([np.mean(v) for v in values])
            ends = [mean - [min(v) for v in values], [max(v) for v in values] - mean]
            ax.errorbar(np.array(places) + 0.2 * k, mean, ends, fmt="o-", ms=3, label=f"{a}")


# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 3, figsize=(9, 4.6), sharex=True)
for line, data in zip(axes, STUDIES, strict=True):
    for ax, reading in zip(line, spectra.READINGS, strict=True):
        profile(ax, rows[data, reading])
        ax.set_title(f"{data}, {reading}", fontsize="small")
if rows["CIFAR10", "circular"]:
    axes[0, 0].legend(fontsize="x-small", title="strength")
fig.supxlabel("layer, from input to output", fontsize="small")
fig.supylabel("standard deviation of singular values", fontsize="small")
figures.show(
    fig, alt="Spread of singular values per layer at strengths 4 and 16, three definitions"
)

# %% [markdown]
# Bars are ranges over seeds, where several were trained: two networks of *one* strength differ
# from seed to seed, too. What is sure of the difference, layer by layer, is
# {ref}`further down <reg-4-2-seeds>`.
#
# ## The sums of appendix B.2
#
# Convolutions are split by whether the spread is larger at strength 4 or at 16, and differences are
# added up in either group. The paper's last row holds a copying error ({ref}`reg-1-tables`).


# %% tags=["remove-cell"]
def changes(table, relative=False):
    """Spread at 4 minus spread at 16, one a convolution, of means over seeds."""
    pairs = []
    for row in claims.means(table):
        values = [row.get(f"std{a}") for a in (4, 16)]
        if relative and None not in values:
            values = [v / row[f"mean{a}"] for v, a in zip(values, (4, 16), strict=True)]
        if row["kind"] == "convolution" and None not in values:
            pairs.append(values)
    return np.array([weak - strong for weak, strong in pairs])


# %% tags=["remove-cell"]
def group(changed):
    """Number, sum and mean of the falling spreads, then of the rising ones."""
    parts = changed[changed > 0], -changed[changed < 0]
    return [f"{len(p)}: {p.sum():.4f}, {p.mean():.4f}" if len(p) else "none" for p in parts]


# %% tags=["remove-input", "nbval-ignore-output"]
lines = []
printed = papers.table("reg_b2_prose")
for data, part in (("CIFAR10", printed[:2]), ("CIFAR100", printed[2:])):
    sums = [(r["sum_std_difference"], r["mean_std_difference"]) for r in part]
    lines.append([data, "paper", *(f"{s / m:.0f}: {s:.4f}, {m:.4f}" for s, m in sums)])
    for reading in spectra.READINGS:
        both = changes(rows[data, reading]), changes(rows[data, reading], relative=True)
        for word, changed in zip(("", ", relative"), both, strict=True):
            cells = group(changed) if len(changed) else ["not measured yet"] * 2
            lines.append([data, f"ours, {reading}{word}", *cells])
columns = ["data", "who", "smaller at 16: layers, sum, mean", "larger at 16: layers, sum, mean"]
figures.table(lines, columns, f"Change of spread from strength 4 to 16, ours at scale {scale}")

# %% tags=["remove-cell", "nbval-ignore-output"]
for name, relative in (("plain", False), ("relative", True)):
    changed = changes(rows["CIFAR10", "circular"], relative)
    done = len(changed) > 0
    figures.glue(f"reg42 {name}", f"{(changed > 0).sum()} of {len(changed)}" if done else "none")
    for way, sign in (("down", 1), ("up", -1)):
        total = np.maximum(sign * changed, 0).sum()
        figures.glue(f"reg42 {name} {way}", f"{total:.1f}" if done else "not measured")

# %% [markdown]
# On CIFAR-10 the spread of {glue:text}`reg42 plain` convolutions falls, by
# {glue:text}`reg42 plain down` in sum. *Relative to the layer's mean singular value* that of
# {glue:text}`reg42 relative` falls, by {glue:text}`reg42 relative down` in sum, and that of the
# others rises by {glue:text}`reg42 relative up`. So much of the fall is one of **scale**: layers
# shrink as a whole. Whether their singular values become more *alike*, which is what the paper's
# argument needs, is the question that is left, and the seeds below have a say in it.

# %% tags=["remove-input", "nbval-ignore-output"]
errors = []
for _, record in (one for part in found.values() for one in part):
    for one in record["result"]["layers"].values() if records.result(record) else ():
        e = one["exact"]
        if "error" in e and e["spread"] > 1e-3:  # a layer near zero has no spread to speak of
            errors.append(100 * e["mean"] / e["spread"] ** 2 * e["error"])
words = "not measured yet"
if errors:
    words = f"median {np.median(errors):.2f} %, at most {max(errors):.2f} %"
print(f"standard error of an exact spread, relative: {words}")

# %% tags=["remove-input"]
names = [f"reg/claim-{k}" for k in (18, 19, 20, 21)]
judged = [claims.judge(name, scale, r) for name in names for r in claims.readings(name)]
figures.judgements(judged, scale, readings=True)

# %% [markdown]
# Claim 21, "around 1", is the one where the definitions part most: the live table above has them
# apart by a factor for one and the same layer. Networks that have trained for a short time still
# carry their initial weights, which are the same at both strengths for one seed; that alone
# keeps differences small.
#
# (reg-4-2-seeds)=
# ## Does it survive the seed?
#
# The paper counts layers of two networks, one a strength. A pair of networks from one seed starts
# from the same weights, so their difference is the cleanest comparison there is; several seeds say
# how much of it is luck. Per layer the mean difference over seeds with Student's interval, which
# for three seeds is wide: 4.3 standard errors to either side. **Prediction** if the claim is about
# strength and not about one training: most intervals lie above 0, and few below.


# %% tags=["remove-cell"]
def paired(reading, relative=False):
    """Spread at 4 minus spread at 16 of networks that share a seed: (convolutions, seeds)."""
    pairs = []
    for row in rows["CIFAR10", reading]:
        if (row["kind"], row["training"]) == ("convolution", "PGD") and "std4" in row:
            values = [np.array(row[f"std{a}"]) for a in (4, 16)]
            if relative:
                values = [v / row[f"mean{a}"] for v, a in zip(values, (4, 16), strict=True)]
            if len(values[0]) == len(values[1]) > 1:
                pairs.append(values[0] - values[1])
    return np.array(pairs)


# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 3, figsize=(9, 4.6), sharex=True, sharey="row")
lines = []
for (i, j), ax in np.ndenumerate(axes):
    reading, change = spectra.READINGS[j], paired(spectra.READINGS[j], relative=i == 1)
    ax.axhline(0, color=figures.INK, lw=0.6)
    ax.set_title(reading + i * ", relative", fontsize="small")
    if len(change):
        low, high = intervals.student(change)
        ax.vlines(range(len(change)), low, high)
        ax.plot(change.mean(1), "o", ms=3)
        counts = ", ".join(map(str, (change > 0).sum(0)))
        lines.append([ax.get_title(), len(change), counts, (low > 0).sum(), (high < 0).sum()])

# %% tags=["remove-input", "nbval-ignore-output"]
fig.supxlabel("layer, from input to output", fontsize="small")
fig.supylabel("spread at 4 - at 16", fontsize="small")
figures.show(fig, alt="Difference of spreads per layer with its interval over seeds, and relative")

# %% tags=["remove-input", "nbval-ignore-output"]
columns = ["reading", "layers", "smaller at 16, seed by seed", "surely smaller", "surely larger"]
lines = lines or [["no second seed at this scale", *[""] * 4]]
figures.table(lines, columns, "Convolutions on CIFAR-10 whose spread changes, by intervals of 95 %")

# %% [markdown]
# (reg-4-2-beyond)=
# ## Does the spread go with what it explains?
#
# The chain of the paper: spreads fall, so outputs vary less, so margins draw together. It can be
# asked of networks that differ in more than strength: trained by TRADES (where a loss on natural
# images stands beside the pull towards equal outputs), on few images ({ref}`reg-4-1`), and with all
# spectral norms clipped ({ref}`reg-b-control`), where spreads are bounded by construction. Beside
# the sum of their spreads, and that of spreads over means: the local Lipschitz estimate of
# {ref}`closer-3`, on logits, and the standard deviation of test margins. **Prediction** of the
# chain: the three go together over networks of *one* strength as well.

# %% tags=["remove-cell"]
OTHERS = ["reg/trades", "reg/table6", "reg/few-images"] if scale != "smoke" else []
more = {name: runs.load(name, scale, measure, context) for name in OTHERS}
whole = [*found["CIFAR10"], *(one for part in more.values() for one in part)]
layers = [r for r in claims.means(reg.spreads(whole)) if r["kind"] == "convolution"]
COLUMNS = {"spreads": "spreads", "relative": "relative", "lipschitz": "Lipschitz"}
COLUMNS |= {"test_margin_std": "margins", "test_acc": "test, %", "pgd_acc": "PGD, %"}


# %% tags=["remove-cell"]
def kind(net):
    """What a network is called below: what sets it apart from those of table 3."""
    control = "" if net["spectral_norm"] == "uncontrolled" else f", norms ≤ {net['spectral_norm']}"
    images = f", {net['images']:,} images" if net["images"] in reg.FEW else ""
    return net["training"] + control + images


def sums(net):
    """Over the convolutions of a network: their spreads, and these relative to the means."""
    same = [r for r in layers if all(r[key] == net[key] for key in reg.rows.NETWORK)]
    parts = [(r.get(f"std{net['strength']}"), r.get(f"mean{net['strength']}")) for r in same]
    parts = [(spread, mean) for spread, mean in parts if spread is not None]
    whole = {"spreads": sum(v for v, _ in parts), "relative": sum(v / m for v, m in parts)}
    return {name: value if parts else None for name, value in whole.items()}


# %% tags=["remove-cell"]
nets = [net | sums(net) | {"kind": kind(net)} for net in claims.means(reg.blocks(whole))]
measured = [net for net in nets if net["lipschitz"] is not None]
kinds = list(dict.fromkeys(net["kind"] for net in measured))
LABELS = {"lipschitz": "local Lipschitz estimate", "test_margin_std": "std of test margins, logits"}

# %% tags=["remove-input", "nbval-ignore-output"]
if more:
    print("\n".join(runs.state(name, scale, part) for name, part in more.items()))
lines = [[net["kind"], net["strength"], *(net[c] for c in COLUMNS)] for net in measured]
lines = lines or [["none at this scale", *[""] * (1 + len(COLUMNS))]]
lines = [[f"{v:.2f}" if isinstance(v, float) else v for v in line] for line in lines]
columns = ["training", "strength", *COLUMNS.values()]
caption = "Networks on CIFAR-10. Circular spreads summed over convolutions, as they are and by"
caption += " the layers' means; local Lipschitz estimate; standard deviation of test margins;"
caption += f" accuracy on test images and, conditional, under PGD; scale {scale}"
figures.table(lines, columns, caption)

# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(8.6, 3.6))
for ax, c in zip(axes, ("lipschitz", "test_margin_std"), strict=True):
    for i, name in enumerate(kinds):
        points = [(net["spreads"], net[c]) for net in measured if net["kind"] == name]
        style = {"color": f"C{i % 6}", "marker": "os"[i // 6], "ls": "", "label": name}
        ax.plot(*zip(*points, strict=True), **style)
    for net in measured:
        ax.annotate(f"  {net['strength']}", (net["spreads"], net[c]), fontsize="x-small")
    ax.set(xlabel="sum of spreads over convolutions", ylabel=LABELS[c])
    if measured:
        ax.set_yscale("log")
if measured:
    axes[1].legend(fontsize="xx-small")
figures.show(fig, alt="Local Lipschitz estimate and margin width against the sum of spreads")


# %% tags=["remove-cell"]
def together(nets, a, b):
    """Rank correlation of two columns, in words."""
    pairs = [(net[a], net[b]) for net in nets]
    return f"{spearmanr(*zip(*pairs, strict=True)).statistic:+.2f}" if len(pairs) > 3 else "too few"


PAIRS = [(a, b) for a in ("spreads", "relative") for b in ("lipschitz", "test_margin_std")]

# %% tags=["remove-input", "nbval-ignore-output"]
lines = []
for a in ("all", 4, 8, 16):
    some = [net for net in measured if a in ("all", net["strength"])]
    lines.append([a, len(some), *(together(some, *pair) for pair in PAIRS)])
columns = ["strength", "n", *(f"{COLUMNS[a]}, {COLUMNS[b]}" for a, b in PAIRS)]
figures.table(lines, columns, "Rank correlations over n networks, columns as above")

# %% tags=["remove-cell", "nbval-ignore-output"]
for a in (4, 16):
    some = [net for net in measured if net["strength"] == a]
    figures.glue(f"reg42 together {a}", together(some, "spreads", "lipschitz"))
    figures.glue(f"reg42 apart {a}", together(some, "relative", "lipschitz"))
    clipped = [net for net in some if net["kind"] == "PGD, norms ≤ 1"]
    for column, digits in (("spreads", 1), ("lipschitz", 0)):
        value = f"{clipped[0][column]:.{digits}f}" if clipped else "not measured"
        figures.glue(f"reg42 {column} {a}", value)

# %% [markdown]
# So it is. At equal strength, too, networks whose spreads are larger have outputs that change more
# and margins that are wider: rank correlations with the Lipschitz estimate of
# {glue:text}`reg42 together 4` at strength 4 and {glue:text}`reg42 together 16` at 16. These are a
# few networks each, and not draws from anything, so no interval is put on it. It is the strongest
# evidence *for* the paper's chain on these pages, with two reservations.
#
# The sums are of spreads that carry the layers' **scale**: where weights are larger, so is
# everything else. Relative to the layers' means the same correlations are
# {glue:text}`reg42 apart 4` and {glue:text}`reg42 apart 16`. What goes with steady outputs is the
# *size* of singular values, much more than their inequality; and inequality is what the paper's
# argument is about.
#
# And **clipping** is the experiment that the chain asks for. It takes spreads away by hand; if they
# were what robust outputs are made of, strength would have little left to do. With norms of at
# most 1 the sum of spreads goes from {glue:text}`reg42 spreads 4` at strength 4 to
# {glue:text}`reg42 spreads 16` at 16, hardly at all, and the Lipschitz estimate from
# {glue:text}`reg42 lipschitz 4` to {glue:text}`reg42 lipschitz 16` all the same. Training against
# an attack changes something there that the sum of spreads does not see. How layers meet, along
# which directions and through which units, is a candidate; no instrument here measures it.
#
# ## What we doubt
#
# - **Which singular values the paper took.** It names {cite}`sedghi-singular` for clipping only.
#   "Most are around 1" is one hint, checked above by all three.
# - **A sum over layers.** It adds numbers of layers of different size; by
#   {eq}`eq-reg-variance` equal spreads in layers of unequal input dimension mean unequal variances.
# - **That it is a cause.** Weight decay, a lower training accuracy and a shorter training lower
#   spreads as well. Nothing in tables or figures holds these still.
# - **The scale of layers**, which the function does not know. Relative spreads are the check.
