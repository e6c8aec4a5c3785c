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
# (sens-3-variants)=
# # The variants, seen and moved
#
# *Ding et al., section 3.1 and figure 1; section 4.1* {cite}`ding-sensitivity`
#
# Before any network is trained: what do smoothing, saturation, gamma and scaling do to an image, to
# how often each brightness occurs, to the room that an attack has, and to the distance between
# classes? First on the paper's data, then under the reader's own hands.

# %%
import math

import matplotlib.pyplot as plt
import torch

from astute import data, figures, live, runs, transforms
from astute.runs import closer

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## Figure 1
#
# MNIST is nearly black and white: **smoothing** fills in the greys around the strokes. CIFAR-10 has
# all shades: **saturation** pushes them to black and white in each colour, and a level below 2
# pulls them to the middle. The formulas are {eq}`eq-smooth` and {eq}`eq-saturate`. Does a variant
# still say what it shows? The paper calls all of them *semantics-lossless*; look for yourself.

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
samples = {
    run.data: torch.from_numpy(closer.pixels(record["result"])).float()
    for run, record in runs.load("sens/samples", scale, measure, context)
    if record
}
found = runs.load("sens/fig1", scale, measure, context)
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}


# %% tags=["remove-cell"]
def variants(*kinds):
    """Data set and variants of these kinds, in the order of the study."""
    chosen = [run for run, _ in found if isinstance(run.variant, kinds)]
    return {name: [r.variant for r in chosen if r.data == name] for name in samples}


GREY = transforms.Binarize, transforms.Original, transforms.Smooth
COLOUR = transforms.Saturate, transforms.Original
figure1 = {name: variants(*(COLOUR if name == "cifar10" else GREY))[name] for name in samples}

# %% tags=["remove-input", "nbval-ignore-output"]
for name, shown in figure1.items():
    grid = [[variant(samples[name][i : i + 1])[0] for variant in shown] for i in range(3)]
    fig = figures.images(grid, titles=[v.label for v in shown])
    text = f"Three images of {NAMES.get(name, name)}: " + ", ".join(v.label for v in shown)
    figures.show(fig, alt=text)
if not figure1:
    print(f"not measured yet: run `astute run sens/samples --scale {scale}`")

# %% [markdown]
# How often each brightness occurs, over all test images. The axis is logarithmic: a bin that looks
# small on MNIST may hold a pixel in a thousand.

# %% tags=["remove-cell"]
records = {(run.data, run.variant): record for run, record in found if record}


def histogram(ax, name, shown):
    """Share of the pixels in each bin, one outline a variant."""
    for variant in shown:
        record = records.get((name, variant))
        if record:
            share = record["result"]["share"]
            edges = [i / len(share) for i in range(len(share) + 1)]
            ax.stairs(share, edges, label=variant.label)
    ax.set(xlabel="pixel value", yscale="log", title=NAMES.get(name, name))
    ax.legend(fontsize="x-small", ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))


# %% tags=["remove-input", "nbval-ignore-output"]
if figure1:
    fig, axes = plt.subplots(1, len(figure1), figsize=(8, 3.4), sharey=True, squeeze=False)
    for ax, (name, shown) in zip(axes[0], figure1.items(), strict=True):
        histogram(ax, name, shown)
    axes[0, 0].set(ylabel="share of pixels")
    figures.show(fig, alt="Histograms of pixel values of the variants, on a logarithmic axis")

# %% tags=["remove-cell"]
for name, key in (("mnist", "MNIST"), ("cifar10", "CIFAR")):
    record = records.get((name, transforms.Original()))
    share = record["result"]["share"] if record else [math.nan]
    ends = "?" if record is None else f"{100 * (share[0] + share[-1]):.0f}"
    figures.glue(f"sens3v ends {key}", ends)

# %% [markdown]
# In the two outermost of 32 bins lie {glue:text}`sens3v ends MNIST` % of the pixels of MNIST as it
# is, and {glue:text}`sens3v ends CIFAR` % of those of CIFAR-10. That is the difference the paper
# starts from.
#
# ## Three numbers that need no network
#
# Without training anything one can already compute the mean **perturbable volume**
# {eq}`eq-volume`, the **inter-class distance** (the nearest tenth of each class's images, to the
# nearest tenth of all others), and the histogram. On thirty handwritten digits, three of each
# class, at some settings of the sliders below:

