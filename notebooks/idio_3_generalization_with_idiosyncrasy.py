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
# (idio-3)=
# # Generalisation with data idiosyncrasy
#
# *Wu et al., "Generalization with Data Idiosyncrasy"* {cite}`wu-idiosyncrasy`
#
# A network that reads faint patterns no human sees is accurate while the patterns last and fails
# when somebody changes them. That is the paper's picture, and its claim is that the two sides are
# tied together: of two models that read the visible part alike, **the more accurate is the less
# robust** (Remark 1). If so, robustness is bought with accuracy, and can be bought after training.
#
# This page builds data whose three parts are known, and asks of each definition whether it means
# what the words say, of a trained network which parts it goes by, and of the remark whether it is
# true. It is not, as printed. But close by there is a theorem of two lines that is. At the end,
# real images are cut by frequency, as an illustration.

# %%
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from astute import claims, data, figures, runs
from astute.theory import CHECKS, idio

figures.use()

# %% tags=["parameters"]
scale = "cpu"
device = "cpu"
seed = 0
data_root = ""
measure = False

# %% [markdown]
# ## Data whose parts are known
#
# $X = X_G + X_D + X_S$: what a human goes by, what is statistically associated with the label but
# means nothing to a human, and noise. A made image is 12 by 12 pixels. Its **visible** part is a
# vertical bar for $y=+1$, a horizontal one for $y=-1$; every fifth image has a cross, which tells
# nothing. Its **idiosyncrasy** is a chessboard of height 0.06, white first for $y=+1$, black first
# for $y=-1$. Its **noise** is uniform, at most 0.02 in a pixel. Prediction: going by the bars alone
# one gets $\tfrac45 + \tfrac15\cdot\tfrac12 = 0.9$; by both, everything.

# %%
rng = np.random.default_rng(seed)
row, column = np.indices((12, 12))
vertical = ((column >= 4) & (column < 8)).astype(float)
horizontal, board = vertical.T.copy(), np.where((row + column) % 2 == 0, 1.0, -1.0)
y = np.tile([1, -1], 500)
visible = np.where(y[:, None, None] > 0, vertical, horizontal)
visible[rng.random(len(y)) < 0.2] = np.maximum(vertical, horizontal)
hidden = 0.06 * y[:, None, None] * board
noise = rng.uniform(-0.02, 0.02, visible.shape)
x = visible + hidden + noise

# %% tags=["hide-input", "nbval-ignore-output"]
k = [0, 1, int((visible.sum((1, 2)) > 50).argmax())]
parts = [v[i] for i in k for v in (x, visible, 0.5 + 5 * hidden, 0.5 + 5 * noise)]
fig = figures.images(
    [parts[j : j + 4] for j in range(0, 12, 4)],
    titles=["$x$", "$x_G$", "$x_D$, × 5", "$x_S$, × 5"],
    rows=["vertical", "horizontal", "neither"],
    size=1.1,
)
figures.show(fig, alt="Three made images and their visible part, chessboard and noise")

# %% [markdown]
# (idio-3-decomposition)=
# ## Equation 1
#
# Could one find the parts from the images? The paper offers "concrete definitions". With $\mathcal
# H$ for the human,
#
# ```{math}
# :label: eq-idio-parts
# \begin{aligned}
# x_G &= \arg\max_{x'} \lVert x - x'\rVert \;\text{ s.t. } f(x';\mathcal H) = f(x;\mathcal H),\\
# x_D &= \arg\max_{x'} \lVert x - x_G - x'\rVert \;\text{ s.t. } x' = \arg\min_{x'} \sum_{y}
# l\bigl(f(x_G+x';\Theta), y\bigr)\;\;\forall\Theta, \qquad x_S = x - x_G - x_D .
# \end{aligned}
# ```
#
# Take away as much as you can without changing what a human sees: that is the idea of $x_G$. What
# is written is another thing: the image of the same label that is **farthest** from $x$. On all
# reals there is none; on $[\tfrac12, 1]$, one label, $x=\tfrac34$ has two; and the rest
# $x - x_G$ is not small but as large as possible. Of two images of a label that are a diameter $D$
# apart, one is at least $\tfrac D2$ from $x$, so
#
# ```{math}
# :label: eq-idio-half
# \lVert x_D + x_S\rVert = \lVert x - x_G\rVert \ge \tfrac12 \operatorname{diam}
# \{x' : f(x';\mathcal H) = f(x;\mathcal H)\}.
# ```
#
# Prediction for the handwritten digits, their labels for the human and their images for all there
# are: the "imperceptible" rest is of the size of the image.

