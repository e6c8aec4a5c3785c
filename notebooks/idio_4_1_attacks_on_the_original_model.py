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
# (idio-4-1)=
# # Attacks on the original model
#
# *Wu et al., "Robustness Against Adversarial Attacks of the Original Models", figure 1*
# {cite}`wu-idiosyncrasy`
#
# A network $\Theta$ is trained, and attacked once. The adversarials are then shown to $\Theta_p$,
# the same network with $p$ % of one layer removed ({ref}`idio-4`). The paper sees "huge
# improvements in the robustness" for "a slight sacrifice of the accuracy", most of them against
# C&W, none against DeepFool on MNIST and Fashion-MNIST. This page repeats the experiment on its
# three data sets and adds what decides its meaning: noise of the same size, and the question what
# the attacks did in the first place.
#
# Such adversarials are *transferred*: $\Theta_p$ itself was never attacked. That comes in
# {ref}`idio-4-2`.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from astute import attacks, claims, figures, intervals, records, runs
from astute.runs import idio

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## Accuracy under a bound
#
# The attacks of the paper have no bound: each looks for a *near* adversarial $x_{\mathrm{adv}}$ and
# stops there. The curves of figure 1 have one, $c$. What becomes of an image whose adversarial is
# farther away than $c$ is not said. Three readings, with
# $e=\lVert x_{\mathrm{adv}}-x\rVert_\infty$:
#
# ```{math}
# :label: eq-idio-bounded
# \alpha_c(\Theta_p) = \begin{cases}
# \frac1N\,\#\{i : f(x_{\mathrm{adv},i}\ \text{if}\ e_i\le c,\ \text{else}\ x_i;\,\Theta_p)=y_i\}
# & \text{(a) the clean image counts,}\\[2pt]
# \frac1N\,\#\{i : f(x_i+\min(1, c/e_i)(x_{\mathrm{adv},i}-x_i);\,\Theta_p)=y_i\}
# & \text{(b) scaled down,}\\[2pt]
# \#\{i : e_i\le c,\ f(x_{\mathrm{adv},i};\Theta_p)=y_i\} \,/\, \#\{i : e_i\le c\}
# & \text{(c) left out.}
# \end{cases}
# ```
#
# For $\Theta$ itself (a) falls with $c$ from the clean accuracy. Reading (b) is above (a) or below,
# as the way to an adversarial may lead through other classes. Reading (c) starts at images that are
# wrong as they are, at 0 for $\Theta$, and stays there: under it every change of the network is a
# gain. All three agree at the largest bound if every image has an adversarial.

# %% [markdown]
# ## An attack that stops short
#
# The paper uses Foolbox's defaults, "effective enough in most cases". One of them is not. DeepFool
# as Foolbox had it in 2019 goes $1.05$ times the step to the nearest border of the linearised
# network, **cuts the result at the box**, and starts again. The original multiplies the sum of all
# steps instead. Where pixels are black and should get darker, the cut takes a part of every step.
#
# Take $f(x)=(x_1, \tfrac32x_2)$ at $x=(1,1)$, class 2. The step lowers $x_2$ and raises $x_1$,
# which the box forbids. Of the difference $d$ of logits it removes
# $1.05\cdot\frac{(3/2)^2}{1+(3/2)^2}=0.727$, so $d$ shrinks to $0.273\,d$, for ever, and no step
# is the last. **Prediction:** after 100 steps no adversarial; the original needs a few steps and
# ends near $x_2=\tfrac23$.

# %%
model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).eval()
model[1].weight.data = torch.diag(torch.tensor([1.0, 1.5]))
x, y = torch.ones(1, 1, 1, 2), torch.tensor([1])
for attack in (attacks.DeepFool.foolbox1(), attacks.DeepFool.foolbox3(norm="l2")):
    found = attack(model, x, y)
    fooled = attacks.fooled(model, found, y).item()
    print(f"{idio.attacks.label(attack):<14}", found.flatten().numpy().round(3), fooled)
    assert fooled == (attack.overshoots == "total")

