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
# (sens-2-1)=
# # Bayes error and robust error
#
# *Ding et al., section 2.1* {cite}`ding-sensitivity`
#
# Move the images about in a way that can be undone, and the best possible accuracy stays what it
# was: undo it, then classify. The best possible **robust** accuracy need not stay, because an
# attacker measures distances in the new place. The paper makes the point with one task, two equal
# halves of a cube, cut in two ways: straight across, where an attack of radius $\epsilon$ reaches a
# share $2\epsilon$ of the images, and along the diagonal, where it reaches nearly all of them.
#
# All of this can be computed exactly, so this page does. The proposition holds, and holds in more
# cases than the paper says. Two sentences around it do not: which "Bayes classifier" is meant
# matters, and the map from the one cut to the other has to be chosen with care.

# %%
from fractions import Fraction as F

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display

from astute import claims, figures, transforms
from astute.theory import CHECKS, sens

figures.use()


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
# (sens-2-1-definitions)=
# ## Two errors
#
# ```{prf:definition} Bayes error and robust error, as printed
# :label: def-sens-errors
# With a loss $L$ and all measurable functions $\mathcal H$,
#
# $$
# R^* = \inf_{h\in\mathcal H}\ \mathbb E\, L(y; h(x)), \qquad
# RR(h) = \mathbb E \max_{\lVert\delta\rVert_\infty<\epsilon} L(y; h(x+\delta)), \qquad
# RR^* = RR(h^*),
# $$
#
# where $h^*$ is the Bayes classifier, which has $R^*$. Later, in section 5.3, $RR^*$ is called the
# *adversarial Bayes error*.
# ```
#
# The first is sound. For 0–1 loss the likeliest label at each point is best, and the infimum is
# attained.

# %%
box("sens/def-bayes-error")

# %% [markdown]
# The second has two leaks. Take $x$ uniform on $[0,1]$ with label $\mathbf 1[x>\tfrac12]$. The
# Bayes classifier errs nowhere, and so does **any classifier that equals it but for a few points**:
# a point has no mass. An attacker does not care about mass. Let four points, $0.1, 0.3, 0.7, 0.9$,
# answer wrongly. Prediction: the clean error stays 0; with $\epsilon=0.1$ the robust error goes
# from $0.2$ to 1, since no $x$ is further than $0.1$ from a wrong answer.

# %%
half, eps = F(1, 2), F(1, 10)
halves = {0: [(F(0), half)], 1: [(half, F(1))]}
dots = [(F(k, 10), F(k, 10)) for k in (1, 3, 7, 9)]
speckled = {0: halves[0] + dots[2:], 1: halves[1] + dots[:2]}
for name, rule in (("1[x > ½]", halves), ("with four points flipped", speckled)):
    clean, robust = (sens.exact.robust_error(halves, rule, e) for e in (F(0), eps))
    print(f"{name:<25} clean error {clean}, robust error {robust}")

# %% [markdown]
# And being best without an attacker is not being best with one. A stripe of class 1 in a sea of
# class 0, as wide as $\epsilon$, is classified rightly by $h^*$, and every point of it and much
# around it can be attacked. A classifier that gives the stripe up loses the stripe and nothing
# else.

# %% tags=["nbval-ignore-output"]
stripe = {0: [(F(0), F(2, 5)), (F(3, 5), F(1))], 1: [(F(2, 5), F(3, 5))]}
never = {0: [(F(0), F(1))], 1: []}
radii = [F(k, 100) for k in range(61)]
fig, ax = plt.subplots()
for label, rule in (("Bayes classifier", stripe), ("always 0", never)):
    ax.plot(radii, [sens.exact.robust_error(stripe, rule, e) for e in radii], label=label)
ax.set(xlabel="radius $\\epsilon$", ylabel="robust error", title="label 1 on (0.4, 0.6)")
ax.legend()
figures.show(fig, alt="The constant classifier has less robust error from radius 0.05 on")

# %%
box("sens/def-robust-bayes")

# %% [markdown]
# So three numbers have to be told apart, $R^* \le \inf_h RR(h) \le RR(h^*)$, and both gaps can be
# wide. When the paper asks whether adversarial training has reached "the adversarial Bayes error
# $RR^*$", it can only mean the middle one. The right one, a trained network may well undercut.

# %% [markdown]
# (sens-2-1-invariance)=
# ## What a map can change
#
# If $T$ is one-to-one, $h\circ T^{-1}$ is to the moved data what $h$ was to the old: the same
# errors, classifier by classifier, so the same $R^*$. (On the cube a measurable one-to-one map has
# a measurable inverse; that is a theorem, and the paper needs it.)
#
# $RR^*$ does change, and the paper's own **saturation** is the neatest example. Level $p$ sends $v$
# to where $|2v-1|$ becomes $|2v-1|^{2/p}$. Within $\epsilon$ of $\tfrac12$ lands what had
# $|2v-1| < (2\epsilon)^{p/2}$. Prediction: on the two halves of $[0,1]$ the robust error is
# $(2\epsilon)^{p/2}$, so with $\epsilon = 0.18$ it is $0.6$, $0.36$ and $0.1296$ at levels 1, 2, 4.

