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
# (sens-2-2)=
# # Concentration on the cube and the ball
#
# *Ding et al., section 2.2* {cite}`ding-sensitivity`
#
# In many dimensions every set of half the volume comes close to nearly everything: that is
# **concentration of measure** {cite}`ledoux-concentration`. If a class is such a set, its
# complement is within reach of nearly all its points, and no classifier that is right can be
# robust. The paper takes two inequalities of this kind, for data uniform on the cube and on the
# ball, and concludes that robustness is then impossible; that the cube is the better place to be;
# and that MNIST may be more robust than CIFAR-10 because it is more like a cube.
#
# The inequalities hold, the one for the cube with the best possible constant, and the numbers drawn
# from them are right. What is concluded goes too far in two places. With two classes uniform data
# on the cube *can* be classified robustly: Example 1 of the paper does it. And the cube was
# compared with a ball that is some thirty times smaller.

# %%
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from astute import claims, figures, papers
from astute.theory import CHECKS, sens

figures.use()
concentration = sens.concentration


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
# (sens-2-2-enlargement)=
# ## What comes within reach
#
# ```{prf:definition} Enlargement
# :label: def-sens-enlargement
# $A_\epsilon = \{x\in\mathbb R^N : d(x, A) < \epsilon\}$ for a nonempty set $A$.
# ```
#
# $\mathbb P(A_\epsilon)$ is the share of the *data* within reach of $A$: what lies outside the cube
# does not count. The paper does not name the distance; its theorem needs the Euclidean one. (A ball
# of the maximum norm contains the Euclidean one, so that lower bounds on $\mathbb P(A_\epsilon)$
# carry over to $\ell_\infty$ attacks.)

# %%
box("sens/def-enlargement")

# %% [markdown]
# (sens-2-2-cube)=
# ## The cube
#
# ```{prf:theorem} Theorem 2.1 of the paper, as printed
# :label: thm-sens-2-1
# Let $\epsilon>0$. For $A\subset[0,1]^d$ with $\mathbb P(A)\ge\frac12$
#
# $$ \mathbb P(A_\epsilon) \;\ge\; \Phi\bigl(\epsilon\sqrt{2\pi}+\Phi^{-1}(\mathbb P(A))\bigr)
#    \;\ge\; 1-e^{-\pi\epsilon^2}, $$
#
# and for $B$ in the Euclidean unit ball with $\mathbb P(B)\ge\frac12$
#
# $$ \mathbb P(B_\epsilon) \;\ge\; 1-\frac{1}{\mathbb P(B)}\bigl(1-\delta(\epsilon)\bigr)^{2d}
#    \;\ge\; 1-\frac1{\mathbb P(B)}\,e^{-2d\frac{2-\sqrt3}{3}\epsilon^2},
#    \qquad \delta(\epsilon)=1-\sqrt{1-\epsilon^2/4}. $$
# ```
#
# Why one would believe the first. For the *Gaussian* law half-spaces grow least, and their growth
# is $\Phi(\Phi^{-1}(p)+\epsilon)$. The map $T=(\Phi,\dots,\Phi)$ takes the Gaussian to the uniform
# law and shortens every distance by $\sqrt{2\pi}$ at least, so what was within
# $\epsilon\sqrt{2\pi}$ before is within $\epsilon$ after. The dimension never enters. (The printed
# proof says this the wrong way round, {ref}`sens-a-cube`.)
#
# It can be held against sets whose enlargements are known exactly. Prediction: none falls below;
# the half-cube $\{x_1\le\frac12\}$, which grows to $\frac12+\epsilon$, touches the bound at small
# $\epsilon$, since the bound starts with slope $\sqrt{2\pi}\,\varphi(0)=1$.


# %% tags=["hide-input"]
def half_cube(ax, eps):
    """The enlargement of half of the cube and both bounds."""
    ax.plot(eps, 0.5 + eps, label="half-cube")
    ax.plot(eps, concentration.cube_bound(eps, 0.5), "--", label="first bound")
    ax.plot(eps, 1 - np.exp(-np.pi * eps**2), ":", label="second bound")
    ax.set(xlabel="radius $\\epsilon$", title="half of the cube, any d")
    ax.legend(fontsize="small")