# %% [markdown]
# (We count an attack as successful if the prediction changes by more than rounding. Foolbox asked
# for any change, so on the border its answer was rounding's.) MNIST's and Fashion-MNIST's
# backgrounds are black; photographs have few such pixels. Both versions are measured,
# "DeepFool 2019" and "DeepFool".
#
# C&W is measured twice, too. "C&W 2019" is Foolbox's: five constants, for each at most 1000 steps
# of 0.005 by Adam, and ten looks at the loss, of which the first that finds it no lower than the
# one before is the last. "C&W" makes at most 200 steps of 0.05 and ends less hastily.

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
found = runs.load("idio/fig1", scale, measure, context)
found = [(r, rec) for r, rec in found if isinstance(r, idio.attacks.Transferred)]
where = lambda r: (idio.attacks.DATA[r.trained.data], idio.attacks.label(r.attack))  # noqa: E731
results = {where(r): (r, rec["result"]) for r, rec in found if records.result(rec)}
sets = list(dict.fromkeys(where(r)[0] for r, _ in found))
names = list(dict.fromkeys(where(r)[1] for r, _ in found))
shown = [n for n in names if n != "C&W" or "C&W 2019" not in names]

# %% [markdown]
# ## Networks and attacks
#
# The paper asks for "95 %+ on MNIST, 91 %+ on Fashion-MNIST, 91 %+ on CIFAR-10" and for the
# checkpoint that is best on validation images. Ours are small, so that all attacks can be afforded;
# 5000 training images choose the checkpoint. **The CIFAR-10 network is far from 91 %**: what is
# said of it may not hold for a good one.

# %% tags=["remove-input", "nbval-ignore-output"]
rows = []
for (data, attack), (run, result) in results.items():
    e = intervals.numbers(result["linf"])[intervals.outcomes(result["fooled"])]
    bits = (intervals.outcomes(result[k]) for k in ("right", "fooled"))
    rate = intervals.proportion([b for a, b in zip(*bits, strict=True) if a])
    middle = f"{np.median(e):.3f}" if len(e) else ""
    test = 100 * result["test_accuracy"]["value"]
    network = type(run.trained.model).__name__
    rows.append([data, network, f"{test:.1f}", attack, f"{run.test_size}", rate, middle])
heads = ["data", "network", "test accuracy", "attack", "images", "fooled, % of right ones"]
figures.table(
    rows or [["not measured yet"] + [""] * 6],
    [*heads, "median linf distance"],
    f"Scale {scale}; missing rows: `astute run idio/fig1 --scale {scale}`",
)

# %% tags=["remove-cell", "nbval-ignore-output"]
rate = {
    where: result["fooled"]["value"] / result["right"]["value"]
    for where, (_, result) in results.items()
}
old = [rate[d, "DeepFool 2019"] for d in sets[:2] if (d, "DeepFool 2019") in rate]
figures.glue("idio41 deepfool", f"{100 * min(old):.0f}" if old else "not measured yet")
figures.glue("idio41 scale", scale)

# %% [markdown]
# DeepFool 2019 fools as few as {glue:text}`idio41 deepfool` % of the right images of a grey data
# set (scale {glue:text}`idio41 scale`). What it does not fool stays right, so there is little to
# gain: a plain reason for the paper's "ineffective against DeepFool in the MNIST and Fashion-MNIST
# case, but help in the CIFAR-10 case", and not one about idiosyncrasy.

# %% [markdown]
# ## C&W at its defaults, and in longer steps
#
# C&W moves not pixels but $w$, $x=(\tanh w+1)/2$. At a black pixel $x$ hardly follows $w$, so that
# 1000 short steps may not get far where 200 long ones do. Does figure 1 depend on it? The same
# images under both, and the greatest gain over $p$ on all adversarials (reading a), the mean of
# M1, M2 and M3:

# %% tags=["remove-cell", "nbval-ignore-output"]
TWO = ("C&W", "C&W 2019")


def pair(data):
    """(images that both saw, the two results) of C&W on a data set; None if one is missing."""
    if any((data, a) not in results for a in TWO):
        return None
    both = [results[data, a] for a in TWO]
    return min(run.test_size for run, _ in both), [result for _, result in both]


# %% tags=["remove-cell", "nbval-ignore-output"]
def gain(result, method, n):
    """Points that the best p gains on the adversarials of the first n images."""
    own = [v for v in result["versions"] if v["method"] == method]
    adv = [100 * intervals.first(v["adversarial_accuracy"], n)["value"] for v in own]
    return max(adv) - adv[0]