# %%
digits = data.pixels("digits")
images = digits.x[:600].flatten(1).double() / 255
ratios = []
for i in range(60):
    own = images[digits.y[:600] == digits.y[i]]
    far = own[(own - images[i]).norm(dim=1).argmax()]  # x_G
    ratios.append(((images[i] - far).norm() / far.norm()).item())
print(f"||x - x_G|| / ||x_G|| on digits: {min(ratios):.1f} to {max(ratios):.1f}")
assert min(ratios) > 0.4

# %% [markdown]
# $x_D$ has to minimise the loss of **every** model at once. Two models that want different things,
# $f=x$ and $f=2x$ with target 1, leave nothing. If the sum over $y$ is over the classes, something
# is left, and worse: $-x_G$. Then $X_G + X_D = 0$, and the noise $x_S$ is the whole image. The sum
# $X = X_G+X_D+X_S$ always holds, because $x_S$ is defined as the rest; that the rest is noise does
# not follow.

# %% tags=["remove-input"]
for name in ("idio/eq-1-XG", "idio/eq-1-XD", "idio/decomposition"):
    display(figures.verdict(name, CHECKS[name]()))

# %% [markdown]
# The paper calls its words sufficient without eq. 1, and rightly: given data whose parts are known,
# as above, everything that follows has a meaning.
#
# (idio-3-assumptions)=
# ## Assumptions A1 and A2
#
# **A1**: a model is more accurate on $X_G + X_D$ than on $X_G$. **A2**: $\lVert x_D\rVert$ and
# $\lVert x_S\rVert$ are far below $\lVert x_G\rVert$. On our data, for the model that adds the
# evidence of bars and board,
#
# $$f_\lambda(x) = \langle \text{vertical} - \text{horizontal},\, x\rangle + \lambda\,
# \langle\text{board},\, x\rangle .$$
#
# The board is orthogonal to the bars, so all $f_\lambda$ agree on $X_G$, exactly. Prediction: A1
# holds for $\lambda>0$, with 0.9 against 1; A2 with $0.06 : 1$ in $\ell_\infty$, and
# $0.72 : 6.9$ in $\ell_2$.


# %%
def scores(images, weight):
    """What f says of images (N, 12, 12), + or -."""
    return np.tensordot(images, vertical - horizontal + weight * board, 2)


def accuracy(images, weight):
    """Share right; a score of 0 is a +."""
    return np.mean((scores(images, weight) >= 0) == (y > 0))


for weight in (0, 1, 3):
    a = [accuracy(part, weight) for part in (visible, visible + hidden, x)]
    print(f"weight {weight}: accuracy on X_G {a[0]:.2f}, X_G + X_D {a[1]:.2f}, X {a[2]:.2f}")

# %% tags=["remove-input"]
assert abs(accuracy(visible, 0) - 0.9) < 0.03
assert accuracy(visible, 1) == accuracy(visible, 0) < accuracy(visible + hidden, 1) == 1
sizes = [np.linalg.norm(part[0]) for part in (hidden, visible)]
assert abs(sizes[0] - 0.72) < 0.01
assert abs(sizes[1] - 6.93) < 0.01

# %% [markdown]
# A1 is an assumption on a model and its data; some satisfy it and some do not. A2 is one, too, but
# the paper draws a conclusion from it: higher-order terms in $X_D$ "may be discarded". How good a
# linear approximation is depends on how the function **bends** over the length of $x_D$. The
# length of $x_G$ says how far away the origin is.

# %% tags=["remove-input"]
for name in ("idio/A1", "idio/A2"):
    display(figures.verdict(name, CHECKS[name]()))