# %% tags=["nbval-ignore-output"]
families = {}
for name, p, eps, after in concentration.cube_families():
    families.setdefault(name, []).append((concentration.cube_bound(eps, p), after))
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.3))
for name, points in families.items():
    axes[0].plot(*np.array(points).T, ".", ms=3, label=name)
axes[0].plot([0, 1], [0, 1], color="0.6", lw=1)
axes[0].set(xlabel="bound", ylabel="mass of $A_ε$", title="sets in the cube")
axes[0].legend(fontsize="small", markerscale=3)
half_cube(axes[1], np.linspace(0, 0.5, 100))
figures.show(fig, alt="Known enlargements lie above the bound; the half-cube follows it closely")

# %%
box("sens/thm-2.1-cube-1", "sens/thm-2.1-cube-2")

# %% [markdown]
# (sens-2-2-ball)=
# ## The ball
#
# Why one would believe the second. Let $C$ be what $B_\epsilon$ leaves of the ball. Take a point of
# $B$ and one of $C$: they are $\epsilon$ apart, so by the parallelogram law their midpoint lies in
# the smaller ball of radius $1-\delta(\epsilon)$. All midpoints together have volume at least
# $\sqrt{|B||C|}$ (Brunn and Minkowski). Hence
# $\sqrt{\mathbb P(B)\,\mathbb P(C)}\le(1-\delta)^d$, which is the claim.
#
# Here the dimension does enter: $(1-\delta)^{2d} = (1-\epsilon^2/4)^d$. Two blemishes: for
# $\epsilon>2$ there is no $\delta$, and in the appendix the last step is an "=" that should be a
# "$\ge$".

# %%
box("sens/thm-2.1-ball-1", "sens/thm-2.1-ball-2")

# %% [markdown]
# (sens-2-2-example)=
# ## Ten classes
#
# ```{prf:example} Example 2 of the paper
# :label: ex-sens-2
# Let $x$ be uniform on the cube and let ten classes be equally likely. Under an $\ell_2$ attack
# with $\epsilon=0.5$ at least 94 % of the samples are wrongly classified or attackable, for a
# classifier of perfect accuracy. On the ball with $d=3072$ and $\epsilon=0.09$: at least 97 %.
# ```
#
# A class has mass $0.1$, its complement $A$ has $0.9$. Safe are the points of the class that
# $A_\epsilon$ does not reach; over ten classes at most $10\,(1-\mathbb P(A_\epsilon))$. Prediction
# for the cube: $\Phi(0.5\cdot2.507+1.282)=\Phi(2.535)=0.9944$, so $5.6$ % are safe at most.

# %%
prose = {row["id"]: row["value"] for row in papers.table("sens_prose")}
shares = {
    "cube": concentration.vulnerable(concentration.cube_bound(0.5, 0.9)),
    "ball": concentration.vulnerable(concentration.ball_bound(0.09, 0.9, 3072)),
}
for (name, share), key in zip(shares.items(), ("sens/p11", "sens/p12"), strict=True):
    print(f"{name}: {100 * share:.1f} % at least; the paper says {prose[key]:g} %")
    assert 100 * share >= prose[key]

# %%
box("sens/ex-2-cube", "sens/ex-2-ball")

# %% tags=["remove-input"]
figures.judgements([claims.judge("sens/claim-41", scale)], scale)

# %% [markdown]
# Why ten classes? Because a complement of mass $0.9$ grows to nearly everything, where one of mass
# $\tfrac12$ need not. **With two classes the same computation allows robustness**, and the
# half-cube realises it:

# %%
for classes in (2, 3, 10):
    for eps in (0.1, 0.5):
        bound = concentration.cube_bound(eps, 1 - 1 / classes)
        least = max(0.0, concentration.vulnerable(bound, classes))
        print(f"{classes:>2} classes, ε = {eps}: at least {100 * least:.1f} % vulnerable")

