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
# (reg-1)=
# # Less confident networks: the argument in words
#
# *Wen, Li & Jia, sections 1, 1.1 and 4, appendix B* {cite}`wen-regularization`
#
# Before any theorem the paper tells its story in a page. Adversarial training draws the singular
# values of each layer together. So perturbations of one length leave the layer with one length, so
# the outputs of all images concentrate, so margins do, near zero, so some images end up on the
# wrong side. And it reads its tables: gaps shrink, losses grow, accuracy falls.
#
# Most links are sentences of linear algebra or of arithmetic, which can be checked without training
# anything. Read strictly about half hold. What does not hold is instructive: null spaces, the ReLU,
# and the difference between the variance of a number and of the numbers that it is made of.

# %%
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from astute import figures, papers
from astute.theory import CHECKS, reg

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""

# %% [markdown]
# (reg-1-constant)=
# ## A constant classifier generalises
#
# The generalisation error $\mathrm{GE} = |R - R_m|$ compares risk and training risk. Regularisation
# may bring it to zero by making the classifier bad: "a constant classifier can have zero
# generalization errors". It *can*: if all scores are equal, every margin is 0, every ramp loss 1,
# and GE is 0 for every sample. It *need not*: under the 0-1 loss the constant answer has
# $\mathrm{GE}=|\tfrac km-p|$, as noisy as any fixed classifier's. Prediction for $p=\tfrac13$:
# never 0 unless 3 divides $m$.

# %%
ties = [reg.covering.ramp(0.0, 1.0) for _ in range(4)]
print("ramp loss of equal scores, any label:", ties)
print("P(Y = 1) = 1/3, m = 4:", [f"|{k}/4 - 1/3| = {abs(k / 4 - 1 / 3):.3f}" for k in range(3)])

# %% tags=["remove-input"]
figures.verdict("reg/eq-1-GE", CHECKS["reg/eq-1-GE"]())

# %% [markdown]
# (reg-1-sandwich)=
# ## What singular values bound
#
# "If $x$ is not in the null space of $W$, then $\lVert Wx\rVert\in[\sigma_{\min}\lVert x\rVert,
# \sigma_{\max}\lVert x\rVert]$." Not being *in* the null space is little; the lower end needs $x$
# *orthogonal* to it. $W=(1\;\;0)$ and $x=(\tfrac1{10},1)$, predicted: $0.1$ against $1.005$.

# %%
weight, x = np.array([[1.0, 0.0]]), np.array([0.1, 1.0])
print(f"{np.linalg.norm(weight @ x):.3f} against {np.linalg.norm(x):.3f}")

# %% tags=["remove-input"]
figures.verdict("reg/sec1.1-norm-sandwich", CHECKS["reg/sec1.1-norm-sandwich"]())

# %% [markdown]
# (reg-1-variance)=
# ## Equal singular values
#
# The paper's example: let all singular values be $\sigma_0$. Then $\lVert W\delta\rVert =
# \sigma_0\lVert\delta\rVert$, without variance over $\delta$ of one length. For square and tall
# matrices that is so. A **wide** one, fewer outputs than inputs, has directions of gain 0 that no
# list of $m$ singular values shows. The exact law is {eq}`eq-reg-variance`,
#
# $$
# \operatorname{Var}\lVert W\delta\rVert^2
# = \frac{2c^4}{d+2}\,\operatorname{Var}\bigl(\sigma_1^2,\dots,\sigma_d^2\bigr),
# \qquad \lVert\delta\rVert = c,
# $$
#
# with $d-m$ zeros in the list. For $m$ singular values 1 in $d$ dimensions that makes
# $\tfrac{2}{d+2}\cdot\tfrac md(1-\tfrac md)$: largest for half as many outputs as inputs, zero for
# $m=d$ only. Prediction for $W=(1\;\;0)$: $\tfrac24\cdot\tfrac12\cdot\tfrac12=\tfrac18$.

# %%
print("W = (1 0):", reg.gains.squared_norm_variance([1.0], dimension=2))
print("W = I:", reg.gains.squared_norm_variance([1.0, 1.0], dimension=2))
assert reg.gains.squared_norm_variance([1.0], dimension=2) == 1 / 8

# %% tags=["hide-input", "nbval-ignore-output"]
d, outputs = 64, np.arange(1, 65)
law = [reg.gains.squared_norm_variance(np.ones(m), d) for m in outputs]
few = outputs[7::8]
rng = np.random.default_rng(seed)
delta = rng.normal(size=(20_000, d))
delta /= np.linalg.norm(delta, axis=1, keepdims=True)
drawn = [(delta[:, :m] ** 2).sum(1).var() for m in few]  # any W with m singular values 1
fig, ax = plt.subplots()
ax.plot(outputs, law, label="exact")
ax.plot(few, drawn, "o", ms=4, label="20 000 random $\\delta$")
ax.set(xlabel="outputs $m$ of a layer of 64 inputs", ylabel="Var $\\|W\\delta\\|^2$")
ax.legend()
figures.show(fig, alt="Equal singular values: the variance is an arch over the number of outputs")