# %% [markdown]
# (idio-3-score)=
# ## Equations 3 and 4
#
# With $\alpha$ for accuracy, the accuracy of a model is $\alpha(f(X), y)$ (eq. 3), and its
# "accuracy-independent robustness"
#
# ```{math}
# :label: eq-idio-score
# \mathbb E_{\lVert x_\epsilon\rVert\le C}\bigl[\alpha(f(X+X_\epsilon), y)\bigr] - \alpha(f(X), y),
# ```
#
# "upper bounded by 0 and lower bounded by $-1$. The higher the score is, the more robust". Neither
# holds. Noise can put a wrong answer right. And take the points $1$ (+) and $-1$ (−) with noise on
# $[-2,2]$. By hand: $\operatorname{sign}(x)$ is right on both, and stays so with probability
# $\tfrac34$; $-\operatorname{sign}(x)$ is wrong on both, and is put right with probability
# $\tfrac14$. Prediction: scores $-\tfrac14$ and $+\tfrac14$.

# %%
points, C = [(1, 1), (-1, -1)], Fraction(2)
for name, plus in {"sign": [(0, 9)], "-sign": [(-9, 0)], "constant": [(-9, 9)]}.items():
    score, clean = idio.equations.score(plus, points, C)
    print(
        f"{name:<8} accuracy {clean!s:<3} score {score!s:<4} accuracy under noise {clean + score}"
    )

# %% [markdown]
# Both change their answer equally often; the model that is always wrong is "more robust". An
# accuracy that can only fall ($-\alpha \le$ score) is not independent of where it falls from.

# %% tags=["remove-input"]
for name in ("idio/eq-4-range", "idio/eq-4-constant"):
    display(figures.verdict(name, CHECKS[name]()))

# %% [markdown]
# (idio-3-training)=
# ## Equations 5 and 6: what training returns
#
# Training, says the paper, is not only $\arg\min$ of the training loss (eq. 5); it is the
# validation accuracy's $\arg\max$ among such minimisers (eq. 6). Then come a definition, training
# and validation set are "from the same distribution" if the accuracies on their $X_D$ differ by
# less than $\epsilon$, and a conclusion: if they are, eq. 6 returns $\Theta_{[X_G+X_D]}$, the model
# that reads idiosyncrasy.
#
# The observation behind it, that one selects by validation, is true of practice. Its form is not:
# cross-entropy on separable data has **no** minimiser, and where a minimiser is unique, validation
# has nothing to choose from. Early stopping picks a model that does not minimise.
#
# The conclusion fails on four images. Let $x_G = 9y$, $x_D = y$, $x_S=\pm1$ by a coin, $t = 10y$
# and $f=\Theta x$. Training and validation set are the same. Prediction: noise in an input
# attenuates its weight, $\Theta = \mathbb E[xt]/\mathbb E[x^2] = 100/101$, not 1.

# %%
four = [(9 * y, y, s, 10 * y) for y in (1, -1) for s in (1, -1)]
targets, fit = [t for *_, t in four], idio.lemmas.least_squares
print("trained on X        ", fit([(g + d + s,) for g, d, s, _ in four], targets)[0])
print("trained on X_G + X_D", fit([(g + d,) for g, d, *_ in four], targets)[0])

# %% tags=["remove-input"]
for name in ("idio/eq-6-bilevel", "idio/same-distribution", "idio/optimization-6-consequence"):
    display(figures.verdict(name, CHECKS[name]()))

# %% [markdown]
# (idio-3-trained)=
# ## What a trained network goes by
#
# So far the models were made by hand. Now a network is **trained**, 64 hidden units, on a sum of
# the parts: $X_G$ alone, with the noise, with the board, with both. The images are as above but
# brought into $[0,1]$ for an attack: bars 0.6 above their ground, board 0.05 high, noise 0.02.
# What it goes by, measured in three ways on fresh images:
#
# - **Accuracy** on $X_G$ and on the whole. A1 says that the second is larger. Prediction: 0.9
#   against 1 if the board was in the training images, 0.9 twice if not.
# - **Effect** of a part: half of what the margin loses if bar or board becomes that of the other
#   label (for the noise, what it loses without), in logits. If a network went by pixel height
#   alone, the board's would be a twelfth of the bar's.
# - **The score** of eq. 4 with the worst perturbation of $C = 0.07$ (PGD), the height of board and
#   noise together; by the ceiling below it is at most $\alpha_G$ − accuracy.

