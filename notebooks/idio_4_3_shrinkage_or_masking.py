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
# (idio-4-3)=
# # Shrinkage or masking?
#
# *Beyond Wu et al.: what is left of table 1 and figure 1 under attacks that do not stop early*
#
# {ref}`idio-4-1` found gains on old adversarials, for the paper's methods and for noise alike.
# {ref}`idio-4-2` found next to no change of distances, but its $p$ end at 5 %. What if one shrinks
# as much as the accuracy allows, in one layer or in all? Three explanations of a gain compete:
#
# - **shrinkage**: a smaller network is harder to attack, by whatever attack;
# - **transfer**: the network is merely *another* one than the adversarials were made for;
# - **masking**: adversarials are as near as before, but the gradients no longer lead there.
#
# They predict different things. Shrinkage: gains under every attack, the more the smaller the norm.
# Transfer: gains on old adversarials alone, for any change. Masking: gains under weak new attacks
# that go away under strong ones.

# %%
import matplotlib.pyplot as plt
import torch

from astute import attacks, figures, intervals, pruning, robustness, runs
from astute.runs import idio_attacks

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## What each explanation looks like
#
# Two changes whose effect is known. Divide the logits by a temperature $T$: the uppermost layer's
# norms fall by $T$, no prediction changes, so the set of adversarials is **the same set**. Multiply
# them by 1000: the norms grow, the set is again the same, but the softmax saturates and the
# gradient of the cross-entropy is zero in single precision. **Prediction**, on the digits: neither
# changes what a margin-based attack finds; the second makes PGD on the cross-entropy look helpless.
# That is what masking looks like.

# %%
context = runs.Context(device=device, data_root=data_root)
setting = idio_attacks.settings("smoke")[0]
model, _ = runs.trained(setting, context)
x, y = setting.split("test", context, 100)
common = {"norm": "linf", "eps": 0.05, "step_size": 0.0125, "steps": 10}
weak, strong = attacks.PGD(**common), attacks.PGD(**common, loss="margin", keep="best")
cooled = pruning.Scaled(p=90, layer="fc2")(model)
heated = pruning.Scaled(p=99.9, layer="fc2", inverse=True)(model)
right = {}
for name, network in (("trained", model), ("÷ 10", cooled), ("× 1000", heated)):
    for attack in (weak, strong):
        x_adv = robustness.attacked(network, x, y, attack, torch.Generator().manual_seed(0))
        stays = (robustness.predict(network, x_adv) == y).float().mean().item()
        right[name, attack.loss] = 100 * stays

# %% tags=["remove-input", "nbval-ignore-output"]
rows = [[n, right[n, "ce"], right[n, "margin"]] for n in ("trained", "÷ 10", "× 1000")]
assert right["× 1000", "ce"] > right["trained", "ce"] + 20
assert max(r[2] for r in rows) - min(r[2] for r in rows) <= 3
heads = ["logits", "right under PGD on the cross-entropy, %", "on the margin, %"]
figures.table(rows, heads, f"Digits, linf radius {weak.eps:g}")

# %% [markdown]
# ## Versions at equal clean accuracy
#
# MNIST. Of every way to change the network we take the largest $p$ that costs at most 1, or 5,
# points on images held out of the training, and measure on test images:
#
# - **old, near**: adversarials of $\Theta$ by bisection along its gradient's sign, just past its
#   border; **old, strong**: adversarials of $\Theta$ by the ensemble below, anywhere in the ball;
# - **weak**: PGD with 10 steps on the cross-entropy, made anew on the version;
# - **strong**: made anew, an ensemble: PGD on the cross-entropy, DeepFool, PGD on the margin with
#   long and with short steps, the worst of all for each image;
# - **nearest**: the mean distance that FGSM with bisection and DeepFool need, made anew.
#
# The ways: the paper's M1 to M3; the smallest weights of the layer removed; the layer scaled; the
# logits divided (fc2 scaled); noise as large as M2's change; and M1, M2, the smallest weights and
# noise in *every* layer but the uppermost, convolutions included. "Enlarged fc2" multiplies the
# logits by 1000.

