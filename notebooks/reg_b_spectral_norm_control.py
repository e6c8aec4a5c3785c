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
# (reg-b-control)=
# # Spectral norms under control
#
# *Wen, Li & Jia, appendix B.4.2, table 6, figure 6* {cite}`wen-regularization`
#
# On CIFAR-10 the gap of accuracies *rises* with strength, and the paper blames capacity: the
# network is large enough to fit everything, attacked or not. To test that it takes capacity away by
# another hand. After every epoch each layer's singular values are cut to a bound $s = 5, 3, 1$
# ("SP $s$"). As $s$ falls, "the error gap gradually changes from an increasing trend to a
# decreasing trend".
#
# The same table holds a finding that the text passes over: at SP 1 the test accuracy is *higher*
# than without control and the test loss far lower, at every strength.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from astute import claims, figures, papers, records, runs, spectra
from astute.runs import reg

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## How a convolution is clipped
#
# On a map that is wrapped round, Fourier transform turns a convolution into one small matrix per
# frequency {cite}`sedghi-singular`. Their singular values are those of the layer, so cutting at $s$
# is easy there. But a kernel that is changed frequency by frequency is as large as the map. The
# taps outside its $3\times3$ window have to be dropped, and then some values are above $s$ again.
# Both steps are projections, onto "norm at most $s$" and onto "window of $3\times3$"; done in turn
# they settle in between, and one last factor makes the bound exact.
#
# **Predictions** for a random kernel of norm 2 and $s=1$: after one round a norm between 1 and 2;
# after twenty and the factor, 1 and not more; the same window; and larger small singular values
# than by dividing the kernel by its norm, which meets the bound as well.

# %%
generator = torch.Generator().manual_seed(seed)
size, bound = (8, 8), 1.0
kernel = torch.randn(8, 8, 3, 3, generator=generator)
norm = lambda k: spectra.conv_singular_values(k, size).max().item()  # noqa: E731
kernel *= 2 / norm(kernel)

# %%
spectrum = torch.fft.fft2(kernel, s=size).permute(2, 3, 0, 1)
u, values, vh = torch.linalg.svd(spectrum, full_matrices=False)
full = torch.fft.ifft2(((u * values.clamp(max=bound).unsqueeze(-2)) @ vh).permute(2, 3, 0, 1)).real
once = full[..., :3, :3]
clipped = spectra.clip_kernel(kernel, size, bound)
lost = 1 - once.square().sum() / full.square().sum()
print(f"norm: {norm(kernel):.2f} before, {norm(full):.2f} cut at each frequency,")
print(f"{norm(once):.2f} in its window, without {lost:.0%} of the taps' squares,")
print(f"{norm(clipped):.4f} after twenty rounds and the factor; window {tuple(clipped.shape[2:])}")

# %% tags=["remove-input"]
assert bound < norm(once) < 2
assert norm(clipped) <= bound * (1 + 1e-5)
assert clipped.shape == kernel.shape

# %% tags=["hide-input", "nbval-ignore-output"]
lists = {"before": kernel, "one round": once, "clipped": clipped, "divided by 2": kernel / 2}
rows = []
fig, ax = plt.subplots()
for name, k in lists.items():
    values = spectra.conv_singular_values(k, size).flatten().sort(descending=True).values
    ax.plot(np.linspace(0, 1, len(values)), values, label=name)
    found = spectra.summary(values)
    rows.append([name, *(f"{found[key]:.3f}" for key in ("largest", "mean", "spread"))])
ax.axhline(bound, color=figures.INK, lw=0.6)
ax.set(xlabel="share of values", ylabel="singular value")
ax.legend(fontsize="small")
figures.show(fig, alt="Singular values of a kernel before and after clipping, and merely divided")

# %% tags=["remove-input", "nbval-ignore-output"]
figures.table(rows, ["kernel", "largest", "mean", "spread"], "A random kernel on an 8 x 8 map")

# %% tags=["remove-input"]
assert float(rows[2][2]) > float(rows[3][2])  # clipping keeps more of the mean than dividing

# %% [markdown]
# Clipping lowers the spread by itself, from above. What {ref}`reg-4-2-singular` ascribes to
# adversarial training this does without an attack. And the bound is one of the wrapped layer. As
# applied, with zeros beyond its border, the layer stretches at most as much as the kernel does
# wrapped round a map two pixels larger, which is nearly the same. For the kernel above:

# %%
weights = torch.stack([kernel, clipped])
applied = spectra.conv_spectral_norms(weights, size, padding=1)
print("zero-padded: {:.3f} before, {:.3f} after".format(*applied.tolist()))

