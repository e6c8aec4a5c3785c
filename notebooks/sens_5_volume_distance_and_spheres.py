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
# (sens-5-theory)=
# # Volume, distance and spheres
#
# *Ding et al., sections 5.1 and 5.2, appendix D: the mathematics* {cite}`ding-sensitivity`
#
# Why should moving pixels towards black and white make networks robust? The paper tries three
# explanations. The attacker has less **volume** to move in. The classes are further apart. And a
# smaller gap needs a more complex boundary, which is put as a theorem: a polytope close to a ball
# has exponentially many **facets**.
#
# This page checks the formulas and theorems behind the three; what was measured stands on other
# pages. The volumes are right up to two misprints. The conclusion that leaving the box changes
# nothing is contradicted by the table it is drawn from. The theorem holds (with $4^n$ for a printed
# $4n$), but it is about polytopes, and a network needs far fewer units than a polytope needs
# facets.

# %%
from fractions import Fraction as F
from math import log2

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display

from astute import figures, papers, volume
from astute.theory import CHECKS, sens

figures.use()
geometry = sens.geometry


# %%
def box(*names):
    """Run checks and show what they found."""
    for name in names:
        display(figures.verdict(name, CHECKS[name]()))


# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""

# %% [markdown]
# (sens-5-volume)=
# ## Perturbable volume
#
# How much of the ball of radius $\epsilon$ around an image lies in the pixel box?
#
# ```{math}
# :label: eq-sens-volume
# \mathrm{Vol}(x,\epsilon) = \prod_{i=1}^d
# \bigl(\min\{x_i+\epsilon, 1\}-\max\{x_i-\epsilon, 0\}\bigr)
# ```
#
# The formula is right. The set whose volume it is, printed as $[\max\{x_i-\epsilon,0\},
# \min\{x_i+\epsilon,1\}]^d$, is a product of different intervals, not a power of one. By hand, two
# pixels, $\epsilon=\frac14$: a black one offers $\frac14$, a grey one $\frac12$.

# %%
print("exactly:", geometry.exact_volume([F(0), F(1, 2)], F(1, 4)))
bits = volume.log2_volume(torch.tensor([[[[0.0, 0.5]]]]), 0.25).item()
print(f"library: {bits:g} bits")

# %%
box("sens/volume-formula")

# %% [markdown]
# On a corner every side is $\epsilon$, well inside $2\epsilon$: a ratio of $2^d$, as long as there
# is an inside, that is for $\epsilon\le\frac12$. Prediction for table 6, whose decimals are cut
# off: $784\log_2 0.3$ and $784 \log_2 0.6$ for MNIST, $3072\log_2\frac8{255}$ and
# $3072\log_2\frac{16}{255}$ for CIFAR-10.

# %%
rows = {row["dataset"]: row for row in papers.table("sens_table6")}
for name, pixels in (("MNIST", 784), ("CIFAR10", 3072)):
    row = rows[name]
    ends = [pixels * log2(side) for side in (row["eps"], 2 * row["eps"])]
    print(
        f"{name}: {ends[0]:.1f} to {ends[1]:.1f} bits, "
        f"printed {row['valid_low']:g} to {row['valid_high']:g}"
    )
    assert [int(end) for end in ends] == [row["valid_low"], row["valid_high"]]

# %% [markdown]
# The text turns the volumes of original and fully saturated CIFAR-10 into a factor
# "$2^{2990}=2^{(-12352-(-15342))}$". The subtraction is right and one number in it is not.

# %%
box("sens/volume-extremes", "sens/text-2990")

# %% [markdown]
# (sens-5-domain)=
# ## What the box is worth
#
# If volume mattered, an attacker who may leave the box should do much better. Table 7 compares, and
# the text reads it: "allowing PGD to perturb out of bound do not reduce accuracy under attack. This
# means that PGD is not able to use the significantly larger additional volumes even for binarized
# MNIST". Each row is 10,000 test images (MNIST and CIFAR-10 alike), so exact intervals can be
# drawn.

# %% tags=["hide-input", "nbval-ignore-output"]
table = papers.table("sens_table7")
fall = [row["robust_acc_with_bound"] - row["robust_acc_without_bound"] for row in table]
labels = [f"{row['dataset']} {row['variant']}" for row in table]
flagged = [
    sens.variants.apart(row["robust_acc_with_bound"], row["robust_acc_without_bound"])
    for row in table
]
fig, ax = plt.subplots(figsize=(6, 3.6))
ax.barh(labels, fall, color=["#d55e00" if f else "#0072b2" for f in flagged])
ax.axvline(0, color="0.6", lw=1)
ax.invert_yaxis()
ax.set(xlabel="robust accuracy lost when the attack may leave the box, points")
figures.show(fig, alt="Binarised MNIST loses two points, all other rows less than a third of one")