# %% tags=["remove-cell"]
recorded = runs.load("idio/masking", scale, measure, context)
results = [(r, rec["result"] if rec and rec["status"] == "ok" else None) for r, rec in recorded]
title = lambda run: type(run.trained.objective).__name__.lower()  # noqa: E731
NEAREST = ("FGSM linf", "DeepFool linf", "DeepFool l2")


def paired(version, base, read):
    """Change of a measurement against the trained network, with its paired 95 % interval."""
    after, before = (read(v) for v in (version, base))
    return (after - before).mean(), *intervals.bootstrap(after - before)


# %% tags=["remove-input", "nbval-ignore-output"]
def lines(result):
    """The rows of one network's table."""
    rows, percent = [], lambda m: f"{100 * m['value']:.0f}"
    for v in result["versions"] if result else ():
        cost = "" if v["drop"] == 0 else f"{100 * v['drop']:.0f}"
        cells = [v["clean_accuracy"], *(v["transferred"][k] for k in ("near", "far"))]
        cells = [percent(m) for m in (*cells, v["weak"])] + [
            figures.interval(v["strong"], digits=0)
        ]
        far = [f"{m['value']:.3f}" for m in v["nearest"]]
        rows.append([v["method"], cost, f"{v['p']:g}", f"{v['frobenius']:.2f}", *cells, *far])
    return rows or [["not measured yet"] + [""] * 11]


heads = ["version", "may cost", "p", "norm", "clean", "old, near", "old, strong", "weak", "strong"]
run, result = results[0]
words = f"{title(run)} training, radius {run.strong.eps:g}, scale {scale}; norm: Frobenius, of all"
figures.table(
    lines(result),
    [*heads, *NEAREST],
    f"Per cent of images right, and mean distances: {words} weights, trained = 1",
)

# %% [markdown]
# Horizontally, what a version gains on the old near adversarials; vertically, what it gains under
# the strong attack made for it. Shrinkage would lift the points off the line at 0.


# %% tags=["remove-input", "nbval-ignore-output"]
def survives(ax, run, result):
    """Gain under the strong new attack against gain on old adversarials, versions as points."""
    base, *others = result["versions"]
    for v in others:
        fill = "o" if "noise" in v["method"] or "larged" in v["method"] else "s"
        gain, low, high = paired(v, base, lambda m: 100.0 * intervals.outcomes(m["strong"]))
        old = 100 * (v["transferred"]["near"]["value"] - base["transferred"]["near"]["value"])
        reach = [[gain - low], [high - gain]]
        colour = "C1" if fill == "o" else "C0"
        ax.errorbar(old, gain, reach, fmt=fill, color=colour, markersize=4, linewidth=0.8)
    ax.axhline(0, color=figures.INK, linewidth=0.6)
    ax.set(title=f"{title(run)} training", xlabel="gain on old near adversarials, points")


# %% tags=["remove-input", "nbval-ignore-output"]
fig, axes = plt.subplots(1, len(results), figsize=(8, 3.4), squeeze=False, sharey=True)
for ax, (run, result) in zip(axes[0], results, strict=True):
    if result:
        survives(ax, run, result)
axes[0, 0].set_ylabel("gain under a strong new attack, points")
figures.show(fig, alt="Gain under a strong new attack against gain on old adversarials")

# %% [markdown]
# Squares: shrinkage of some kind. Circles: noise, and the enlarged logits.
#
# ## A network trained to be robust
#
# Adversarial training leaves less for old adversarials to gain. If shrinking removed
# "idiosyncrasy", it might still help; if it only moves borders, it can only harm.

