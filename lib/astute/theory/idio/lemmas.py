"""Checks of the appendix of Wu et al., "Exploitation of Data Idiosyncrasy": both lemmas.

Lemmas 1 and 2 say that a model trained on X_G alone has smaller weights than one trained on
X_G + X_D. Training sets here are small enough for exact minimisers, as fractions; what a proof
step says of functions is tried on functions with known derivatives.
"""

import math
from collections import OrderedDict
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import torch
from scipy import optimize
from torch import nn

from ... import pruning
from .. import Evidence, check

SIGNS = (1, -1)
INDICES = ((0, 0), (0, 1), (1, 0), (1, 1))


def solve(matrix, right):
    """The solution of a square system in fractions; None if there is not exactly one.

    Examples
    --------
    >>> solve([[2, 1], [1, 1]], [3, 2])
    (Fraction(1, 1), Fraction(1, 1))
    """
    rows = [[Fraction(v) for v in (*row, b)] for row, b in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [v / rows[k][k] for v in rows[k]]
        for i in range(len(rows)):
            if i != k:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return tuple(row[-1] for row in rows)


def dot(a, b):
    """Inner product of two sequences."""
    return sum(p * q for p, q in zip(a, b, strict=True))


def least_squares(x, t):
    """The theta that minimises sum (theta . x - t)^2, exactly.

    Parameters
    ----------
    x : sequence of tuples of int or Fraction, one an example
    t : sequence of int or Fraction

    Raises
    ------
    ValueError
        If more than one theta does: a direction of the inputs never varies.

    Examples
    --------
    >>> least_squares([(11,), (9,), (-11,), (-9,)], [10, 10, -10, -10])
    (Fraction(100, 101),)
    """
    columns = list(zip(*x, strict=True))
    theta = solve([[dot(a, b) for b in columns] for a in columns], [dot(a, t) for a in columns])
    if theta is None:
        raise ValueError("the minimiser is not unique; drop the inputs that never vary")
    return theta


def absolute_loss(theta, x, t):
    """Sum of |theta . x - t|."""
    return sum(abs(dot(theta, row) - value) for row, value in zip(x, t, strict=True))


def least_absolute(x, t):
    """All vertices among the theta that minimise sum |theta . x - t|, exactly.

    A convex, piecewise linear function has a minimum where as many residuals vanish as there are
    weights: all such thetas are tried. One vertex: the minimiser is unique.

    Examples
    --------
    >>> least_absolute([(11,), (9,), (-11,), (-9,)], [10, 10, -10, -10])
    [(Fraction(10, 11),)]
    """
    found = {}
    for chosen in combinations(range(len(x)), len(x[0])):
        theta = solve([x[i] for i in chosen], [t[i] for i in chosen])
        if theta is not None:
            found[theta] = absolute_loss(theta, x, t)
    return sorted(theta for theta, loss in found.items() if loss == min(found.values()))


def least_absolute_by_lp(x, t):
    """The least sum |theta . x - t| by linear programming: the second route."""
    x, t = np.array(x, dtype=float), np.array(t, dtype=float)
    n, k = x.shape
    upper = np.block([[x, -np.eye(n)], [-x, -np.eye(n)]])
    bounds = [(None, None)] * k + [(0, None)] * n
    cost = np.r_[np.zeros(k), np.ones(n)]
    return optimize.linprog(cost, upper, np.r_[t, -t], bounds=bounds).fun


#: One weight, x_G and x_D on one axis, y = 1 and -1: (x_G, x_D, t). All have E[X_D] = 0.
ALONG = [(100 * y, y, 101 * y) for y in SIGNS]  # X_D points where X_G points
AGAINST = [(100 * y, -y, 99 * y) for y in SIGNS]
NOISE = [(100 * y, s, 100 * y) for y in SIGNS for s in SIGNS]  # X_D independent of X_G and t


def trained(data, fit):
    """(norm of Theta on X_G + X_D, norm of Theta on X_G) for data with one weight."""
    t = [row[2] for row in data]
    both, only = fit([(g + d,) for g, d, _ in data], t), fit([(g,) for g, _, _ in data], t)
    if fit is least_absolute:
        (both,), (only,) = both, only
    return abs(both[0]), abs(only[0])


def _small_sets(seed, count):
    """Random sets with integer x_G, x_D (3 to 4 examples, 1 or 2 weights) and t."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n, k = rng.integers(3, 5), rng.integers(1, 3)
        g, d = rng.integers(-9, 10, size=(n, k)), rng.integers(-3, 4, size=(n, k))
        yield (
            [tuple(map(int, r)) for r in g],
            [tuple(map(int, r)) for r in d],
            list(map(int, rng.integers(-9, 10, size=n))),
        )


@check("idio/lemma-1")
def lemma_1():
    """argmin ||f(X_G) - t||_1 has a smaller l1 norm than argmin ||f(X_G + X_D) - t||_1.

    One weight, exact minimisers. If X_D points along X_G, theta must grow when it is taken away:
    1 becomes 101/100. If X_D is noise, training with it shrinks: 100/101, and 1 without. What
    Function 1 shows is the reverse: loss plus penalty has the minimiser of smaller penalty.
    Control: the reversed lemma, that the norm always grows, fails on X_D against X_G.
    """
    norms = [trained(data, least_absolute) for data in (ALONG, NOISE, AGAINST)]
    reverse, routes = [], []
    for g, d, t in _small_sets(0, 60):
        some = least_absolute(g, t)
        zeros = [0] * len(d)
        penalised = least_absolute([*g, *d], [*t, *zeros])  # Function 1 as one absolute loss
        if len(some) == 1 and penalised:
            reverse += [
                absolute_loss(a, d, zeros) <= absolute_loss(some[0], d, zeros) for a in penalised
            ]
            routes.append(abs(least_absolute_by_lp(g, t) - absolute_loss(some[0], g, t)))
    shown = all(reverse) and max(routes) < 1e-9
    return Evidence(
        holds=all(only <= both for both, only in norms),
        survives=shown,
        control=not all(only >= both for both, only in norms),
        margin=float(norms[0][1] - norms[0][0]),
        found=f"X_D along X_G: norm {norms[0][0]} with X_D, {norms[0][1]} without; X_D noise: "
        f"{norms[1][0]} and {norms[1][1]}; X_D against X_G: {norms[2][0]} and {norms[2][1]}. "
        f"Function 1 has the smaller penalty in {sum(reverse)} of {len(reverse)} exact cases.",
        reference={"along": float(norms[0][1]), "noise": float(norms[1][0])},
    )


@check("idio/lemma-2")
def lemma_2():
    """argmin ||f(X_G) - t||^2 has a smaller Frobenius norm than argmin ||f(X_G + X_D) - t||^2.

    Exact normal equations on the three sets of Lemma 1 (all with E[X_D] = 0). With X_D independent
    of (X_G, t), zero mean and covariance s^2 I, training on X_G + X_D is ridge regression, so that
    the norm *falls* with X_D: the reverse. Tried on all signs of X_D in the plane. Control: the
    same for any covariance of X_D is rejected (noise on one input makes the other one take over).
    """
    norms = [trained(data, least_squares) for data in (ALONG, NOISE, AGAINST)]
    shrunk, rng = [], np.random.default_rng(1)
    for _ in range(60):
        g, t = rng.integers(-9, 10, size=(3, 2)), rng.integers(-9, 10, size=3)
        shrunk.append(_ridge_shrinks(g.tolist(), t.tolist(), (2, 2)))
    # g_2 = g_1 / 10 plus a little: with noise on g_1 alone the weight moves to g_2, times ten.
    moved = _ridge_shrinks([(10, 1), (-10, -1), (10, 2)], [10, -10, 10], (20, 0))
    known = [value for value in shrunk if value is not None]
    return Evidence(
        holds=all(only <= both for both, only in norms),
        survives=all(known),
        control=moved is False,
        margin=float(norms[0][1] - norms[0][0]),
        found=f"X_D along X_G: norm {norms[0][0]} with X_D, {norms[0][1]} without; X_D noise: "
        f"{norms[1][0]} and {norms[1][1]}; X_D against X_G: {norms[2][0]} and {norms[2][1]}. "
        f"With isotropic noise training on X_G + X_D shrinks in {sum(known)} of {len(known)} "
        "exact cases: the reverse of the lemma.",
        reference={"along": float(norms[0][1]), "noise": float(norms[1][0])},
    )


def _ridge_shrinks(g, t, spread):
    """Whether noise of these sizes (all sign patterns) lowers the norm; None if not unique."""
    noisy = [
        (row, tuple(v + s * a for v, s, a in zip(row, signs, spread, strict=True)), value)
        for row, value in zip(g, t, strict=True)
        for signs in product(SIGNS, repeat=len(spread))
    ]
    t = [value for *_, value in noisy]
    try:
        only = least_squares([row for row, *_ in noisy], t)
        both = least_squares([x for _, x, _ in noisy], t)
    except ValueError:
        return None
    return dot(both, both) <= dot(only, only)


@check("idio/lemmas-separate-coordinates")
def lemmas_separate_coordinates():
    """Both lemmas for x_G = (g, 0), x_D = (0, d), f = a g + b d.

    Training on X_G leaves b free, so take the minimiser of least norm, b = 0. Where E[g d] = 0
    (squared loss), or t - a g has conditional median 0 (absolute loss), a stays and b goes: both
    norms fall. Otherwise a takes over part of b's work and may grow by more: (10, 2) and (10, 0)
    for squared loss. Two nearly equal inputs g_1, g_2 can stand in for d at twenty times its
    weight, for absolute loss too. Control: E[g d] = 0 without least norm is rejected.
    """
    fits = []
    for a, b, noise in product(range(-2, 3), range(-2, 3), (0, 1)):
        grid = [(10 * s, d) for s in SIGNS for d in (-1, 0, 1)]
        t = [a * g + b * d + noise * g * (3 * d * d - 2) for g, d in grid]
        both, only = least_squares(grid, t), least_squares([(g,) for g, _ in grid], t)
        fits.append(both[0] == only[0] and (b != 0) == (dot(both, both) > dot(only, only)))
        if not noise:
            ((exact, work),) = least_absolute(grid, t)
            fits.append(least_absolute([(g,) for g, _ in grid], t) == [(exact,)] and work == b)
    taken = [(10, 2), (10, 0), (-10, -2), (-10, 0)]  # E[g d] = 10
    t = [g + Fraction(d, 10) for g, d in taken]
    both, only = least_squares(taken, t), least_squares([(g,) for g, _ in taken], t)
    rows = [(10, Fraction(101, 10), 1), (10, Fraction(99, 10), -1), (10, 10, Fraction(1, 2))]
    ((one, two),) = least_absolute([row[:2] for row in rows], [row[2] for row in rows])
    ((*_, alone),) = least_absolute(rows, [row[2] for row in rows])
    free = absolute_loss((1, 0), [(g, 0) for g, _ in taken], t)
    large = absolute_loss((1, 1000), [(g, 0) for g, _ in taken], t)
    worse = dot(only, only) - dot(both, both)
    return Evidence(
        holds=not (worse > 0 or abs(one) + abs(two) > alone),
        corrected=all(fits),
        control=free == large,
        margin=float(worse),
        found=f"(10, 2) and (10, 0): norm^2 {dot(both, both)} with X_D, {dot(only, only)} without; "
        f"two nearly equal inputs: l1 norm {alone} with X_D, {abs(one) + abs(two)} without. With "
        f"the conditions, {sum(fits)} of {len(fits)} exact cases lose b and nothing else.",
        reference={"frobenius_squared": float(dot(only, only)), "l1": float(abs(one) + abs(two))},
    )


@check("idio/lemma-taylor")
def lemma_taylor():
    """f(X_G + X_D) = f(X_G) + X_D f'(X_G) + O(X_D^2).

    With an L-Lipschitz derivative the remainder is at most L X_D^2 / 2: softplus(a x) has
    L = a^2 / 4. A ReLU at its kink has a remainder of |X_D| itself, which no constant times X_D^2
    bounds. Control: half that bound is rejected near 0, where the second derivative is L.
    """
    ratios = []
    for a, x, h in product((1, 3), np.linspace(-2, 2, 9), (-1.0, -0.1, -0.01, 0.01, 0.1, 1.0)):
        value, slope = np.logaddexp(0, a * x), a / (1 + np.exp(-a * x))
        remainder = abs(np.logaddexp(0, a * (x + h)) - value - h * slope)
        ratios.append(remainder / (a * a / 4 * h * h / 2))
    worst = [max(abs(max(0, h) - h * s) / h**2 for h in (0.01, -0.01)) for s in (0, 0.5, 1)]
    return Evidence(
        holds=min(worst) < 2,
        corrected=max(ratios) <= 1 + 1e-6,
        control=max(ratios) > 0.5,
        margin=min(worst),
        found=f"softplus: the remainder is at most {max(ratios):.3f} of L X_D^2 / 2; ReLU at its "
        f"kink, |X_D| = 0.01: at least {min(worst):.0f} X_D^2 on one side, whatever slope is "
        "chosen.",
        reference={"relu_over_square": min(worst)},
    )


@check("idio/lemma-1-triangle")
def lemma_1_triangle():
    """||r + J X_D||_1 <= ||r||_1 + ||J X_D||_1, the triangle inequality.

    All integer pairs in {-2..2}^2; equality exactly where no coordinate changes sign. Control:
    the same for squares of the Euclidean norm is rejected by r = J X_D = (1, 0): 4 against 2.
    """
    grid = list(product(range(-2, 3), repeat=2))
    slack = {
        (r, v): sum(abs(a) + abs(b) - abs(a + b) for a, b in zip(r, v, strict=True))
        for r in grid
        for v in grid
    }
    tight = all(
        (s == 0) == all(a * b >= 0 for a, b in zip(*pair, strict=True)) for pair, s in slack.items()
    )
    squares = [
        dot(r, r) + dot(v, v) - sum((a + b) ** 2 for a, b in zip(r, v, strict=True))
        for r, v in slack
    ]
    return Evidence(
        holds=min(slack.values()) == 0 and tight,
        control=min(squares) < 0,
        margin=float(min(slack.values())),
        found=f"{len(slack)} integer pairs: the right side is never less, and equal exactly where "
        "residual and change have no opposite signs.",
        reference={"equal": float(sum(s == 0 for s in slack.values()))},
    )


@check("idio/lemma-1-bound-vs-loss")
def lemma_1_bound_vs_loss():
    """Minimising Function 1 may stand for minimising ||f(X_G + X_D) - t||_1.

    One example, x_G = 10, x_D = 1, t = 11: the loss is least, 0, at theta = 1; Function 1 at 11/10,
    which is the minimiser for X_G alone. What holds is loss <= Function 1 <= loss + 2 ||J X_D||_1,
    tried on random exact sets. Control: the same with 1 in place of 2 is rejected.
    """
    (loss,) = least_absolute([(11,)], [11])
    (bound,) = least_absolute([(10,), (1,)], [11, 0])
    sandwich, tighter = True, True
    for g, d, t in _small_sets(2, 60):
        both = [tuple(a + b for a, b in zip(p, q, strict=True)) for p, q in zip(g, d, strict=True)]
        for theta in product((-2, 0, 1), repeat=len(g[0])):
            penalty = absolute_loss(theta, d, [0] * len(d))
            true, upper = absolute_loss(theta, both, t), absolute_loss(theta, g, t) + penalty
            sandwich &= true <= upper <= true + 2 * penalty
            tighter &= upper <= true + penalty
    return Evidence(
        holds=loss == bound,
        survives=sandwich,
        control=not tighter,
        margin=float(absolute_loss(bound, [(11,)], [11])),
        found=f"x_G = 10, x_D = 1, t = 11: the loss is least at theta = {loss[0]}, Function 1 at "
        f"{bound[0]}, where the loss is {absolute_loss(bound, [(11,)], [11])} and not 0.",
        reference={"theta_loss": float(loss[0]), "theta_bound": float(bound[0])},
    )


def _two_layers(first, second):
    """x -> second . ReLU(first x), no biases, double precision."""
    net = nn.Sequential(
        OrderedDict(
            fc1=nn.Linear(len(first[0]), len(first), bias=False),
            relu=nn.ReLU(),
            fc2=nn.Linear(len(second[0]), len(second), bias=False),
        )
    ).double()
    net.fc1.weight.data = torch.tensor(first, dtype=torch.float64)
    net.fc2.weight.data = torch.tensor(second, dtype=torch.float64)
    return net.eval()


@check("idio/lemma-jacobian-is-theta")
def lemma_jacobian_is_theta():
    """The derivative of f by X_G is Theta "by definition".

    By automatic differentiation. True of f(x) = Theta x. For f(x) = w_2 ReLU(w_1 x) the derivative
    is the product 6 for (w_1, w_2) = (2, 3), (6, 1) and (1, 6) alike, whose norms differ; and 0 at
    x < 0. Control: the linear model's derivative is not twice Theta.
    """
    x = torch.tensor([1.0], dtype=torch.float64)
    jacobian, norms = {}, {}
    for w1, w2 in ((2.0, 3.0), (6.0, 1.0), (1.0, 6.0)):
        net = _two_layers([[w1]], [[w2]])
        jacobian[w1, w2] = torch.autograd.functional.jacobian(net, x).item()
        norms[w1, w2] = w1 + w2
    dead = torch.autograd.functional.jacobian(_two_layers([[2.0]], [[3.0]]), -x).item()
    theta = torch.tensor([[1.0, -2.0], [3.0, 0.5]], dtype=torch.float64)
    linear = torch.autograd.functional.jacobian(lambda v: theta @ v, theta[0])
    return Evidence(
        holds=len(set(norms.values())) == 1,
        survives=torch.equal(linear, theta) and set(jacobian.values()) == {6.0},
        control=not torch.equal(linear, 2 * theta),
        margin=max(norms.values()) - min(norms.values()),
        found=f"(w_1, w_2) = (2, 3), (6, 1), (1, 6): derivative {set(jacobian.values())} with l1 "
        f"norms {sorted(norms.values())}; at x < 0 it is {dead:g}. Linear model: equal to Theta.",
        reference={"jacobian": 6.0, "dead": dead},
    )


@check("idio/lemma-2-expansion")
def lemma_2_expansion():
    """||f + X_D f' - t||^2 = ||f - t||^2 + 2 X_D f' (f - t) + X_D^2 f'^2.

    An identity for one input. For several, X_D^2 f'^2 must be read as ||J X_D||^2: element by
    element it is 2 where J = (1, 1) and X_D = (1, -1) cancel. All small integers. Control: the
    expansion without the factor 2 is rejected.
    """
    values, exact, printed, halved = range(-2, 3), [], [], []
    for j, d in product(product(values, repeat=2), repeat=2):
        change, single = dot(j, d), dot([a * a for a in j], [b * b for b in d])
        for r in values:
            rest = (r + change) ** 2 - r * r - 2 * change * r
            exact.append(rest == change**2)
            printed.append(abs(rest - single))
            halved.append(rest + change * r == change**2)
    alone = all(
        (r + j * d) ** 2 == r * r + 2 * j * d * r + d * d * j * j
        for r, j, d in product(values, repeat=3)
    )
    cancel = dot((1, 1), (1, -1)) ** 2, dot((1, 1), (1, 1))
    return Evidence(
        holds=max(printed) == 0,
        corrected=all(exact) and alone,
        control=not all(halved),
        margin=float(cancel[1] - cancel[0]),
        found=f"J = (1, 1), X_D = (1, -1): ||J X_D||^2 = {cancel[0]}, element by element "
        f"{cancel[1]}. With ||J X_D||^2 the identity is exact in all {len(exact)} cases, and for "
        "one input as printed.",
        reference={"elementwise": float(cancel[1]), "squared_norm": float(cancel[0])},
    )


@check("idio/lemma-2-cross-term")
def lemma_2_cross_term():
    """E[2 X_D f' (f - t)] = 0 because E[X_D] = 0.

    X_D = y, X_G = 100 y, t = 101 y, theta = 1: E[X_D] = 0, and the term is 2 E[y (100 y - 101 y)]
    = -2. It vanishes if E[X_D | X_G, t] = 0, as on the noise set. Control: without E[X_D] = 0
    (X_D = 1 added to the noise) the term does not vanish.
    """

    def term(data, theta, shift=0):
        """E[2 X_D f' (f - t)] for f = theta x."""
        return sum(2 * (d + shift) * theta * (theta * g - t) for g, d, t in data) / len(data)

    along, mean = term(ALONG, Fraction(1)), sum(d for _, d, _ in ALONG)
    noise = [term(NOISE, Fraction(k, 2)) for k in range(-3, 4)]
    shifted = term([row for row in NOISE if row[0] > 0], Fraction(2), shift=1)
    return Evidence(
        holds=mean != 0 or along == 0,
        survives=not any(noise),
        control=shifted != 0,
        margin=float(abs(along)),
        found=f"X_D along X_G, E[X_D] = {mean}: the term is {along}; X_D independent of X_G and t: "
        f"0 at all {len(noise)} thetas.",
        reference={"along": float(along)},
    )


@check("idio/lemma-2-second-order")
def lemma_2_second_order():
    """Drop O(X_D^2) in f, keep X_D^2 f'^2 in the loss.

    Both are of one order: the loss has (f'^2 + (f - t) f'') X_D^2. For f = x^2 at 1, t = 4 and
    X_D = +-h the mean loss is 9 - 2 h^2 + h^4, exactly: it falls, and the kept term says + 4 h^2.
    Right for linear f, or where f = t. Control: keeping half of f'^2 is rejected there.
    """
    h = Fraction(1, 100)

    def growth(f, t):
        """(mean loss at 1 +- h, less the loss at 1) / h^2."""
        return (sum((f(1 + s * h) - t) ** 2 for s in SIGNS) / 2 - (f(1) - t) ** 2) / h**2

    square, line = growth(lambda x: x * x, 4), growth(lambda x: 2 * x, 4)
    fitted = growth(lambda x: x * x, 1)
    return Evidence(
        holds=abs(square - 4) < 1,
        corrected=line == 4 and abs(fitted - 4) <= h,
        control=line != 2,
        margin=float(abs(square - 4)),
        found=f"f = x^2, t = 4: the loss grows by {float(square):.4f} h^2 and the kept term by 4 "
        f"h^2; linear f: {line} and 4; f = x^2 and t = 1, no residual: {float(fitted):.4f} and 4.",
        reference={"growth": float(square), "kept": 4.0},
    )


@check("idio/lemma-2-function-2")
def lemma_2_function_2():
    """The penalty E[X_D^2] (f')^2.

    E ||J X_D||^2 = tr(J S J^T) with S = E[X_D X_D^T], by enumeration of X_D. The printed form,
    element by element, is right if the inputs of X_D are uncorrelated; X_D = (z, -z) with
    J = (1, 1) has 0 and not 2 E[z^2]. Control: ||J||_F^2 E ||X_D||^2 is rejected.
    """
    cases = list(product(product((-1, 0, 2), repeat=2), repeat=2))  # two outputs, two inputs
    opposite = [(z, -z) for z in SIGNS]
    free = [(2 * a, b) for a in SIGNS for b in SIGNS]  # uncorrelated
    trace, single, crude = [], {"opposite": [], "free": []}, []
    for name, points in (("opposite", opposite), ("free", free)):
        n = Fraction(len(points))
        moment = [[sum(d[a] * d[b] for d in points) / n for b in (0, 1)] for a in (0, 1)]
        for jacobian in cases:
            true = sum(dot(j, d) ** 2 for j in jacobian for d in points) / n
            pairs = [(j[a], moment[a][b], j[b], a == b) for j in jacobian for a, b in INDICES]
            trace.append(true == sum(p * m * q for p, m, q, _ in pairs))
            single[name].append(sum(p * m * q for p, m, q, same in pairs if same) - true)
            size = sum(v * v for j in jacobian for v in j)
            crude.append(true == size * (moment[0][0] + moment[1][1]))
    return Evidence(
        holds=not any(single["opposite"]),
        corrected=all(trace) and not any(single["free"]),
        control=not all(crude),
        margin=float(max(single["opposite"])),
        found=f"{len(trace)} exact cases: tr(J S J^T) always; element by element off by up to "
        f"{max(single['opposite'])} for X_D = (z, -z), never for uncorrelated inputs.",
        reference={"largest_error": float(max(single["opposite"]))},
    )


@check("idio/lemmas-consequence")
def lemmas_consequence():
    """Shrinking a trained model makes it more robust.

    w_2 ReLU(w_1 x) is one function for (8, 1/2) and (2, 2): every prediction stays, the l1 norm
    falls from 8.5 to 4. And for f = x_1 + x_2 at x = (10, 1) the distance to the boundary in linf
    is 11/2; without the first weight it is 1, without the second one 10: which weights go
    decides. Control: "shrinking never helps" is rejected by the last.
    """
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)[:, None]
    large, small = _two_layers([[8.0]], [[0.5]]), _two_layers([[2.0]], [[2.0]])
    same = torch.equal(large(x), small(x))
    radius = {
        w: Fraction(abs(10 * w[0] + w[1]), sum(map(abs, w))) for w in ((1, 1), (0, 1), (1, 0))
    }
    scaled = Fraction(abs(10 + 1) * 3, 6)  # f = 3 x_1 + 3 x_2
    return Evidence(
        holds=not same or radius[0, 1] >= radius[1, 1],
        survives=scaled == radius[1, 1],
        control=radius[1, 0] > radius[1, 1],
        margin=float(radius[1, 1] - radius[0, 1]),
        found=f"(8, 1/2) and (2, 2): the same outputs on {len(x)} inputs, l1 norm 8.5 and 4. "
        f"x_1 + x_2 at (10, 1): radius {radius[1, 1]}; without x_1 {radius[0, 1]}, without x_2 "
        f"{radius[1, 0]}.",
        reference={"radius": 5.5, "without_first": 1.0, "without_second": 10.0},
    )


def _matrices(seed, count):
    """Random small integer matrices, zeros among them."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        rows, columns = torch.randint(1, 5, (2,), generator=generator).tolist()
        yield torch.randint(-3, 4, (rows, columns), generator=generator).double()


@check("idio/M1-norms")
def m1_norms():
    """Removing outputs (inputs) lowers the induced norm, "thus" the element-wise l1 norm.

    Random integer matrices, one output removed by `pruning.M1` itself. Our weight W is the
    paper's transposed: removed outputs are rows of W, the sums along them are its column sums,
    ``induced_l1``. No norm rises; the witnesses of the table are by hand. Control: the reading
    that both induced norms fall strictly is rejected.
    """
    rises, as_stated, both = 0, True, True
    for w in _matrices(0, 80):
        net = _two_layers(w.tolist(), [[1.0] * len(w)])
        active = torch.arange(len(w)) / len(w)  # the first unit goes
        share = min(100, 100 / len(w) + 1e-9)
        old = pruning.matrix_norms(w)
        new = pruning.matrix_norms(pruning.M1(p=share)(net, active).fc1.weight)
        falls = {k: new[k] < old[k] - 1e-9 for k in old}
        rises += sum(new[k] > old[k] + 1e-9 for k in old)
        columns, rows = w.abs().sum(0), w.abs().sum(1)
        as_stated &= falls["l1"] == bool(w[0].any())
        as_stated &= falls["induced_l1"] == bool(w[0, columns == columns.max()].all())
        alone = bool(w[0].any()) and bool((rows[1:] < rows[0]).all())
        as_stated &= falls["induced_linf"] == alone
        both &= falls["induced_l1"] and falls["induced_linf"]
    stays = pruning.matrix_norms(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))["induced_linf"]
    flat, tall = (
        pruning.matrix_norms(torch.tensor(m))
        for m in ([[1.0, 1.0], [1.0, 1.0]], [[0.0, 3.0], [0.0, 0.0]])
    )
    thus = flat["induced_l1"] < tall["induced_l1"] and flat["l1"] > tall["l1"]
    return Evidence(
        holds=both and not thus,
        corrected=rises == 0 and as_stated,
        control=not both and stays == 7,
        margin=float(rises),
        found=f"80 matrices: {rises} norms rise, each falls exactly where stated. Rows (3, 4), "
        f"(1, 1) without the second: the greatest row sum is still {stays:g}.",
        reference={"greatest_row_sum": stays, "flat_l1": flat["l1"], "tall_l1": tall["l1"]},
    )


@check("idio/M2-frobenius")
def m2_frobenius():
    """Setting trailing singular values to zero gives a smaller Frobenius norm.

    `pruning.M2` on random integer matrices: the squared norm falls by the removed squares, by
    none if they are zero. Control: the sentence for the element-wise l1 norm is rejected by rows
    (2, 1), (1, 0): 4 becomes 2 + 3 / sqrt 2.
    """
    worst, strict, grown = 0.0, True, 0
    for w in _matrices(1, 80):
        net = _two_layers(w.tolist(), [[1.0] * len(w)])
        after = pruning.M2(p=50)(net).fc1.weight
        cut = min(w.shape) // 2
        values = torch.linalg.svdvals(w)
        kept = values[: len(values) - cut].square().sum().item()
        old, new = pruning.matrix_norms(w), pruning.matrix_norms(after)
        worst = max(worst, abs(new["frobenius"] ** 2 - kept))
        grown += new["frobenius"] > old["frobenius"] + 1e-9
        removed = values[len(values) - cut :].square().sum().item()
        strict &= (new["frobenius"] < old["frobenius"] - 1e-9) == (removed > 1e-9)
    example = _two_layers([[2.0, 1.0], [1.0, 0.0]], [[1.0, 1.0]])
    l1 = pruning.matrix_norms(pruning.M2(p=50)(example).fc1.weight)["l1"]
    zero = _two_layers([[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0]])
    stays = pruning.matrix_norms(pruning.M2(p=50)(zero).fc1.weight)["frobenius"] == 0
    return Evidence(
        holds=not stays,
        corrected=grown == 0 and strict and worst < 1e-6,
        control=l1 > 4 and abs(l1 - (2 + 3 / math.sqrt(2))) < 1e-6,
        margin=l1 - 4,
        found=f"80 matrices: the Frobenius norm grows in {grown} and falls exactly where a removed "
        f"singular value is not zero; the l1 norm of (2, 1), (1, 0) grows from 4 to {l1:.2f}.",
        reference={"l1_after": l1},
    )