# %%
print("intervals disjoint:", *(name for name, f in zip(labels, flagged, strict=True) if f))

# %%
box("sens/text-table7")

# %% [markdown]
# The one row that falls is the one that the sentence names, and the one where every pixel is on a
# corner, so where the box is worth most. The conclusion drawn from the table ("the perturbable
# volume hypothesis is rejected") stands for the other rows. For binarised MNIST it does not.

# %% [markdown]
# (sens-5-distance)=
# ## Inter-class distance
#
# The paper measures how far apart classes are by averages: a class is as far away as the nearest
# tenth of its images, an image as the nearest tenth of the others. That is well defined, and scales
# with the data; it approximates no margin, though. Two classes that touch in one pair of points
# have margin 0, and here distance $\frac12$ of what separates the others:

# %%
line = np.r_[np.zeros(20), np.ones(19), 0.0][:, None]
print(geometry.interclass_by_definition(line, np.arange(40) // 20))

# %%
box("sens/interclass-distance")

# %% [markdown]
# Scaling, $\tilde x = \alpha(x-\frac12)+\frac12$, is used to give original and binarised MNIST the
# distances of smoothed MNIST. All distances are multiplied by $\alpha$. So the three rows of table
# 1 must imply the same distance of the unscaled set: a test of the printed numbers that needs no
# data.

# %%
for row in papers.table("sens_table1"):
    goal = row["inter_class_distance"]
    implied = goal / row["scale_original"], goal / row["scale_binarized"]
    print(f"target {goal}: original {implied[0]:.2f}, binarised {implied[1]:.2f}")

# %%
box("sens/scaling")

# %% [markdown]
# Distances are Euclidean "because the $\ell_\infty$-distance between data examples is [...] always
# very close to 1". For MNIST it nearly is. For CIFAR-10 it is not, and for the scaled sets of the
# paper's own table 1 it cannot be.

# %%
box("sens/linf-distances-near-1")

# %% [markdown]
# (sens-5-spheres)=
# ## Two spheres
#
# Data on two concentric spheres, one class each. "The effect of adversarial training is to push two
# spheres close to each other, and requires the network to perfectly separate the new spheres with
# much smaller inter-class."
#
# ```{prf:proposition} What robustness on two spheres means
# :label: prop-sens-spheres
# Let the radii be $r_1<r_2$ and the attack Euclidean with radius $\epsilon$, $2\epsilon<r_2-r_1$. A
# classifier is robust on both spheres if and only if it is right on the open *shells*
# $r_1-\epsilon<\lVert x\rVert<r_1+\epsilon$ and $r_2-\epsilon<\lVert x\rVert<r_2+\epsilon$.
# ```
#
# So the gap shrinks by $2\epsilon$, as the picture has it, but it is shells that have to be
# separated and not pushed spheres: a classifier may be right on the spheres of radius
# $r_1+\epsilon$ and $r_2-\epsilon$ and wrong on the data. If its inner region is star-shaped about
# 0, like a polytope, it may not, and the picture is exact.
#
# For an $\ell_\infty$ attack the picture changes. Along the diagonal $(1,\dots,1)$ a step of
# $\epsilon$ in every pixel is $\epsilon\sqrt n$ long: the spheres are only $(r_2-r_1)/\sqrt n$
# apart.

# %%
box("sens/two-spheres")

# %% [markdown]
# For linear classifiers, the paper adds, adversarial training "is equivalent to maximizing the
# classification margins". With a radius for each image it is not: once the margin exceeds
# $\epsilon$ the hinge loss can be 0 and training stops. Two points, $-1$ and $1$,
# $\epsilon=\frac12$, and the classifier $4x+1$:

# %%
for x in (-1, 1):
    worst = x * (4 * x + 1) - 4 * F(1, 2)
    print(f"x = {x:>2}: least score under attack {worst}, hinge loss {max(0, 1 - worst)}")
print("boundary at -1/4: margin", min(abs(F(-1, 4) - x) for x in (-1, 1)), "where 1 is possible")

# %%
box("sens/xu-linear")

# %% [markdown]
# (sens-5-facets)=
# ## Facets
#
# ```{prf:theorem} Theorem D.1 of the paper, as printed
# :label: thm-sens-d1
# Let $d(K,L)$ be the least $d$ with $\tilde L\subset K\subset d\tilde L$ for a linear image
# $\tilde L$ of $L$. A symmetric polytope $K\subset\mathbb R^n$ with $d(K,B_2^n)=d$ has at least
# $e^{n/(2d^2)}$ facets. On the other hand, for each $n$ there is a polytope with $4n$ facets whose
# distance from the ball is at most 2.
# ```
#
# Why the first half. Let $B\subset K\subset dB$. A facet is a hyperplane outside the unit ball, and
# within $dB$ it can close only the directions $u$ with $\langle u,v\rangle\ge\frac1d$: a cap of
# height $\frac1d$. All directions have to be closed, and a cap is a small part of the sphere,
# $e^{-n/(2d^2)}$ at most. (That fact about caps needs a height of 0 or more.)

# %% tags=["nbval-ignore-output"]
n = np.arange(2, 60)
fig, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.3))
height = np.linspace(0, 0.95, 96)
for k in (3, 10, 100):
    left.plot(height, [geometry.cap(k, h) for h in height], label=f"n = {k}")
    left.plot(height, np.exp(-k * height**2 / 2), ":", color=left.lines[-1].get_color())