# %% tags=["remove-input", "nbval-ignore-output"]
run, result = results[1] if len(results) > 1 else (results[0][0], None)
words = f"{title(run)} training, radius {run.strong.eps:g}, scale {scale}"
figures.table(lines(result), [*heads, *NEAREST], f"As above: {words}")

# %% [markdown]
# ## What survives


# %% tags=["remove-cell", "nbval-ignore-output"]
def verdict(result):
    """Counts over the versions that shrink: surely better, surely worse, and the best change."""
    base, _, *others = result["versions"]
    made = [v for v in others if "noise" not in v["method"]]
    read = lambda m: 100.0 * intervals.outcomes(m["strong"])  # noqa: E731
    strong = [paired(v, base, read) for v in made]
    near = lambda v: 100 * v["transferred"]["near"]["value"]  # noqa: E731
    old = [near(v) - near(base) for v in made], [near(v) - near(base) for v in others]
    up, down = sum(low > 0 for _, low, _ in strong), sum(high < 0 for *_, high in strong)
    return len(made), up, down, max(s[0] for s in strong), max(old[0]), max(old[1])


names = ("made", "up", "down", "best", "old", "anything")
for run, result in results:
    found = verdict(result) if result else ("not measured yet",) * 6
    for name, value in zip(names, found, strict=True):
        value = f"{value:+.0f}" if isinstance(value, float) else str(value)
        figures.glue(f"idio43 {title(run)} {name}", value)

# %% tags=["remove-cell", "nbval-ignore-output"]
if len(results) == 1:  # the smallest scale has no robust network
    for name in names:
        figures.glue(f"idio43 adversarial {name}", "not measured yet")


def masked(result):
    """Weak minus strong accuracy, points: of the trained network, the enlarged one, the rest."""
    gap = [100 * (v["weak"]["value"] - v["strong"]["value"]) for v in result["versions"]]
    return gap[0], gap[1], max(gap[2:])


gaps = masked(results[0][1]) if results[0][1] else (float("nan"),) * 3
for name, value in zip(("trained", "enlarged", "rest"), gaps, strict=True):
    figures.glue(f"idio43 gap {name}", f"{value:.0f}")
figures.glue("idio43 scale", scale)

# %% [markdown]
# *Naturally trained* (scale {glue:text}`idio43 scale`). On old near adversarials shrinking gains up
# to {glue:text}`idio43 natural old` points, all changes together up to
# {glue:text}`idio43 natural anything`. Under the strong attack made anew, of
# {glue:text}`idio43 natural made` shrunk versions {glue:text}`idio43 natural up` are surely better
# than the trained network and {glue:text}`idio43 natural down` surely worse; the best gains
# {glue:text}`idio43 natural best` points.
#
# *Adversarially trained*: up to {glue:text}`idio43 adversarial old` points on old near ones; anew,
# of {glue:text}`idio43 adversarial made` versions {glue:text}`idio43 adversarial up` surely better,
# {glue:text}`idio43 adversarial down` surely worse, the best
# {glue:text}`idio43 adversarial best` points.
#
# *Masking*: weak and strong attack differ by {glue:text}`idio43 gap trained` points on the trained
# network, by {glue:text}`idio43 gap enlarged` with enlarged logits (our positive control), by at
# most {glue:text}`idio43 gap rest` on all other versions. Where that is small, gradients are not
# the reason for anything.
#
# In plain words: a changed network gets many old adversarials right because they were made for
# another network. Attack it anew, and what remains is what the counts above say.

# %% [markdown]
# ## What we doubt
#
# - **One data set, two small networks, one seed of each.** A sure change is sure for these weights.
# - **Equal accuracy on 1000 or 5000 images** is equal to a point or so.
# - **Strong is not strongest.** The ensemble has no attack without gradients. But a stronger attack
#   could only lower what the versions keep.
# - **Old adversarials matter where attackers cannot see the network.** Then any change helps
#   against what was made before it, until someone makes new ones.