# %% [markdown]
# ## Table 6
#
# At scale `cpu` ours are two bounds, SP 1 and SP 3, beside the networks without control of
# {ref}`reg-4-1`.

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
STUDIES = "reg/table3", "reg/table6", "reg/few-images"
skip = scale == "smoke"
parts = {name: [] if skip else runs.load(name, scale, measure, context) for name in STUDIES}
found = [one for name in STUDIES[:2] for one in parts[name]]
ours = [row for row in reg.table(found) if row["model"] != "ResNet-110"]
KEYS = "spectral_norm", "metric"
key = lambda row: tuple(f"{row[k]}".removesuffix(".0") for k in KEYS)  # noqa: E731
TITLES = {"train_acc": "training accuracy", "test_acc": "test accuracy"}
TITLES |= {"delta_acc": "gap of accuracies", "train_loss": "training loss"}
TITLES |= {"test_loss": "test loss", "delta_loss": "gap of losses"}
TITLES |= {"pgd_acc": "conditional PGD accuracy"}

# %% tags=["remove-input", "nbval-ignore-output"]
if skip:
    print("at scale smoke no network is measured here; the table holds the paper's numbers alone")
else:
    print("\n".join(runs.state(name, scale, part) for name, part in parts.items()))

# %% tags=["remove-input", "nbval-ignore-output"]
measured = {key(row): row for row in ours}
lines = []
for row in papers.table("reg_table6"):
    rows, digits = (row, measured.get(key(row), {})), 3 if "loss" in row["metric"] else 2
    cells = [figures.cell(*rows, f"ar{a}", digits=digits) for a in (4, 8, 16)]
    lines.append([key(row)[0], TITLES[row["metric"]], *cells])
figures.table(
    lines,
    ["norm", "", "a = 4", "8", "16"],
    f"Table 6: ResNet-56 on CIFAR-10 (ours ResNet-20), per cent and nats: paper → **ours**, scale "
    f"{scale}",
)

# %% [markdown]
# ## Figure 6
#
# From no control, above, to SP 1, below. **Prediction** of the paper: in the second column the line
# turns from rising to falling on the way down; in the first it falls in every row, from less and
# less high.

# %% tags=["remove-input", "nbval-ignore-output"]
curves = {}
means = claims.means(ours)
for bound in ("uncontrolled", "5", "3", "1"):
    sources = ((papers.table("reg_table6"), "x--", "paper"), (means, "o-", "ours"))
    name = bound if bound == "uncontrolled" else f"SP {bound}"
    curves[name] = [
        ({r["metric"]: r for r in rows if key(r)[0] == bound}, *style) for rows, *style in sources
    ]
alt = "Gaps, losses and accuracies against strength for four bounds: the paper's and ours"
figures.show(figures.strengths(curves, shared=True), alt=alt)

# %% [markdown]
# "Gradually" is more than the table says. Its gap of accuracies, from strength 4 to 16:

# %% tags=["remove-input"]
slopes = {}
for row in papers.table("reg_table6"):
    if row["metric"] == "delta_acc":
        slopes[key(row)[0]] = row["ar16"] - row["ar4"]
for name in ("uncontrolled", "5", "3", "1"):
    print(f"{name:>12}: {slopes[name]:+.2f} points")
assert slopes["uncontrolled"] < slopes["5"] < slopes["3"]
assert slopes["1"] < 0

# %% [markdown]
# The slope *grows* as the norm falls to 3, and turns at 1.
#
# ## Do our layers meet the bound?
#
# The product of the layers' spectral norms is the paper's *spectral complexity* (Definition 7),
# what the control is to control. Clipped at 1, no product is above 1.

# %% tags=["remove-input", "nbval-ignore-output"]
lines = []
for run, record in found:
    if records.result(record) and run.trained.seed == 0 and run.strength in (4, 16):
        layers = record["result"]["layers"]
        cells = [f"{run.bound:g}" if run.bound else "none", run.strength]
        for reading in ("circular", "exact"):
            norms = [one[reading]["largest"] for one in layers.values()]
            cells += [f"{max(norms):.3f}", f"{np.prod(norms):.2g}"]
        lines.append([*cells, figures.beside(None, [record["result"]["lipschitz"]], digits=1)])
lines = lines or [["not measured yet", *[""] * 6]]
columns = ["bound", "strength", "largest, circular", "product", "largest, exact", "product"]
figures.table(lines, [*columns, "local Lipschitz"], f"Spectral norms of ours, scale {scale}")

# %% [markdown]
# A bound of the product is no bound of the network: it has shortcuts, and $x + f(x)$ can stretch by
# $1 + \lVert f\rVert$ ({ref}`reg-1-complexity`). The last column is what the outputs really do near
# test images: change of logits ($\ell_1$) per change of pixels ($\ell_\infty$).
#
# ## Verdicts