left.set(yscale="log", ylim=(1e-12, 2), xlabel="height h", title="share of a cap; dotted: bound")
left.legend()
right.semilogy(n, np.exp(n / 8), label="$e^{n/8}$, needed")
right.semilogy(n, [1 / geometry.cap(k, 0.5) for k in n], label="by exact caps, needed")
right.semilogy(n, 4 * n, "--", label="$4n$")
right.semilogy(n, 3.0**n, "--", label="$3^n$, enough")
right.set(xlabel="dimension n", title="facets at distance 2", ylim=(1, 1e12))
right.legend()
figures.show(fig, alt="Caps below their bound; 4n facets fall below what is needed at n = 19")

# %%
box("sens/fact-cap", "sens/thm-D.1-lower")

# %% [markdown]
# The second half contradicts the first as it stands: at distance 2, $n=41$ needs $e^{41/8}>164=4n$.
# In the source it is $4^n$, and an exponent was lost. Even $3^n$ suffice: take unit normals at
# least 1 apart until no more fit. The balls of radius $\frac12$ around them are disjoint and lie in
# the ball of radius $\frac32$, so there are at most $3^n$; and every direction has a normal within
# distance 1, that is at an angle with cosine $\frac12$ at least. Built for small $n$, by cutting a
# polytope at its furthest corner until none is further out than 2:

# %%
for n in range(2, 7):
    normals = geometry.polytope(n, seed=seed)
    corner = np.linalg.norm(geometry.vertices(normals), axis=1).max()
    print(f"n = {n}: corners at most 2: {corner <= 2 + 1e-9}, at most 3^n: {len(normals) <= 3**n}")
    assert corner <= 2 + 1e-9

# %%
box("sens/thm-D.1-upper")

# %% [markdown]
# (sens-5-capacity)=
# ## Facets and capacity
#
# What has it to do with networks? "One way to measure the capacity of a ReLU network is by counting
# the number of its induced piece-wise linear region, which is closely related to the number of
# facets of its decision boundary." Half of that is so. Inside a linear region the boundary is a
# piece of one hyperplane, so there are no more facets than regions. But a network may have many
# regions and no boundary at all, and it may have exponentially many facets from few units:
# $|x_1|+\dots+|x_n|$ takes $2n$ ReLUs, and $\sum|x_i|=1$ has $2^n$ facets.
#
# So the theorem does not bound networks. Take two spheres of radius 1 and 1.3 in 500 dimensions,
# and $\epsilon=0.05$. A polytope between the shells has distance at most $1.25/1.05$ from the ball,
# and needs $e^{176}$ facets. A network can do what a polytope does not: add up squares. One layer
# of ReLUs interpolates $t^2$ at multiples of $s$ with an error of at most $\frac{s^2}4$; so
# $\sum_i\phi(x_i)$ is within $\frac{n s^2}4$ of $\lVert x\rVert^2$. Prediction: $s=0.06$ is fine
# enough, since $500\cdot0.06^2/4=0.45$ is less than $1.25^2-1.05^2=0.46$.

# %%
n, step = 500, 0.06
rng = np.random.default_rng(seed)
sides = []
for radius in (0.95, 1.05, 1.25, 1.35):
    x = rng.normal(size=(400, n))
    x *= radius / np.linalg.norm(x, axis=1, keepdims=True)
    sides.append(geometry.square_by_relu(x, step).sum(1))
    print(f"radius {radius}: network says {'inner' if sides[-1].max() < 1.5625 else 'outer'}")
assert max(s.max() for s in sides[:2]) < 1.5625 <= min(s.min() for s in sides[2:])

# %% [markdown]
# Random points are an illustration; the inequality is the proof. That is 500 times 44 ReLUs, 22,000
# in all, and $10^{76}$ facets.

# %%
box("sens/capacity-facets")

# %% [markdown]
# ## Beside the paper
#
# Table 6's limits are met to the digit. Of table 7's twelve rows eleven say what the text says. The
# exponent 2990 should be 2988, and $4n$ should be $4^n$.
#
# **What we doubt.** That the intuition of the last section, a smaller gap needs a larger network,
# is wrong: only that Theorem D.1 supports it. Depth and width bring facets cheaply; whether
# *training* finds them is a question for experiments, and the paper's own, with networks of
# different width, is the better argument.