# %% tags=["remove-input", "nbval-ignore-output"]
pairs = {d: pair(d) for d in sets if pair(d)}
rows, more = [], []
for data, (n, both) in pairs.items():
    bits = [[intervals.outcomes(r[k])[:n] for k in ("right", "fooled")] for r in both]
    rate = [f"{100 * f.sum() / r.sum():.0f}" for r, f in bits]
    fooled = bits[0][1] & bits[1][1]
    e = [f"{np.median(intervals.numbers(r['linf'])[:n][fooled]):.4f}" for r in both]
    each = [[gain(r, m, n) for m in idio.rows.METHODS] for r in both]
    more += [b - a for a, b in zip(*each, strict=True)]
    rows.append([data, str(n), *rate, *e, *(f"{np.mean(g):+.1f}" for g in each)])
heads = ["images", *(f"{w}, {a}" for w in ("fooled, %", "median linf", "gain") for a in TWO)]
figures.table(rows or [["not measured yet"] + [""] * 7], ["data", *heads])

# %% tags=["remove-cell", "nbval-ignore-output"]
figures.glue("idio41 more", str(sum(m > 0 for m in more)))
figures.glue("idio41 of", str(len(more)))
figures.glue("idio41 apart", f"{max(map(abs, more)):.0f}" if more else "not measured yet")

# %% [markdown]
# The greatest gain is larger under the defaults in {glue:text}`idio41 more` of
# {glue:text}`idio41 of` cases (data set and method), and differs by up to
# {glue:text}`idio41 apart` points. The defaults get nearer ({ref}`idio-4-2`), and what ends nearer
# the border is likely to be undone by more networks. On CIFAR-10 steps of 0.05 are too long: Adam's
# first step moves every $w$ by its size, so a pixel by up to half of that, 0.025, often past the
# border already. Figure 1 and the first verdicts have the defaults, which are what the paper says
# it used.

# %% [markdown]
# ## Figure 1
#
# Accuracy against the bound under reading (a), a line for each $p$, darker for more. Left end:
# clean images. Right end: all adversarials. First M2, the method that costs least.


# %% tags=["remove-input", "nbval-ignore-output"]
def panel(ax, where, method, reading):
    """One panel of figure 1, if it has been measured."""
    ax.set_title(", ".join(where), fontsize="small")
    run, result = results.get(where, (None, {"versions": []}))
    own = [v for v in result["versions"] if v["method"] == method]
    own = [v for v in own if v["p"] in (0, 5, 25, 50, 75, 90, 99, 20, 40, 60, 80)]
    own = [v for v in own if scale == "smoke" or v["p"] not in (20, 40, 60, 80)]
    for i, v in enumerate(own):
        accuracy = idio.rows.bounded(result, v, run.bounds, reading)
        colour = plt.cm.viridis_r(0.1 + 0.9 * i / max(1, len(own) - 1))
        ax.plot(run.bounds, [100 * a for a in accuracy], color=colour, label=f"p = {v['p']}")


# %% tags=["remove-input", "nbval-ignore-output"]
def figure_1(method, reading="a"):
    """All data sets and attacks, one method."""
    shape = len(sets), len(shown)
    fig, axes = plt.subplots(*shape, figsize=(9, 2.3 * shape[0]), sharey=True, squeeze=False)
    for (i, j), ax in np.ndenumerate(axes):
        panel(ax, (sets[i], shown[j]), method, reading)
    for ax in axes[-1]:
        ax.set_xlabel("bound $c$")
    for ax in axes[:, 0]:
        ax.set_ylabel("per cent right")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper")
    figures.show(fig, alt=f"Accuracy against the bound for several p, {method}, reading {reading}")


figure_1("M2")

# %% [markdown]
# M1 by quantile. The least active units are never active: removing them changes nothing, and what
# follows costs accuracy at once.

# %% tags=["remove-input", "nbval-ignore-output"]
figure_1("M1 quantile")

# %% [markdown]
# M3, and then **noise** with the Frobenius norm of what M2 removes:

# %% tags=["remove-input", "nbval-ignore-output"]
figure_1("M3")

# %% tags=["remove-input", "nbval-ignore-output"]
figure_1("noise like M2")

# %% [markdown]
# The same for M2 under reading (c), images beyond the bound left out. At small bounds hardly an
# image is left, so the lines jump; that of $\Theta$ is 0 throughout.

# %% tags=["remove-input", "nbval-ignore-output"]
figure_1("M2", "c")

# %% [markdown]
# ## What is bought, and for what
#
# The greatest gain on all adversarials, over $p$, for at most two points of clean accuracy: the
# paper's methods, and noise. If shrinking were what helps, the methods would stand above the noise.