# %% tags=["remove-cell"]
context = runs.Context(device=device, data_root=data_root)
recorded = runs.load("idio/parts", scale, measure, context)
used = [row for row in claims.means(runs.idio.parts.parts(recorded)) if "GDS" in row]
WORDS = {"G": "X_G", "GS": "X_G + X_S", "GD": "X_G + X_D", "GDS": "X"}

# %% tags=["remove-input", "nbval-ignore-output"]
table = []
for row in used:
    cells = [f"{row[k]:.1f}" for k in ("G", "GDS", "crosses", "robust")]
    cells.append(f"{(row['robust'] - row['GDS']) / 100:+.2f}")
    table.append([f"${WORDS[row['train']]}$", *cells])
heads = ["trained on", "right on $X_G$, %", "right on $X$, %", "right on crosses, %"]
heads += ["right under PGD, %", "score"]
figures.table(table or [["not measured yet", *[""] * 5]], heads, f"Mean over seeds, scale {scale}")

# %% tags=["remove-input", "nbval-ignore-output"]
table = []
for row in used:
    parts = [row[f"effect {part}"] for part in "GDS"]
    ratio = [f"{round(parts[1] / parts[0], 2) + 0:.2f}"]
    table.append([f"${WORDS[row['train']]}$", *(f"{round(v, 2) + 0:.2f}" for v in parts), *ratio])
heads = ["trained on", "bar, logits", "board, logits", "noise, logits", "board / bar"]
figures.table(table or [["not measured yet", *[""] * 4]], heads, f"Effects, scale {scale}")

# %% tags=["remove-cell", "nbval-ignore-output"]
by_sum = {row["train"]: row for row in used}
ratio = by_sum["GDS"]["effect D"] / by_sum["GDS"]["effect G"] if used else float("nan")
figures.glue("idio3 ratio", f"{ratio:.2f}")
if used and scale != "smoke":  # the sentences below, as code
    assert by_sum["GDS"]["G"] + 5 < by_sum["GDS"]["GDS"]
    assert abs(by_sum["G"]["effect D"]) < 0.1 * by_sum["GDS"]["effect D"]
    assert ratio > 2 / 12
    assert max(row["robust"] for row in used) - min(row["robust"] for row in used) < 0.5
    assert all(row["robust"] <= row["G"] for row in used)
    assert abs(by_sum["GD"]["effect D"] - by_sum["GDS"]["effect D"]) < 0.5

# %% [markdown]
# The paper's observation is right here. A network that saw the board reads it, and weighs it far
# above its height: {glue:text}`idio3 ratio` of the bar's effect against a twelfth, because it is
# spread over all pixels. A1 holds for it and not for the others. The noise has no effect on any of
# them, and training on $X$ gives what training on $X_G+X_D$ gives, as the paper has it; the four
# images above show that this need not be so. All four networks are right equally often under
# attack, so that what is gained on the crosses is all paid back in the score.

# %% [markdown]
# (idio-3-remark)=
# ## Remark 1
#
# ```{prf:remark} Remark 1 of the paper, as printed
# :label: rem-idio-1
# With A1 and A2, for two models with $f(X_G;\Theta_i) = f(X_G;\Theta_j)$, there is a trade-off
# between accuracy (eq. 3) and robustness (eq. 4, when $C\le\max_x\lVert x_D\rVert$).
# ```
#
# It comes without a proof. The idea: $\Theta_i$ is more accurate because it reads $X_D$; a
# perturbation as large as $x_D$ can undo that. But read what is printed. The perturbation is
# **random**, not chosen, and it is **at most** as large as $x_D$. A faint pattern over many pixels
# is just what random noise does not touch, and a small perturbation does not undo a large pattern.
#
# By hand, on a line. $x_G$ is the same for all, $d = 1$ (+), $-1$ (−), $-\tfrac12$ (−), and
# $C=\tfrac12$. One model says + if $d\ge0$. The other says − only if $d$ is within $\tfrac18$ of
# $-1$. Both say + on $X_G$. Prediction: the first is more accurate, 1 against $\tfrac23$, **and**
# more robust, 0 against $-\tfrac5{24}$.