# %%
v = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
for p in (1, 2, 4):
    moved = transforms.Saturate(level=p)(v)
    attacked = ((moved - 0.5).abs() < 0.18).double().mean().item()
    predicted = sens.bayes.saturated_error(p, 0.18)
    print(f"level {p}: attacked {attacked:.4f}, predicted {predicted:.4f}")

# %%
box("sens/bayes-invariance", "sens/robust-not-invariant")

# %% [markdown]
# (sens-2-1-example)=
# ## A cut straight across
#
# ```{prf:example} Example 1 of the paper, as printed
# :label: ex-sens-1
# Let $x$ be uniform on $[0,1]^d$, $y=1$ where $x_1>\tfrac12$, else 0. The decision boundary is
# $\{x_1 = 0\}$, and $R^*=0$, $RR^*=2\epsilon$.
# ```
#
# The strip within $\epsilon$ of the boundary is attacked, whatever the dimension. The boundary is
# at $\tfrac12$, of course, and from $\epsilon=\tfrac12$ on the strip is the cube.

# %%
box("sens/ex-1")

# %% [markdown]
# (sens-2-1-sum)=
# ## A cut along the diagonal
#
# ```{prf:theorem} Proposition 2.1 of the paper, as printed
# :label: prop-sens-2-1
# Let $x$ be uniform on $[0,1]^d$ and $y=1$ where $x^\top\mathbf 1>\tfrac d2$, else 0. Then for
# 0–1 loss
#
# $$ RR^* \;\ge\; 1-\frac{1}{4d\epsilon^2}. $$
# ```
#
# Why one would believe it. The sum $S$ of $d$ uniform numbers is within a few $\sqrt{d/12}$ of
# $\tfrac d2$. An attacker who moves *every* pixel by $\epsilon$ moves the sum by $d\epsilon$, which
# for large $d$ is far more. Attacked is who has $|S-\tfrac d2| < d\epsilon$, and Chebyshev's
# inequality with the variance $\tfrac d{12}$ gives
#
# ```{math}
# :label: eq-sens-sharper
# 1 - RR^* = \mathbb P\bigl(|S-\tfrac d2|\ge d\epsilon\bigr) \le \frac{d/12}{d^2\epsilon^2}
# = \frac{1}{12\,d\,\epsilon^2},
# ```
#
# three times better than printed: the paper's proof takes the variance of a pixel to be
# $\tfrac14$, the largest that numbers in $[0,1]$ can have ({ref}`sens-a-prop`).
#
# $S$ follows the Irwin–Hall law, whose distribution function is a polynomial with rational
# coefficients, so every probability is a fraction. Nothing here is sampled.

# %%
for d in (1, 2, 3, 10, 30):
    exact = sens.exact.attacked(d, F(1, 10))
    shown = f"{exact}" if d < 10 else f"{float(exact):.4f}"
    print(f"d = {d:<3} robust error at ε = 0.1: {shown}")

# %% [markdown]
# Two questions that the paper leaves aside. **Which Bayes classifier?** Here it does not matter:
# from an attacked $x$ a whole open set of points of the other label is within reach, and a
# classifier can be wrong about none of them but a null set. **May the attacker leave the cube?**
# Images have pixels in $[0,1]$. A pixel at $0.05$ can't be lowered by $0.1$, so the attack inside
# the cube is weaker. Given that $k$ pixels exceed $\epsilon$, what is left of the sum is
# $(1-\epsilon)$ times an Irwin–Hall number, and this too is a fraction. Cantelli's inequality gives
#
# ```{math}
# :label: eq-sens-box
# 1 - RR^*_{\text{inside}} \;\le\;
# \frac{(1-\epsilon)^3(1+3\epsilon)}{6\,(1-\epsilon/2)^2}\cdot\frac1{d\epsilon^2}
# \;<\; \frac{1}{4d\epsilon^2},
# ```
#
# so the printed bound holds here as well: the slip in the variance is the slack that pays for it.

# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.2), sharey=True)
grid = [F(k, 200) for k in range(1, 81)]
for ax, d in zip(axes, (3, 30), strict=True):
    ax.plot(grid, [sens.exact.attacked(d, e) for e in grid], label="exact")
    ax.plot(grid, [sens.exact.attacked_inside(d, e) for e in grid], "--", label="inside the cube")
    for c, style in ((12, ":"), (4, "-.")):
        ax.plot(grid, [1 - 1 / (c * d * e**2) for e in grid], style, label=f"$1-1/({c}dε^2)$")
    ax.plot(grid, [min(2 * e, 1) for e in grid], color="0.6", lw=1, label="cut across, $2ε$")
    ax.set(title=f"d = {d}", xlabel="radius $\\epsilon$", ylim=(0, 1.02))
axes[0].set(ylabel="robust error")
axes[1].legend(fontsize="small")
figures.show(fig, alt="Exact robust error above both bounds, in 3 and in 30 dimensions")