# %% tags=["remove-input"]
figures.verdict("reg/sec1.1-variance", CHECKS["reg/sec1.1-variance"]())

# %% [markdown]
# (reg-1-relu)=
# ## And after the ReLU
#
# "The conclusion holds as well for $\mathrm{ReLU}(W\delta)$, proved by applying Cauchy interlacing
# law." It does not. One input, $W=(1)$: $\mathrm{ReLU}(\pm1)$ is 1 and 0. Interlacing bounds the
# singular values of each *pattern* of units; a sphere of perturbations meets many patterns. For
# $W=I$ in $d$ dimensions, $\operatorname{Var}\lVert\mathrm{ReLU}(\delta)\rVert^2 =
# \tfrac{3}{4(d+2)}$.
# (A coordinate squared has fourth moment $\tfrac{3}{d(d+2)}$, and counts half the time.)
#
# What is left is an identity,
# $\lVert\mathrm{ReLU}(z)\rVert^2+\lVert\mathrm{ReLU}(-z)\rVert^2=\lVert z\rVert^2$: the **mean**
# square of the norm is exactly half of what it was before the ReLU. Prediction from the two: means
# all one half, variances $0.25, 0.1875, 0.125, 0.075$ for $d=1,2,4,8$.

# %% tags=["nbval-ignore-output"]
for d in (1, 2, 4, 8):
    delta = rng.normal(size=(50_000, d))
    delta /= np.linalg.norm(delta, axis=1, keepdims=True)
    squares = (np.maximum(delta, 0) ** 2).sum(1)
    print(
        f"d = {d}: mean {squares.mean():.3f}, variance {squares.var():.4f}, law {3 / 4 / (d + 2)}"
    )

# %% tags=["remove-input"]
figures.verdict("reg/sec1.1-relu", CHECKS["reg/sec1.1-relu"]())

# %% [markdown]
# (reg-1-scores)=
# ## From outputs to margins
#
# Three sentences about scores. A classifier takes "the coordinate with the largest magnitude", and
# the formula behind it says the largest *value*. The margin depends on scores piecewise linearly,
# "thus the variance of margins is also in a piece-wise linear relationship with the variance of the
# scores". And cross entropy "maps one-to-one to estimated probability, but not to margin".
#
# The middle one is the link from concentrated outputs to concentrated margins. Scores $(Z, Z)$ and
# $(Z,-Z)$ have the same variances and margins $0$ and $2Z$: margin variance is no function of score
# variances. What holds is an upper bound, $\operatorname{Var}\mathcal M\le2\sum_i\operatorname{Var}
# s_i$, which is all that the story needs in its forward direction.

# %%
z = np.array([1.0, -1.0])
for scores in (np.array([z, z]), np.array([z, -z])):
    print("score variances", scores.var(axis=1), " margin variance", (scores[0] - scores[1]).var())

# %% tags=["hide-input", "nbval-ignore-output"]
fig, ax = plt.subplots()
margin = rng.uniform(-4, 4, size=3000)
second = rng.exponential(2.0, size=3000)  # how far the third score is below the second
loss = np.log(1 + np.exp(-margin) * (1 + np.exp(-second)))
ax.plot(margin, loss, ".", ms=2, label="three classes")
u = np.linspace(-4, 4, 200)
ax.plot(u, np.log1p(np.exp(-u)), label="two classes, lower limit")
ax.plot(u, np.log1p(2 * np.exp(-u)), "--", label="upper limit for three")
ax.set(xlabel="margin", ylabel="cross entropy, nats")
ax.legend()
figures.show(fig, alt="For three classes the loss fills a band over the margin, for two a curve")

# %% tags=["remove-input"]
display(figures.verdict("reg/sec1.1-argmax-magnitude", CHECKS["reg/sec1.1-argmax-magnitude"]()))
display(figures.verdict("reg/sec1.1-margin-variance", CHECKS["reg/sec1.1-margin-variance"]()))
display(figures.verdict("reg/sec4.2.1-loss-vs-margin", CHECKS["reg/sec4.2.1-loss-vs-margin"]()))

# %% [markdown]
# (reg-1-complexity)=
# ## Spectral complexity
#
# Definition 7 multiplies the layers' largest singular values. For a chain of layers with ReLU that
# bounds how far the output can move. The networks of the experiments are *residual*: $x +
# \mathrm{ReLU}(x)$ has the spectral complexity 1 of its one matrix, and stretches by 2. Maxima over
# **overlapping** windows break the bound too, since one number can win twice.

# %%
x = np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]])
overlapping = np.maximum(x[:, :-1], x[:, 1:])
print(f"overlapping maxima: {np.linalg.norm(overlapping[1] - overlapping[0]):.3f}")
print("skip connection:", (2 + max(2, 0)) - (1 + max(1, 0)))

# %% tags=["remove-input"]
figures.verdict("reg/def-7-spectral-complexity", CHECKS["reg/def-7-spectral-complexity"]())

# %% [markdown]
# (reg-1-convolutions)=
# ## The singular values of a convolution
#
# Computed by Fourier transform {cite}`sedghi-singular` they are exact for the layer that wraps
# round its borders and has stride 1. The trained layers pad with zeros, and some have stride 2.
# Prediction for the taps $(0,0,1)$, a shift by one pixel, on three pixels: wrapped round nothing is
# lost, $1, 1, 1$; with a zero beyond the border one pixel is, $1, 1, 0$.