# %% tags=["remove-input", "nbval-ignore-output"]
measured = claims.means(idio.rows.curves(found, attacks=names))
CONTROLS = ("noise like M1", "noise like M2")


def within(where, method, points=2):
    """The greatest gain for so many points of clean accuracy; None if not measured."""
    own = [r for r in measured if (r["data"], r["attack"], r["method"]) == (*where, method)]
    if any(r["clean"] is None for r in own) or not own:
        return None
    cheap = [r["adv"] for r in own if own[0]["clean"] - r["clean"] <= points]
    return max(cheap) - own[0]["adv"]


# %% tags=["remove-input", "nbval-ignore-output"]
kinds = (*idio.rows.METHODS, *CONTROLS)
gains = {where: [within(where, m) for m in kinds] for where in results}
show = lambda g: "not measured yet" if g is None else f"{g:+.0f}"  # noqa: E731
figures.table(
    [[*where, *map(show, own)] for where, own in gains.items()]
    or [["not measured yet"] + [""] * 6],
    ["data", "attack", *kinds],
    f"Greatest gain on transferred adversarials for 2 points of clean accuracy, scale {scale}",
)

# %% tags=["remove-cell", "nbval-ignore-output"]
whole = [own for own in gains.values() if None not in own]
better = sum(max(own[:3]) > max(own[3:]) + 5 for own in whole)  # points; chance makes about 4
figures.glue("idio41 better", str(better))
figures.glue("idio41 settings", str(len(whole)))
figures.glue("idio41 method", f"{max((max(own[:3]) for own in whole), default=float('nan')):.0f}")
figures.glue("idio41 noise", f"{max((max(own[3:]) for own in whole), default=float('nan')):.0f}")

# %% [markdown]
# The gain is there, as the paper says: up to {glue:text}`idio41 method` points for at most two of
# clean accuracy. Noise gains up to {glue:text}`idio41 noise`. The best method is more than five
# points above the better noise in {glue:text}`idio41 better` of {glue:text}`idio41 settings`
# settings. A near adversarial ends just behind the border of $\Theta$, and almost any other network
# has its border elsewhere. That some method beats *this* noise says little: it is never larger than
# what M2 removes and costs next to nothing. At equal cost, and in every layer, noise on the MNIST
# network draws level ({ref}`idio-4-3`).

# %% [markdown]
# ## Verdicts
#
# Figure 1 prints no numbers; the paper's words were made into predicates. Under "Foolbox of 2019",
# DeepFool is the version that stops short and C&W has its defaults.

# %% tags=["remove-input"]
judged = [claims.judge(f"idio/claim-0{k}", scale) for k in range(1, 6)]
figures.judgements([*judged, claims.judge("idio/claim-18", scale)], scale)

# %% [markdown]
# Under the other readings, and for claims 1 to 3 on the wide network of {ref}`idio-4`:

# %% tags=["remove-input"]
names_of = [f"idio/claim-0{k}" for k in range(1, 6)]
every = [claims.judge(n, scale, r) for n in names_of for r in claims.readings(n)[1:]]
figures.judgements(every, scale, readings=True)

# %% tags=["remove-cell"]
old, _, published, both, *_ = claims.readings("idio/claim-04")
for name, reading in (("old", old), ("published", published), ("both", both)):
    verdict = claims.judge("idio/claim-04", scale, reading).verdict
    figures.glue(f"idio41 four {name}", verdict)

# %% [markdown]
# Claims 4 and 5 are what the paper says of the attacks one by one. Claim 5 stands or falls with the
# DeepFool that stops short. Claim 4, that C&W gives most, "a positive sign as C&W attacks are often
# regarded as the most powerful": with that DeepFool **{glue:text}`idio41 four old`**; with DeepFool
# as published **{glue:text}`idio41 four published`**, and with C&W in longer steps besides
# **{glue:text}`idio41 four both`**. The order of the attacks hangs on how they are run.
#
# ## What we doubt
#
# - **That this is robustness.** Nobody has attacked the changed network yet ({ref}`idio-4-2`), nor
#   attacked it well ({ref}`idio-4-3`).
# - **Our CIFAR-10 network**, a short schedule and far below the paper's 91 %.
# - **Where C&W ends.** A search of Foolbox's stops when one loss is not below another of 100 steps
#   before. Near a border the losses go up and down, so rounding decides for some images.
# - **One seed.** Networks differ; images are resampled, networks are not.
