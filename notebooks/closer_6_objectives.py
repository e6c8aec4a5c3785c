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
# (closer-6)=
# # What the robust objectives optimise
#
# *Yang et al., "Experiments – Robust models"* {cite}`yang-closer`
#
# Six objectives, all built from the loss $L$ at an image and at points near it. What kind of
# function does each leave behind? One can look: the loss on a plane through a test image.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from astute import attacks, data, figures, losses, models, objectives, records, runs, training

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## Reading the formulas
#
# $$
# \begin{aligned}
# \text{GR}\quad & L(x)+\tfrac\lambda2\Bigl(\frac{L(x+h\,d)-L(x)}h\Bigr)^2,\quad
# d=\frac{\nabla L(x)}{\lVert\nabla L(x)\rVert_2}\\
# \text{LLR}\quad & L(x)+\lambda\,g(\delta)+\mu\,\lvert\delta^\top\nabla L(x)\rvert,\quad
# g(\delta)=\lvert L(x+\delta)-L(x)-\delta^\top\nabla L(x)\rvert\\
# \text{AT}\quad & \max_{x'}L(x')\qquad
# \text{RST}\quad L(x)+\lambda\max_{x'}L(x')\\
# \text{TRADES}\quad & L(x)+\beta\max_{x'}\mathrm{KL}\bigl(f(x)\Vert f(x')\bigr)
# \end{aligned}
# $$
#
# The difference quotient of GR stands for $\lVert\nabla L\rVert_2$, and its square for the square;
# the slide prints the quotient without it. **Prediction:** as $h$ goes to 0 the penalty becomes
# $\frac\lambda2\lVert\nabla L\rVert_2^2$; at the code's $h=1$, a step of length 1 in pixel units,
# it is another quantity.

# %%
digits = data.load("digits")
net = models.MLP(sizes=(784, 32, 10))(seed=seed)
recipe = training.Recipe(lr=3e-3, epochs=5, batch_size=50)
training.train(net, digits.x, digits.y, objectives.Natural(), recipe, seed=seed)
x, y = digits.x[:100], digits.y[:100]
exact = attacks.gradient(lambda images: losses.cross_entropy(net(images), y), x)
squares = exact.flatten(1).square().sum(1)
natural = objectives.Natural()(net, x, y)[0]
for h in (1e-3, 1e-1, 1.0):
    penalty = (objectives.GR(h=h)(net, x, y)[0] - natural).item()
    print(f"h = {h:<6g} penalty over |grad|²/2: {penalty / (squares.mean() / 2).item():.1f}")

# %% [markdown]
# What the official code of LLR minimises instead is $L(x)+\lambda L(x+\delta)$: it zeroes the
# stored gradient before it is used and leaves out $-L(x)$. On the very same $\delta$ the two differ
# by a term that is no constant. In evaluation mode, without dropout, for one batch:

# %%
pgd = attacks.PGD(norm="linf", eps=0.1, step_size=0.05, steps=2, random_start="gaussian")
values = {}
for variant in ("published", "official"):
    generator = torch.Generator().manual_seed(seed)
    llr = objectives.LLR(attack=pgd, variant=variant)
    values[variant] = llr(net, x, y, generator)[0].item()
    print(f"LLR, {variant}: {values[variant]:.2f}")
assert values["published"] != values["official"]

# %% [markdown]
# ## The loss around an image
#
# Test image 0 of MNIST and one network for each method. Horizontally the sign of a random vector,
# vertically the sign of the network's own gradient: the corner that the attack makes for. The
# square in the middle is the ball of radius 0.1; images are clipped to the box. **Prediction:** the
# natural network's loss climbs in one direction only; AT, RST and TRADES are flat inside the square
# and may climb outside; GR and LLR are smooth and tilted.

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
recorded = runs.load("closer/loss-slices", scale, measure, context)
slices = {
    " ".join(filter(None, run.method)): record["result"]
    for run, record in recorded
    if records.result(record)
}


# %% tags=["remove-cell"]
def picture(ax, name, found):
    """One network's loss on its plane, and the border of the right class."""
    steps, loss = np.array(found["steps"]), np.array(found["loss"])
    ax.set_axis_on()
    image = ax.pcolormesh(steps, steps, np.log10(loss + 1e-6), vmin=-5, vmax=1, rasterized=True)
    wrong = np.array(found["predicted"]) != found["label"]
    if wrong.any():
        ax.contour(steps, steps, wrong, levels=[0.5], colors="white", linewidths=0.8)
    ax.add_patch(plt.Rectangle((-0.1, -0.1), 0.2, 0.2, fill=False, edgecolor="white", lw=0.6))
    ax.set(aspect="equal", xticks=[-0.2, 0, 0.2], yticks=[-0.2, 0, 0.2])
    ax.set_title(name, fontsize="small")
    return image


# %% tags=["remove-input", "nbval-ignore-output"]
height = max(1, -(-len(slices) // 4))
fig, axes = plt.subplots(height, 4, figsize=(8, 2.1 * height), squeeze=False)
for ax in axes.flat:
    ax.set_axis_off()
pictures = [picture(ax, *one) for ax, one in zip(axes.flat, slices.items(), strict=False)]
if pictures:
    fig.colorbar(pictures[0], ax=axes, label="log₁₀ of the loss, nats", shrink=0.8)
figures.show(fig, alt="The loss on a plane through a test image, a panel for each method")

# %% [markdown]
# A white curve, where there is one, is the border of the right class. As numbers: the loss at the
# image, and the greatest one inside the ball, in this plane.

# %% tags=["remove-input", "nbval-ignore-output"]
lines = []
for name, found in slices.items():
    steps, loss = np.array(found["steps"]), np.array(found["loss"])
    inside = np.abs(steps) <= 0.1 + 1e-9
    ball, middle = loss[np.ix_(inside, inside)], loss[len(steps) // 2, len(steps) // 2]
    lines.append([name, f"{middle:.1e}", f"{ball.max():.1e}", f"{loss.max():.1e}"])
figures.table(
    lines or [["not measured yet", "", "", ""]],
    ["method", "at the image", "greatest, ε = 0.1", "greatest, ε = 0.2"],
    f"Loss on the plane, nats, scale {scale}",
)

# %% [markdown]
# ## What we doubt
#
# - **One image, one plane.** A picture shows two of 784 dimensions. It illustrates; the averages
#   are on {ref}`closer-3`.
# - **The colour scale is logarithmic.** A network that is sure has a loss of $10^{-5}$ nats and
#   looks flat whatever it does there.