# %%
shift = np.array([[[[0.0, 0.0, 1.0]]]])
print("wrapped:", reg.layers.singular(reg.layers.torus_matrix(shift, 1, 3)).round(6))
print("zeros:  ", reg.layers.singular(reg.layers.padded_matrix(shift, (1, 3))).round(6))

# %% tags=["hide-input", "nbval-ignore-output"]
kernel = rng.normal(size=(2, 2, 3, 3))
fig, axes = plt.subplots(1, 2, figsize=(7.5, 2.8), sharey=True)
for ax, n in zip(axes, (4, 10), strict=True):
    wrapped = reg.layers.singular(reg.layers.torus_matrix(kernel, n, n))
    longer = reg.layers.singular(reg.layers.torus_matrix(kernel, n + 1, n + 1))
    zeros = reg.layers.singular(reg.layers.padded_matrix(kernel, (n, n)))
    for values, label in ((wrapped, "wrapped"), (zeros, "zeros"), (longer, "wrapped, one longer")):
        ax.plot(np.linspace(0, 1, len(values)), values, label=label)
    ax.set(title=f"{n} x {n} pixels", xlabel="share of values")
axes[0].set(ylabel="singular value")
axes[1].legend()
figures.show(fig, alt="Sorted singular values: padding matters on small maps, less on large ones")

# %% tags=["remove-input"]
display(figures.verdict("reg/fact-sedghi", CHECKS["reg/fact-sedghi"]()))
display(figures.verdict("reg/sedghi-scope", CHECKS["reg/sedghi-scope"]()))

# %% [markdown]
# (reg-1-tables)=
# ## What the tables say of themselves
#
# Seven sentences of the paper are about its own tables. They need no run of ours; the tables
# decide.

# %%
found = reg.tables.blocks(2, 3, 4, 5, 6)
print(len(found), "blocks")
for what in ("delta_loss", "train_loss", "test_loss", "test_acc", "pgd_acc"):
    rows = [b[what] for b in found.values() if what in b]
    up, down = (sum(map(way, rows)) for way in (reg.tables.rising, reg.tables.falling))
    print(f"{what}: rises at each step in {up}, falls in {down} of {len(rows)}")

# %% tags=["hide-input", "nbval-ignore-output"]
fig, ax = plt.subplots()
for (number, block), b in found.items():
    if number == 6:
        change = [float(v - b["delta_acc"][0]) for v in b["delta_acc"]]
        ax.plot([4, 8, 16], change, marker="o", label=f"spectral norm {block}")
ax.axhline(0, color=figures.INK, lw=0.6)
ax.set(xlabel="strength, of 255", ylabel="change of the error gap, per cent", xticks=[4, 8, 16])
ax.legend()
figures.show(fig, alt="Table 6: the error gap rises at norms 3, 5 and without control, falls at 1")

# %% [markdown]
# The error gap "gradually changes from an increasing trend to a decreasing trend" with less
# capacity. It changes sign, but its slope first *grows* while the norm falls, and then flips at 1.
#
# The sums of appendix B.2 are a small detective story. Sum over mean is the number of layers. In
# the last row that is 3.96: the sum repeats the value of CIFAR-10. If the mean is the right one of
# the two numbers, "a magnitude larger" becomes "twice".

# %%
for row in papers.table("reg_b2_prose"):
    quotient = row["sum_std_difference"] / row["mean_std_difference"]
    print(f"{row['dataset']:9s} {row['group']:14s} {quotient:6.2f} layers")

# %% tags=["remove-input"]
display(figures.verdict("reg/tables-arithmetic", CHECKS["reg/tables-arithmetic"]()))
display(figures.verdict("reg/tables-ge-gap", CHECKS["reg/tables-ge-gap"]()))
display(figures.verdict("reg/text-test-loss", CHECKS["reg/text-test-loss"]()))
display(figures.verdict("reg/text-error-gap", CHECKS["reg/text-error-gap"]()))
display(figures.verdict("reg/text-adv-accuracy", CHECKS["reg/text-adv-accuracy"]()))
display(figures.verdict("reg/text-b2-sums", CHECKS["reg/text-b2-sums"]()))
display(figures.verdict("reg/table-1-smoothing", CHECKS["reg/table-1-smoothing"]()))

# %% [markdown]
# ## Beside the paper
#
# The paper's numbers on this page are those of its tables, read as printed; none is ours. What
# singular values and margins of *our* networks do is on the {ref}`next page <reg-3>` for MNIST, on
# {ref}`reg-4-1` and the pages after it for CIFAR; what the bound is worth is in {ref}`reg-c`.
#
# ## What we doubt
#
# - Whether "roughly determines" wants to be read as an equation. We have given the exact one; the
#   reader may judge how rough is too rough.
# - How the paper computed its singular values. It names the method for the spectral norm only.
# - 65.92, the one number that breaks "adversarial accuracy increases"; 55.92 would fit.