# %%
SETTINGS = {
    "original": live.Setting(),
    "smoothing 5, column": live.Setting(size=5),
    "smoothing 5, square": live.Setting(size=5, kind="square"),
    "saturation 1": live.Setting(level=1),
    "saturation 8": live.Setting(level=8),
    "saturation ∞": live.Setting(level=math.inf),
    "gamma 0.6": live.Setting(gamma=0.6),
    "contrast 0.5": live.Setting(factor=0.5),
}
digits = data.load("digits", "test", limit=30)
few = [live.numbers(setting, digits.x, digits.y) for setting in SETTINGS.values()]

# %% tags=["remove-input", "nbval-ignore-output"]
fig = figures.images(
    [[setting(digits.x[i : i + 1])[0] for setting in SETTINGS.values()] for i in (1, 4, 8)],
    titles=[name.replace(" ", "\n", 1) for name in SETTINGS],
)
figures.show(fig, alt="Three digits at the settings of the table: " + ", ".join(SETTINGS))

# %% tags=["remove-input"]
figures.table(
    [
        [name, f"{n['volume']:.1f}", f"{n['distance']:.3f}", f"{100 * n['histogram'][0]:.0f}"]
        for name, n in zip(SETTINGS, few, strict=True)
    ],
    ["setting", "volume, bits", "inter-class distance", "darkest bin, % of pixels"],
    f"Thirty digits, ε = {live.EPS:g}",
)

# %% [markdown]
# (sens-3-live)=
# ## Move them
#
# The same thirty digits; images, histogram and numbers are computed in the browser, nothing is
# fetched. **Predict** before you move: which slider brings the classes nearer *and* gives the
# attack more room? Which one does the opposite in one direction? Can you find a setting with the
# original's distance and another volume?

# %% tags=["remove-input", "nbval-ignore-output"]
live.Page()

# %% [markdown]
# The steps are applied in the order of the sliders: smoothing, saturation, gamma, contrast. Each is
# a map that a classifier of the changed images could undo or ignore, and yet the three numbers
# move. What happens to a network that is *trained* on such images is measured on the next pages.
#
# ## What the numbers must do
#
# Three of their properties can be proved, and are worth checking in the sliders. Contrast
# $\alpha$ scales every distance, so the inter-class distance is $\alpha$ times what it was. At
# $p=\infty$ every pixel is on a corner and the volume is $784\log_2\epsilon$, whatever the images
# show. At $\alpha\to 0$ all pixels are mid-grey, no pixel is within $\epsilon$ of the border, and
# the volume is $784\log_2 2\epsilon$: 784 bits more.

# %%
half, whole = (live.numbers(live.Setting(factor=f), digits.x, digits.y) for f in (0.5, 1))
corner, grey = (
    live.numbers(setting, digits.x, digits.y)["volume"]
    for setting in (live.Setting(level=math.inf), live.Setting(factor=0.0))
)
ratio = half["distance"] / whole["distance"]
print(f"distance at half the contrast: {ratio:.6f} of the original's")
print(f"volume on the corners: {corner:.2f}, 784 log2(0.3) = {784 * math.log2(0.3):.2f}")
print(f"mid-grey: {grey - corner:.6f} bits more")
assert abs(ratio - 0.5) < 1e-5
assert abs(corner - 784 * math.log2(0.3)) < 1e-6
assert abs(grey - corner - 784) < 1e-6

# %% [markdown]
# ## What we doubt
#
# - **"Semantics-lossless".** Judged by looking. At saturation ∞ some photographs are hard to name,
#   and networks lose accuracy there too.
# - **Thirty digits are not a data set.** The nearest tenth of 27 others is 3 images, the nearest
#   tenth of a class one image: the numbers under the sliders show how the measures move, not what
#   they are on MNIST. Those are on {doc}`sens_5_measured`.
# - **Which smoothing.** The text reads as a square; the paper's numbers follow a column
#   ({ref}`sens-3`). The sliders have both.