# %%
box("sens/prop-2.1", "sens/remark-2.1")

# %% [markdown]
# (sens-2-1-map)=
# ## From the one cut to the other
#
# Now the example's second half: "consider an injective map $T$ which maps $\{x_1>\tfrac12\}$ to
# $\{x^\top\mathbf 1>\tfrac d2\}$" and the rest to the rest. $R^*$ stays 0, "in contrast, the robust
# error is much worse. As shown in Proposition 2.1, $RR^*\ge 1-\frac1{4d\epsilon^2}$."
#
# But Proposition 2.1 is about *uniform* data, and a map that is only one-to-one can put the data
# anywhere. Shrink the one half into the corner at 0 and the other into the corner at 1:
#
# $$ T(x) = \tfrac14 x \ \text{ where } x_1\le\tfrac12, \qquad
#    T(x) = \tfrac34 + \tfrac14 x \ \text{ elsewhere.} $$
#
# One-to-one, and the halves go where they should. **Prediction**: sums end at most at $\tfrac d4$
# or above $\tfrac{3d}4$; an attack with $\epsilon\le\tfrac14$ moves them by less than $\tfrac d4$,
# and none succeeds. The map has made the task *easier*. (To be onto as well would not help the
# claim: a bijection can spend nearly all mass in the two corners.)

# %%
rng = np.random.default_rng(seed)
x = rng.random((20_000, 5))
first = x[:, :1] > 0.5
shrunk = x / 4 + 0.75 * first
gap = np.abs(shrunk.sum(1) - 2.5).min()
kept = ((shrunk.sum(1) > 2.5) == first[:, 0]).all()
print(f"right side of d/2: {kept}; nearest sum at least d/4 away: {gap >= 5 / 4}")
print(f"so RR = 0 for ε = 1/4, where the bound is {1 - 1 / (4 * 5 / 16):.1f}")
assert kept
assert gap >= 5 / 4

# %% [markdown]
# The repair: $T$ must keep the uniform law. "Such map can be easily constructed", says footnote 2.
# Here is one. Let $x_1$ choose the *sum*, as its quantile; so $x_1>\tfrac12$ exactly where the sum
# exceeds $\tfrac d2$. Let $x_2, x_3, \dots$ choose the coordinates one by one, as quantiles given
# the sum that is left. In two dimensions it fits on a line: for $x_1\le\tfrac12$
#
# $$ s = \sqrt{2x_1}, \qquad T(x) = \bigl((1-x_2)\,s,\; x_2\,s\bigr),
#    \qquad \det T' = (1-x_2) + x_2 = 1. $$

# %% tags=["nbval-ignore-output"]
flat = rng.random((1200, 2))
bent = sens.bayes.to_sum(flat)
fig, axes = plt.subplots(1, 2, figsize=(7, 3.4), sharex=True, sharey=True)
for ax, points, title in zip(axes, (flat, bent), ("x", "T(x)"), strict=True):
    for side in (0, 1):
        here = points[(flat[:, 0] > 0.5) == side]
        ax.plot(*here.T, ".", ms=2, label=f"label {side}")
    ax.set(title=title, xlabel="first pixel", aspect="equal")
axes[0].set(ylabel="second pixel")
figures.show(fig, alt="Two halves of the square, cut across and, after the map, along the diagonal")

# %%
box("sens/ex-1-map")

# %% [markdown]
# Both halves of the example as a claim, counted on random points that are really attacked, the
# second under the map that keeps the law:

# %% tags=["remove-input"]
figures.judgements([claims.judge("sens/claim-40", scale)], scale)

# %% [markdown]
# ## What stays
#
# - The point of the section: a map that leaves the best accuracy alone can take the robust error
#   from $2\epsilon$ to nearly 1. It can as well take it to 0. Saturation, at levels above 2, does
#   the latter on this very example.
# - The bound, in a sharper form {eq}`eq-sens-sharper`, for every Bayes classifier and for attacks
#   that respect the pixel box.
# - Not that $RR^*$ measures what robust training can reach.

# %% tags=["remove-input"]
wide = sens.exact.attacked_by_fourier(3072, 0.01)
bounds = [1 - 1 / (c * 3072 * 0.01**2) for c in (4, 12)]
assert bounds[0] < bounds[1] < wide
figures.glue("sens21 wide", f"{wide:.3f}")
figures.glue("sens21 printed", f"{bounds[0]:.3f}")
figures.glue("sens21 sharper", f"{bounds[1]:.3f}")

# %% [markdown]
# As numbers, for images of $3\times32\times32$ pixels and $\epsilon=0.01$, a third of the usual
# 8/255: the printed bound is {glue:text}`sens21 printed`, the sharper one
# {glue:text}`sens21 sharper`, the robust error itself {glue:text}`sens21 wide`.
#
# **What we doubt.** That either cut resembles a task on images. The diagonal cut is a sum of all
# pixels, the overall brightness, which is what an $\ell_\infty$ attack moves most easily; no
# classifier has to use it unless the labels do.