# %%
for name, plus in {"steady": idio.equations.STEADY, "fickle": idio.equations.FICKLE}.items():
    score, clean = idio.equations.score(plus, idio.equations.REMARK, Fraction(1, 2))
    print(f"{name}: accuracy {clean}, score {score}")
assert idio.equations.score(idio.equations.STEADY, idio.equations.REMARK, Fraction(1, 2)) == (0, 1)

# %% [markdown]
# ## A trade-off that is a theorem
#
# Undo the two slips: let the perturbation be the **worst**, and let it be **at least** as large as
# everything but $x_G$.
#
# ```{prf:theorem} A ceiling
# :label: thm-idio-ceiling
# Let $C \ge \max_x \lVert x - x_G\rVert$. Then for every model the accuracy under the worst
# perturbation of size $C$ is at most $\alpha_G = \alpha(f(X_G), y)$; so
# $\;\text{score} \le \alpha_G - \text{accuracy}$.
# ```
#
# ```{prf:proof}
# $x_G - x$ is one of the perturbations. A model that is right at $x$ under all of them is right at
# $x_G$.
# ```
#
# Two models that agree on $X_G$ share the ceiling. What one of them gains in accuracy above
# $\alpha_G$ it pays for in robustness, at least one for one; a model that does not read $X_D$ may
# have score 0. No assumption on sizes is needed, and A1 only says that there is something to gain.
#
# On the made images, for the family $f_\lambda$ with $C = 0.08$ in $\ell_\infty$. Prediction:
# random noise takes next to nothing from anyone; under the worst perturbation no $f_\lambda$ is
# right on more than $\alpha_G$.

# %%
weights, C = np.linspace(0, 16, 33), 0.08
clean, random, worst = [], [], []
for weight in weights:
    w = vertical - horizontal + weight * board
    margin = scores(x, weight) * y
    moved = x + np.random.default_rng(seed + 1).uniform(-C, C, x.shape)
    clean.append(np.mean(margin > 0))
    random.append(np.mean(scores(moved, weight) * y > 0))
    worst.append(np.mean(margin > C * np.abs(w).sum()))  # exact for a linear score
alpha_g = accuracy(visible, 0)
assert max(worst) <= alpha_g
assert max(np.subtract(clean, random)) < 0.05

# %% tags=["remove-input", "nbval-ignore-output"]
fig, ax = plt.subplots()
ax.plot(weights, clean, label="accuracy")
ax.plot(weights, random, "--", label="under random noise (eq. 4)")
ax.plot(weights, worst, label="under the worst perturbation")
ax.axhline(alpha_g, color=figures.INK, linestyle=":", label=r"accuracy on $X_G$: the ceiling")
ax.set(xlabel=r"weight $\lambda$ of the chessboard", ylabel="share right", ylim=(-0.02, 1.05))
ax.legend(fontsize="small", loc="center left")
figures.show(fig, alt="Accuracy, accuracy under noise and under the worst perturbation by weight")

# %% tags=["remove-input", "nbval-ignore-output"]
best = int(np.argmax(clean))
figures.glue("idio3 ceiling", f"{alpha_g:.2f}")
figures.glue("idio3 clean", f"{clean[best]:.2f}")
figures.glue("idio3 random", f"{random[best]:.2f}")
figures.glue("idio3 worst", f"{max(worst):.2f}")
figures.glue("idio3 worst best", f"{worst[-1]:.2f}")

# %% [markdown]
# The model that reads the board has accuracy {glue:text}`idio3 clean`, and
# {glue:text}`idio3 random` under random noise larger than the board itself: by eq. 4 there is
# nothing to pay. Under the worst perturbation no model of the family gets more than
# {glue:text}`idio3 worst`, below the ceiling of {glue:text}`idio3 ceiling`: what a little of the
# board adds to accuracy, the perturbation takes away again, no more. Only with a large weight on
# the board is the rest lost too, down to {glue:text}`idio3 worst best`.

# %% tags=["remove-input"]
display(figures.verdict("idio/remark-1", CHECKS["idio/remark-1"]()))

# %% [markdown]
# The remark is meant to carry the result of Tsipras et al. (2019) over to all data. That result,
# on their own distribution, is about the worst perturbation and about one that is larger than the
# pattern ($2\eta$ against $\eta$), and it is true.