# %% [markdown]
# For two classes and $\epsilon=0.1$ the bound says a fifth, and the cut $x_1>\tfrac12$ has exactly
# a fifth ({ref}`sens-2-1-example`). So "if the input data is uniformly distributed, then the
# perfect decision boundary cannot be robust", as section 1 has it, is not what is proved, and
# Example 1 refutes it.

# %% [markdown]
# (sens-2-2-cube-or-ball)=
# ## Is a cube better than a ball?
#
# "Theorem 2.1 and Example 2 suggest that uniform distribution on a $[0,1]^d$ enjoys more robustness
# and is not affected by the high dimensionality." Look at the sizes. The unit cube has diameter
# $\sqrt d$, which is 55 for $d=3072$. The unit ball has diameter 2. A radius of $0.09$ is a large
# part of the one and a crumb of the other: one coordinate of a point of the ball has a standard
# deviation of $1/\sqrt{d+2}=0.018$, of the cube $1/\sqrt{12}=0.289$.
#
# So give both the same size and ask again. With equal variance $\frac1{12}$ per pixel the ball has
# radius $\sqrt{(d+2)/12}$, one coordinate is nearly Gaussian, and half the ball has robust error
# $2\Phi(\epsilon\sqrt{12})-1$, **free of the dimension** like the half-cube's $2\epsilon$, and at
# most $1.4$ times as large. With equal diameter 2 it is the cube that has the larger one.

# %% tags=["nbval-ignore-output"]
dimensions = np.unique(np.geomspace(2, 1e5, 60).astype(int))
half_ball = np.vectorize(concentration.half_ball_error)

# %% tags=["hide-input", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(9, 3.1), sharey=True)
for ax, eps, title, radius, side in (
    (axes[0], 0.1, "as compared, ε = 0.1", 1.0, 1.0),
    (axes[1], 0.1, "equal variance, ε = 0.1", np.sqrt((dimensions + 2) / 12), 1.0),
    (axes[2], 0.01, "equal diameter, ε = 0.01", 1.0, 2 / np.sqrt(dimensions)),
):
    cube = np.minimum(2 * eps / side, 1) * np.ones(len(dimensions))
    ax.semilogx(dimensions, cube, label="half-cube")
    ax.semilogx(dimensions, half_ball(dimensions, eps, radius), "--", label="half-ball")
    ax.set(xlabel="dimension d", title=title, ylim=(0, 1.03))
axes[0].set(ylabel="robust error")
axes[0].legend()
figures.show(
    fig, alt="The ball is worse as compared, alike at equal variance, better at equal size"
)

# %%
box("sens/claim-cube-vs-ball")

# %% tags=["remove-input"]
d, eps = 3072, 0.01
equal = {
    "cube": 2 * eps / (2 / d**0.5),
    "ball": concentration.half_ball_error(d, eps),
}
assert equal["cube"] > equal["ball"]
for name, value in equal.items():
    figures.glue(f"sens22 {name}", f"{value:.2f}")
for name, share in shares.items():
    figures.glue(f"sens22 share {name}", f"{100 * share:.1f}")
figures.glue("sens22 p11", f"{prose['sens/p11']:g}")
figures.glue("sens22 p12", f"{prose['sens/p12']:g}")

# %% [markdown]
# ## Beside the paper
#
# The paper's numbers are {glue:text}`sens22 p11` % and {glue:text}`sens22 p12` %, ours
# {glue:text}`sens22 share cube` % and {glue:text}`sens22 share ball` %: the printed ones are
# rounded down, as a bound should be. The first needs the sharp form of the inequality (the form
# $1-e^{-\pi\epsilon^2}$ gives nothing), and so does the second (the form with $\frac{2-\sqrt3}3$
# gives 87 %). At equal diameter, $d=3072$ and $\epsilon=0.01$, half a cube has robust error
# {glue:text}`sens22 cube`, half a ball {glue:text}`sens22 ball`.
#
# **What we doubt.** That either law says much about images. MNIST is no more like a full cube than
# CIFAR-10 is like a ball: both lie on thin sets, which is why robust classifiers of them exist at
# all. The paper says as much a few lines later, and turns to experiments.