# %% tags=["remove-input"]
NAMES = [f"reg/claim-{k}" for k in ("09", 10, 11, 12, 26)]
judged = [claims.judge(name, scale) for name in (*NAMES, "reg/claim-25")]
figures.judgements(judged, scale)

# %% tags=["remove-cell", "nbval-ignore-output"]
for bound, name in (("1", "clipped"), ("3", "loosely"), ("uncontrolled", "free")):
    row = [r for r in means if key(r) == (bound, "train_acc")]
    value = row[0].get("ar4") if row else None
    figures.glue(f"regb {name}", "not measured" if value is None else f"{value:.0f}")

# %% [markdown]
# Claims 09 and 11 speak of four bounds; ours at scale `cpu` are three, SP 1, SP 3 and none. Claim
# 09 is about networks that fit their images without control, for which ten epochs are few; claim 12
# is not. Claim 26 is judged on the schedule: after ten epochs the network of strength 4 and SP 1
# has {glue:text}`regb clipped` % of its training images right, that of SP 3
# {glue:text}`regb loosely` %, the free one {glue:text}`regb free` %. Clipping to 1 slows learning,
# whatever it does in the end; clipping to 3 hardly does.
#
# (reg-b-few)=
# ## With few images
#
# A thousand images, met fifty times, let the free network learn what strength lets it learn by
# heart ({ref}`reg-4-1`). The clipped ones get as long. Epochs are short there, so norms are clipped
# five times as often a step. **Predictions** of the paper: control lowers the gap of losses (claims
# 10 and 11), raises the training loss (12) and costs no accuracy (26).

# %% tags=["remove-input", "nbval-ignore-output"]
few = reg.table([one for one in parts["reg/few-images"] if one[0].trained.train_size == 1000])
cells = {(key(row)[0], row["metric"]): row for row in few}
names = {"none": "uncontrolled", "SP 3": "3", "SP 1": "1"}
nets = [(name, bound, a) for name, bound in names.items() for a in (4, 16)]
nets = [net for net in nets if cells.get((net[1], "test_acc"), {}).get(f"ar{net[2]}")]
lines = []
for metric, title in TITLES.items():
    digits = 2 if "loss" in metric else 1
    rows = [(cells[bound, metric], f"ar{a}") for _, bound, a in nets]
    lines.append([title, *(figures.cell({}, *one, digits=digits) for one in rows)])
columns = ["norm, strength", *(f"{name}, {a}" for name, _, a in nets)]
caption = f"Ours only: 1,000 images of CIFAR-10, per cent and nats, scale {scale}"
figures.table(lines, columns, caption)

# %% tags=["remove-input", "nbval-ignore-output"]
for run, record in parts["reg/few-images"]:
    if run.bound and record and record["status"] == "failed":
        print(f"SP {run.bound:g}, strength {run.strength}: {record['error'].partition(';')[0]}")

# %% tags=["remove-input"]
judged = [claims.judge(name, scale, claims.readings(name)[1]) for name in NAMES]
figures.judgements(judged, scale, readings=True)

# %% tags=["remove-cell", "nbval-ignore-output"]
for (bound, metric), row in cells.items():
    if metric in ("train_acc", "delta_acc"):
        for a in (4, 16):
            value = claims.means([row])[0].get(f"ar{a}")
            words = "not measured" if value is None else f"{value:.0f}"
            figures.glue(f"regb few {bound} {metric} {a}", words)

# %% [markdown]
# At strength 16 SP 3 changes next to nothing: a gap of
# {glue:text}`regb few 3 delta_acc 16` points, without control
# {glue:text}`regb few uncontrolled delta_acc 16`. At strength 4 it leaves the network
# {glue:text}`regb few 3 train_acc 4` % of its training images, of which the free ones know
# {glue:text}`regb few uncontrolled train_acc 4` %. Control or bad luck? One seed cannot tell. Of
# our networks of strength 4 on few images two never left chance, one of them without any control
# ({ref}`reg-4-1`). The verdicts on claims 09, 10 and 26 just above hang on that one training; they
# still wait for networks that are controlled *and* fit their images.
#
# ## What we doubt
#
# - **What the rising gap was.** At SP 1 the network is better on test images at every strength.
#   Then the gap of the uncontrolled networks is over-fitting of the plain kind, which another
#   regulariser removes with profit, and says little about the attack.
# - **Norm or logit scale?** Layers of norm at most 1 cannot make large logits; the losses are lower
#   for that reason, as {ref}`reg-4-2-margins` shows with one constant.
# - **How the paper clipped.** Once per epoch, by the method it cites; how often the two projections
#   were repeated, what was done with strides and with the dense layer, is not said. Between two
#   clippings the norms grow again: a bound after the last epoch is not a bound in training.
# - **One seed each**, in the paper and for clipped networks in ours.