# %% tags=["remove-input"]
display(figures.verdict("idio/tsipras-example", CHECKS["idio/tsipras-example"]()))

# %% [markdown]
# (idio-3-bands)=
# ## An illustration: frequencies
#
# For real images nobody has $X_G$, $X_D$ and $X_S$. The paper points to high frequencies
# {cite}`wang-frequency`, and one can at least cut there: a Fourier transform, and three rings of
# frequencies, $X = L + M + H$, low, middle and high. **This is an illustration, not the paper's
# decomposition**: nothing says that people go by $L$ alone, or that $H$ is noise. A ring without
# the frequency 0 is shown around grey; what leaves $[0,1]$ is cut off.

# %% tags=["nbval-ignore-output"]
rings = runs.idio.parts.band_parts("cpu")[:4]
photographs = data.natural_patches(40, size=32)
shown = photographs[photographs.flatten(1).std(1).argsort(descending=True)[:3]]
total = sum(ring.part(shown) for ring in rings[1:])
assert (total - shown).abs().max() < 1e-5
grid = [[ring(shown)[i] for ring in rings] for i in range(3)]
labels = ["image", "below 6 cycles", "6 to 12", "from 12"]
figures.show(figures.images(grid, titles=labels, size=1.2), alt="Three patches and their rings")

# %% [markdown]
# A network trained on each ring alone, and on whole images, is asked about all of them. If high
# frequencies were "non-predictive variation", training on them would end at chance, 10 %. If
# networks read as people do, the one trained on whole images would be right on $L$ and lost on $H$.

# %% tags=["remove-input", "nbval-ignore-output"]
recorded = runs.load("idio/bands", scale, measure, context)
table, heads = [], []
for (run, record), row in zip(recorded, runs.idio.parts.bands(recorded), strict=True):
    labels = [variant.label for variant in run.tested]
    words = record["error"].partition(":")[0] if record and record["status"] == "failed" else ""
    cells = [f"{100 * row[k][0]['value']:.1f}" if row[k] else "" for k in labels]
    cells[0] = cells[0] or words or "not measured yet"
    table.append([row["data"], row["train"], *cells])
    heads = ["data", "trained on", *labels]
figures.table(table, heads, f"Right on each part of the test images, per cent, scale {scale}")

# %% tags=["remove-cell", "nbval-ignore-output"]
alone, top, whole = {}, {}, {}
for row in runs.idio.parts.bands(recorded):
    shares = {k: v[0]["value"] for k, v in row.items() if isinstance(v, list) and v}
    if row["train"] == "original" and shares:
        top[row["data"]] = shares[list(shares)[3]]
        whole[row["data"]] = shares["original"]
    elif shares:
        alone.setdefault(row["data"], []).append(shares[row["train"]])
cells = {"least": {k: min(v) for k, v in alone.items()}, "top": top, "whole": whole}
for name, shares in cells.items():
    words = [f"{100 * v:.0f} % on {k}" for k, v in shares.items()]
    figures.glue(f"idio3 {name}", ", ".join(words) or "not measured yet")

# %% [markdown]
# The poorest of the three rings, asked of the network trained on it, still gives
# {glue:text}`idio3 least`: no ring is noise, each tells the label by itself. The network trained on
# whole images is right on {glue:text}`idio3 whole`, and, shown the highest ring alone, on
# {glue:text}`idio3 top`. What a network *can* go by and what it *does* go by are two questions, and
# A1 asks the second. The networks are small and trained briefly; one seed.

# %% [markdown]
# ## Beside the paper
#
# The section prints no number that could be compared. What it supplies to the rest is Remark 1,
# which the experiments are said to confirm. They can't confirm or refute it: in them the models
# compared do not agree on $X_G$, nobody knows $X_G$, and the perturbation is an attack.
#
# ## What we doubt
#
# - **That semantic and idiosyncratic add up.** Bars and board were made to be added. In photographs
#   texture and shape need not be two summands.
# - **That the ceiling is close.** It says what the worst perturbation *can* take. If $C$ is smaller
#   than $x - x_G$ it says nothing, and for real images nobody can tell how large $x - x_G$ is.
# - **That noise is harmless in general.** It is for a pattern spread over many pixels. One pixel
#   that gives the label away is touched by random noise as much as by any other.
