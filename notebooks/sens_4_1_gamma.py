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
# (sens-4-1)=
# # Gamma: the same photograph, exposed differently
#
# *Ding et al., section 4.1, figure 3a* {cite}`ding-sensitivity`
#
# Saturated photographs look odd. Gamma correction, $\tilde v = v^\gamma$, is what cameras, screens
# and photo editors do all the time: below 1 the image gets brighter, above 1 darker. If robust
# accuracy moves with gamma, then two data sets of the same scenes, taken with other settings, have
# different robustness, and a benchmark on one says little about the other.

# %%
import matplotlib.pyplot as plt
import torch

from astute import claims, data, figures, runs, transforms
from astute.runs import closer, sens

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## What gamma does to a step
#
# Where an image gets darker, its differences shrink: the slope of $v^\gamma$ is
# $\gamma v^{\gamma-1}$, less than 1 for dark pixels if $\gamma>1$. The attack's $\epsilon$ stays.
# **Prediction**: the median slope over the pixels of photographs falls or rises with gamma,
# depending on whether the pixels are dark or bright; pixels of value $v$ have slope 1 at
# $\gamma=1$, and there the derivative of the slope by gamma is $1+\ln v$, which is negative for
# $v<1/e\approx 0.37$. So for dark photographs a larger gamma should leave the attack with more,
# and for bright ones with less.

# %%
v = data.natural_patches(200).double().flatten().clamp(min=1 / 255)
dark, bright = v[v < 0.3], v[v > 0.6]
for gamma in (0.6, 0.8, 1.0, 1.2, 1.4):
    slopes = [(gamma * part ** (gamma - 1)).median().item() for part in (v, dark, bright)]
    print(
        f"gamma {gamma}: median slope {slopes[0]:.2f}, dark {slopes[1]:.2f}, bright {slopes[2]:.2f}"
    )
assert slopes[1] < 1 < slopes[2]

# %% [markdown]
# ## The images
#
# Four test images of CIFAR-10 at the five values, which are ours: the text of the paper prints
# none, they stand in its figure only.

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
GAMMAS = [transforms.Gamma(gamma=g) for g in (0.6, 0.8, 1.0, 1.2, 1.4)]
samples = {
    run.data: torch.from_numpy(closer.pixels(record["result"])).float()
    for run, record in runs.load("sens/samples", scale, measure, context)
    if record
}
pictures = samples.get("cifar10", samples.get("digits", torch.empty(0, 1, 1, 1)))

# %% tags=["remove-input", "nbval-ignore-output"]
if len(pictures):
    grid = [[gamma(x[None])[0] for gamma in GAMMAS] for x in pictures]
    fig = figures.images(grid, titles=[gamma.label for gamma in GAMMAS])
    figures.show(fig, alt="Four images at gamma 0.6 to 1.4, from bright to dark")
else:
    print(f"not measured yet: run `astute run sens/samples --scale {scale}`")

# %% [markdown]
# ## Trained and attacked
#
# As in {doc}`sens_3_saturation`: standard and PGD training on each variant, tested on the same one
# at $\epsilon=8/255$; gamma 1 is the original of table 3. The paper shows a figure without numbers
# and says that accuracies on clean data "almost remain the same" under standard training, while
# "under PGD training, both accuracy and robust accuracy varies largely".

# %% tags=["remove-cell"]
found = runs.load("sens/fig3a", scale, measure, context)
found += runs.load("sens/table3", scale, measure, context)
rows = sens.cifar.figure3a(found)
COLUMNS = {
    "std_test_acc": "standard: accuracy",
    "pgd_test_acc": "PGD: accuracy",
    "robust_acc": "PGD: robust",
    "robustness_wrt_predictions": "wrt predictions",
}

# %% tags=["remove-input", "nbval-ignore-output"]
figures.table(
    [
        [f"{r['gamma']:g}", *(figures.interval(r[c][0] if r[c] else None) for c in COLUMNS)]
        for r in rows
    ],
    ["gamma", *COLUMNS.values()],
    f"Figure 3a as numbers, scale {scale}, per cent with 95 % intervals; one network a cell",
)

# %% tags=["remove-input", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(4.8, 3.2))
for (key, label), mark in zip(COLUMNS.items(), "os^x", strict=True):
    known = [row for row in claims.means(rows) if row[key] is not None]
    ax.plot([r["gamma"] for r in known], [r[key] for r in known], marker=mark, label=label)
ax.set(xlabel="gamma", ylabel="per cent of test images", ylim=(0, 100))
ax.legend(fontsize="small")
figures.show(fig, alt="Accuracies of standard and PGD training against gamma")

# %% tags=["remove-cell"]
ours = {row["gamma"]: row for row in claims.means(rows)}
for gamma in (0.6, 1.4):
    for key in ("std_test_acc", "robust_acc"):
        number = ours.get(gamma, {}).get(key)
        figures.glue(f"sens4 {key} {gamma:g}", "?" if number is None else f"{number:.1f}")

# %% [markdown]
# ## Verdict

# %% tags=["remove-input"]
both = [claims.judge("sens/claim-17", scale, r) for r in claims.readings("sens/claim-17")]
figures.judgements(both, scale, readings=True)

# %% [markdown]
# Between gamma 0.6 and 1.4 robust accuracy of PGD training goes from
# {glue:text}`sens4 robust_acc 0.6` % to {glue:text}`sens4 robust_acc 1.4` %, standard accuracy from
# {glue:text}`sens4 std_test_acc 0.6` % to {glue:text}`sens4 std_test_acc 1.4` %. Whether a range is
# "large" was set with the paper's networks in mind. Ours are far less robust, as
# {doc}`sens_3_saturation` shows, and their ranges are small with them: a range below five points
# here does not say what a WideResNet's would be.
#
# ## What we doubt
#
# - **The thresholds are the register's, not the paper's.** "Almost the same" and "largely" became
#   numbers so that they can fail.
# - **One network a cell, trained briefly.** Ranges over five networks are at least as large as the
#   noise between two trainings of one, and they can only grow with the number of values.
# - **Standardising each image undoes part of gamma.** The first layer brings every image to mean 0
#   and standard deviation 1, so a darker image with less contrast is stretched, and the attack with
#   it.
