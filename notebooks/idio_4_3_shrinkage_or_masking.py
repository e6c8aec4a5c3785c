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

from astute import attacks, figures, intervals, pruning, records, robustness, runs
from astute.runs import idio

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
setting = idio.attacks.settings("smoke")[0]
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
results = [(r, records.result(rec)) for r, rec in recorded]
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


# %% tags=["remove-input", "nbval-ignore-output"]
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
SAME = ("enlarged fc2", "scaled fc2")  # the same adversarials as the trained network


def verdict(result):
    """How far the strong attack errs, and the versions that shrink: counts and best changes."""
    base, *others = result["versions"]
    read = lambda m: 100.0 * intervals.outcomes(m["strong"])  # noqa: E731
    error = max(abs(paired(v, base, read)[0]) for v in others if v["method"] in SAME)
    made = [v for v in others if "noise" not in v["method"] and v["method"] not in SAME]
    made = list({(v["method"], v["p"]): v for v in made}.values())
    strong = [paired(v, base, read) for v in made]
    up, down = sum(low > error for _, low, _ in strong), sum(hi < -error for *_, hi in strong)
    far = max(v["nearest"][1]["value"] for v in made) / base["nearest"][1]["value"]
    return error, len(made), up, down, max(s[0] for s in strong), 100.0 * (far - 1)


# %% tags=["remove-cell", "nbval-ignore-output"]
def told(result):
    """For the sentences below: `verdict`, and the greatest gains on old adversarials."""
    base, *others = result["versions"]
    gain = lambda v: 100 * (v["near"]["value"] - base["transferred"]["near"]["value"])  # noqa: E731
    noise = [gain(v["transferred"]) for v in others if "noise" in v["method"]]
    made = [gain(v["transferred"]) for v in others if "noise" not in v["method"]]
    return *verdict(result), max(made), max(noise, default=float("nan"))


# %% tags=["remove-cell", "nbval-ignore-output"]
names = ("error", "made", "up", "down", "best", "far", "old", "noise")
for key in ("natural", "adversarial"):
    (result,) = [res for r, res in results if title(r) == key] or [None]
    for name, value in zip(
        names, told(result) if result else ("not measured yet",) * 8, strict=True
    ):
        words = f"{value:+.0f}" if isinstance(value, float) else str(value)
        words = f"{value:.0f}" if name == "error" and result else words
        figures.glue(f"idio43 {key} {name}", words)

# %% tags=["remove-cell", "nbval-ignore-output"]
base, enlarged, *others = results[0][1]["versions"] if results[0][1] else (None, None)
gap = lambda v: 100 * (v["weak"]["value"] - v["strong"]["value"])  # noqa: E731
cold = [v for v in others if v["method"] == "scaled fc2"]
gaps = {"trained": base, "enlarged": enlarged, "cooled": cold[-1] if cold else None}
for name, version in gaps.items():
    figures.glue(f"idio43 gap {name}", f"{gap(version):.0f}" if version else "not measured yet")
fgsm = [v["nearest"][0]["value"] for v in (base, *cold[-1:]) if v]
figures.glue("idio43 fgsm", f"{100 * fgsm[1] / fgsm[0] - 100:+.0f}" if len(fgsm) > 1 else "?")
figures.glue("idio43 scale", scale)

# %% [markdown]
# **The strong attack's own error.** Scaled and enlarged logits have the same adversarials as the
# trained network, so what they gain under the strong attack, it missed: up to
# {glue:text}`idio43 natural error` points on the natural network (scale
# {glue:text}`idio43 scale`). A change counts below only if its interval lies beyond that.
#
# *Naturally trained.* On old near adversarials shrinking gains up to
# {glue:text}`idio43 natural old` points, noise up to {glue:text}`idio43 natural noise`. Under the
# strong attack made anew, of {glue:text}`idio43 natural made` shrunk versions
# {glue:text}`idio43 natural up` are surely better than the trained network and
# {glue:text}`idio43 natural down` surely worse; the best gains {glue:text}`idio43 natural best`
# points. DeepFool (linf) has to go at most {glue:text}`idio43 natural far` % farther for any.
#
# *Adversarially trained.* Old near adversarials: up to {glue:text}`idio43 adversarial old` points,
# noise {glue:text}`idio43 adversarial noise`. Anew, of {glue:text}`idio43 adversarial made`
# versions {glue:text}`idio43 adversarial up` surely better,
# {glue:text}`idio43 adversarial down` surely worse, the best
# {glue:text}`idio43 adversarial best` points (error {glue:text}`idio43 adversarial error`);
# DeepFool at most {glue:text}`idio43 adversarial far` % farther.
#
# *Masking.* Weak and strong attack differ by {glue:text}`idio43 gap trained` points on the trained
# network, by {glue:text}`idio43 gap enlarged` with enlarged logits and by
# {glue:text}`idio43 gap cooled` with divided ones: dividing masks too, as a flat softmax makes
# the gradient heed all classes, not the nearest. With it the mean distance that FGSM needs changes
# by {glue:text}`idio43 fgsm` %, though not one decision has changed: a score like the paper's can
# be raised by a temperature.
#
# In plain words: a changed network gets many old adversarials right because they were made for
# another network, and noise does much the same. Attack it anew and well, and the counts above are
# what is left of the gain.

# %% [markdown]
# ## What we doubt
#
# - **One data set, two small networks, one seed of each.** A sure change is sure for these weights.
# - **Equal accuracy on 1000 or 5000 images** is equal to a point or so.
# - **Strong is not strongest.** The ensemble has no attack without gradients. But a stronger attack
#   could only lower what the versions keep, and the trained network too.
# - **Old adversarials matter where attackers cannot see the network.** Then any change helps
#   against what was made before it, until someone makes new ones.
