"""Wen, Li & Jia (2020), sections 1.1 and 4.2.2, appendix B: what singular values say of a layer.

Norms of W delta and of ReLU(W delta), rows set to zero, products of layers, convolutions.
"""

from fractions import Fraction
from itertools import combinations, pairwise, product
from math import pi

import numpy as np
from scipy import integrate
from torch import as_tensor, nn

from ... import spectra
from .. import Evidence, check
from . import gains, paths

ROUNDING = paths.ROUNDING
FOLD = [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])]  # |x|


def singular(weight):
    """Singular values of a matrix, descending."""
    return np.linalg.svd(np.atleast_2d(weight), compute_uv=False)


def least_gain(weight):
    """Least ||W x|| / ||x|| over x orthogonal to the null space of W; infinite for W = 0."""
    values = singular(weight)
    return float(min(values[values > 1e-10 * max(1.0, values[0])], default=np.inf))


def differences(weights, x, biases=None, pool=1, step=1e-7):
    """Jacobian of the feature map at x by central differences: (m_L, d)."""
    ends = [
        [paths.feature_map(weights, x + s * step * unit, biases, pool) for s in (1, -1)]
        for unit in np.eye(len(x))
    ]
    return np.column_stack([(up - down) / (2 * step) for up, down in ends])


def masks(rows, keep=1):
    """Every choice of rows to keep, at least ``keep`` of them, as 0/1 arrays."""
    return [np.array(m, float) for m in product((0, 1), repeat=rows) if sum(m) >= keep]


@check("reg/sec1.1-norm-sandwich")
def norm_sandwich():
    """Section 1.1: x not in null(W) implies ||W x|| in [sigma_min ||x||, sigma_max ||x||].

    W = (1 0), x = (1/10, 1): ||W x|| = 0.1, not in the null space, sigma_min ||x|| = 1.005.
    Corrected: x *orthogonal to* null(W), sigma_min the least singular value that is not 0. Every
    shape up to 4 x 4, rank-deficient ones too; the singular vectors attain both ends. Control:
    the next larger singular value as lower end.
    """
    x = (Fraction(1, 10), Fraction(1))
    gain = x[0] ** 2 / (x[0] ** 2 + x[1] ** 2)  # squared; sigma_min = 1
    rng = np.random.default_rng(0)
    inside, control = True, False
    for m, n in product(range(1, 5), repeat=2):
        for _ in range(10):
            weight = rng.integers(-2, 3, size=(m, n)).astype(float)
            values = singular(weight)
            values = values[values > 1e-9]
            if not len(values):
                continue
            z = weight.T @ rng.normal(size=m)  # the row space: orthogonal to the null space
            ratio = np.linalg.norm(weight @ z) / np.linalg.norm(z)
            inside &= values[-1] - ROUNDING <= ratio <= values[0] + ROUNDING
            control |= len(values) > 1 and ratio < values[-2] - 1e-6
    return Evidence(
        holds=gain >= 1,
        corrected=bool(inside),
        control=bool(control),
        margin=float(1 - gain),
        found="W = (1 0), x = (1/10, 1): ‖Wx‖ = 0.1 < 1.005 = σ_min‖x‖. For x in the row space "
        "160 integer matrices of all shapes up to 4 × 4 keep both ends.",
        reference={"squared gain": float(gain)},
    )


@check("reg/sec1.1-variance")
def variance():
    """Section 1.1: equal singular values imply Var ||W delta|| = 0 over delta of one norm.

    W = (1 0) has one singular value, 1, and ||W delta|| = |cos| on the unit circle: variance
    1/2 - 4/pi^2, of the square 1/8. Corrected: W of trivial null space (at least as many rows as
    columns), for which W^T W = sigma^2 I. In general Var ||W delta||^2 = 2 c^4 / (d + 2) Var of all
    d squared singular values, zeros included; against quadrature over circle and sphere.
    Controls: the zeros left out; d in place of d + 2.
    """
    along, _ = integrate.quad(lambda a: abs(np.cos(a)) / (2 * pi), 0, 2 * pi, points=[1.5 * pi])
    along = 2 / pi if abs(along - 2 / pi) < 1e-6 else np.nan
    turn = np.array([[3, -4], [4, 3]])  # 5 times a rotation
    tall = np.vstack([turn, turn])
    isometric = (turn.T @ turn == 25 * np.eye(2)).all() and (tall.T @ tall == 50 * np.eye(2)).all()
    circle = np.exp(2j * pi * np.arange(16) / 16)
    points = {2: np.column_stack([circle.real, circle.imag])}
    height, weights = np.polynomial.legendre.leggauss(6)
    ring = np.sqrt(1 - height**2)
    points[3] = np.array(
        [[r * z.real, r * z.imag, h] for h, r in zip(height, ring, strict=True) for z in circle]
    )
    share = {2: np.full(16, 1 / 16), 3: np.repeat(weights / 2, 16) / 16}
    rng, worst, bare, other = np.random.default_rng(1), 0.0, 0.0, 0.0
    for rows, d in product((1, 2, 3, 4), (2, 3)):
        weight = rng.normal(size=(rows, d))
        squares = ((points[d] @ weight.T) ** 2).sum(1)  # a quadratic: both rules are exact
        truth = share[d] @ squares**2 - (share[d] @ squares) ** 2
        values = singular(weight)
        worst = max(worst, abs(truth - gains.squared_norm_variance(values, d)))
        bare = max(bare, abs(truth - 2 / (d + 2) * (values**2).var()))
        other = max(other, abs(truth - gains.squared_norm_variance(values, d) * (d + 2) / d))
    exact = gains.squared_norm_variance([1.0], 2)
    return Evidence(
        holds=exact == 0,
        corrected=bool(isometric and worst < ROUNDING),
        control=bool(bare > 0.01 and other > 0.01),
        margin=exact,
        found=f"W = (1 0): Var‖Wδ‖² = {exact:g}, Var‖Wδ‖ = {0.5 - along**2:.4f}. Square and tall "
        "matrices with equal singular values, in whole numbers: WᵀW = σ²I. The formula with zeros "
        "agrees with quadrature on 8 random shapes to 1e-9; without zeros it is off by "
        f"{bare:.2f}.",
        reference={"variance of the square": exact, "variance of the norm": 0.5 - 4 / pi**2},
    )


@check("reg/sec1.1-relu")
def relu_variance():
    """Section 1.1: the same for ReLU(W delta), "by Cauchy interlacing".

    W = (1): ReLU(delta) is 1 or 0 at delta = 1, -1; variance 1/4. For W = I in d dimensions the
    variance of ||ReLU(delta)||^2 is 3 / (4 (d + 2)): 1/4, 3/16, 3/20, ...
    Survives: ||ReLU(z)||^2 + ||ReLU(-z)||^2 = ||z||^2, so the mean square is half that of W delta;
    and ||ReLU(W delta)|| <= sigma_max ||delta||. Controls: the mean is claimed to be all of it;
    and W delta itself shows no variance to the same machine.
    """
    one = np.array([1.0, 0.0]).var()

    def moments(f):
        first, second = (
            integrate.quad(lambda a, k=k: f(a) ** k / (2 * pi), 0, 2 * pi, points=[pi / 2, pi])[0]
            for k in (1, 2)
        )
        return first, second - first**2

    def clipped(a):
        return max(np.cos(a), 0) ** 2 + max(np.sin(a), 0) ** 2

    mean, var = moments(clipped)
    linear = moments(lambda a: np.cos(a) ** 2 + np.sin(a) ** 2)[1]
    z = np.random.default_rng(2).integers(-9, 10, size=(200, 5))
    halves = (np.maximum(z, 0) ** 2).sum(1) + (np.maximum(-z, 0) ** 2).sum(1)
    survives = (halves == (z**2).sum(1)).all()
    agrees = abs(var - 3 / 16) < 1e-7 and one == 3 / 12
    return Evidence(
        holds=bool(one == 0),
        control=bool(survives and agrees) and linear < 1e-12 and abs(mean - 1) > 0.4,
        margin=float(one),
        found=f"W = (1), δ = ±1: ReLU(Wδ) = 1, 0, variance {one:g}. W = I in the plane: "
        f"{var:.4f} = 3/16 by quadrature, mean {mean:.2f}. ‖ReLU(z)‖² + ‖ReLU(−z)‖² = ‖z‖² on 200 "
        "integer vectors.",
        reference={"d = 1": 0.25, "d = 2": 3 / 16},
    )


@check("reg/sec1.1-argmax-magnitude")
def largest_magnitude():
    """Section 1.1: "the output coordinate with the largest magnitude, argmax_i f_i(x)".

    Scores (-3, 1): the largest magnitude is the first, the argmax the second. Corrected: largest
    value; the two agree if no score is negative. Control: "if the largest score is positive".
    """
    vectors = list(product(range(-3, 4), repeat=3))
    by_value = [s.index(max(s)) for s in vectors]
    by_size = [max(range(3), key=lambda i, s=s: abs(s[i])) for s in vectors]
    differ = [s for s, a, b in zip(vectors, by_value, by_size, strict=True) if a != b]
    return Evidence(
        holds=not differ,
        corrected=not any(min(s) >= 0 for s in differ),
        control=any(max(s) > 0 for s in differ),
        margin=float(len(differ)),
        found=f"{len(differ)} of {len(vectors)} score vectors are read differently, (−3, 1) "
        "among two; none without a negative score.",
        reference={"read differently": float(len(differ))},
    )


@check("reg/sec1.1-margin-variance")
def margin_variance():
    """Section 1.1: the variance of margins is piecewise linear in the variance of the scores.

    It is no function of it. Z = +-1: scores (Z, Z) and (Z, -Z) have the same variances, 1 and 1;
    their margins 0 and 2 Z have variance 0 and 4. Survives: Var M <= 2 sum Var s_i, since a margin
    is sqrt(2)-Lipschitz in the scores; (Z, -Z) attains it. Random finite laws, in fractions.
    Control: the constant 1.
    """

    def var(values):
        mean = sum(values, Fraction(0)) / len(values)
        return sum((v - mean) ** 2 for v in values) / len(values)

    same, opposite = [(1, 1), (-1, -1)], [(1, -1), (-1, 1)]
    margins = [var([Fraction(s - t) for s, t in law]) for law in (same, opposite)]
    scores = [
        [var([Fraction(v) for v in c]) for c in zip(*law, strict=True)] for law in (same, opposite)
    ]
    rng = np.random.default_rng(3)
    largest = Fraction(0)
    for _ in range(300):
        law = [[Fraction(int(v)) for v in row] for row in rng.integers(-4, 5, size=(4, 3))]
        total = sum(var(list(column)) for column in zip(*law, strict=True))
        spread = var([row[0] - max(row[1:]) for row in law])
        largest = max(largest, spread / total)
    return Evidence(
        holds=scores[0] != scores[1] or margins[0] == margins[1],
        control=1 < largest <= 2 and margins[1] == 2 * sum(scores[1]),
        margin=float(margins[1] - margins[0]),
        found=f"Score variances (1, 1) twice, margin variances {margins[0]} and {margins[1]}. On "
        f"300 random laws Var M is at most {float(largest):.2f} times the sum of the scores' "
        "variances; 2 is the limit, attained above.",
        reference={"margin variance": float(margins[1]), "largest quotient": float(largest)},
    )


@check("reg/sec4.2.1-loss-vs-margin")
def loss_and_margin():
    """Section 4.2.1: cross entropy maps one-to-one to the estimated probability, not to the margin.

    -log is strictly decreasing. Scores (1, 0, 0) and (1, 0, -1) have margin 1 and losses 0.551 and
    0.408; all that margins leave is log(1 + e^-M) <= loss <= log(1 + (K - 1) e^-M). Control: for
    two classes "not" is wrong, loss = log(1 + e^-M), and the same search must see that.
    """

    def loss(s):
        return float(np.log(np.exp(np.asarray(s, float) - s[0]).sum()))

    def margin(s):
        return s[0] - max(s[1:])

    def determined(classes):
        known = {}
        for s in product(range(-3, 4), repeat=classes):
            known.setdefault(margin(s), set()).add(round(loss(s), 9))
        return all(len(losses) == 1 for losses in known.values())

    p = np.linspace(0.001, 0.999, 999)
    monotone = bool((np.diff(-np.log(p)) < 0).all())
    between = all(
        np.log1p(np.exp(-margin(s))) - 1e-9 <= loss(s) <= np.log1p(2 * np.exp(-margin(s))) + 1e-9
        for s in product(range(-3, 4), repeat=3)
    )
    pair = loss((1, 0, 0)), loss((1, 0, -1))
    return Evidence(
        holds=monotone and between and pair[0] != pair[1] and not determined(3),
        control=determined(2),
        margin=pair[0] - pair[1],
        found=f"Scores (1, 0, 0) and (1, 0, −1): margin 1, losses {pair[0]:.3f} and {pair[1]:.3f}. "
        "All losses of 343 score vectors lie between the two curves of the margin. With two "
        "classes the margin determines the loss.",
        reference={"loss of (1, 0, 0)": pair[0], "loss of (1, 0, -1)": pair[1]},
    )


@check("reg/def-7-spectral-complexity")
def spectral_complexity():
    """Def. 7: SC = prod ||W_i||_2, an upper bound on the Lipschitz constant.

    For the chains of eq. 2 with ReLU and maxima over disjoint groups. Overlapping groups break it:
    (max(x1, x2), max(x2, x3)) at x2 largest moves by sqrt 2 with W = I; so does a skip connection,
    x + ReLU(x), which moves by 2 with W = 1, and the paper's networks have those.
    Corrected: with these conditions; 200 random networks along segments. Control: half of it.
    """
    before, after = np.array([0.0, 1.0, 0.0]), np.array([0.0, 2.0, 0.0])
    pooled = [np.maximum(x[:-1], x[1:]) for x in (before, after)]
    overlap = float(np.linalg.norm(pooled[1] - pooled[0]))
    skip = 2.0 + max(2.0, 0) - (1.0 + max(1.0, 0))
    rng = np.random.default_rng(4)
    fine, control = True, False
    for _ in range(200):
        weights, biases, pool, x, x_prime = paths.random_case(rng)
        regions = paths.segment_regions(weights, x, x_prime, biases, pool)
        length = regions.widths @ np.linalg.norm(regions.velocity, axis=1)
        bound = np.prod([singular(w)[0] for w in weights]) * np.linalg.norm(x - x_prime)
        fine &= bool(length <= bound * (1 + ROUNDING))
        control |= bool(length > 0.5 * bound)
    return Evidence(
        holds=overlap <= 1 and skip <= 1,
        corrected=fine,
        control=control,
        margin=skip - 1,
        found=f"W = I: overlapping maxima stretch by {overlap:.3f}, a skip connection by {skip:g}, "
        "SC = 1. 200 networks with ReLU and disjoint maxima: never above.",
        reference={"overlapping maxima": overlap, "skip connection": skip},
    )


@check("reg/fact-jacobian-product")
def jacobian_product():
    """App. C.2: the Jacobian of I_l is a product of W_i with rows set to zero, max pooling too.

    With ReLU, off the kinks, yes. Pooling *chooses* rows: max(x, 2x) at x > 0 has W = (1, 2)^T and
    the 1 x 1 Jacobian (2), while W with a row set to zero is 2 x 1. Corrected: of every disjoint
    group one row is kept and the others are deleted, or all set to zero. (Overlapping groups may
    keep a row twice, which raises norms.) Against differences inside a piece, where the network is
    linear. Control: the row that lost.
    """
    kinked = [np.array([[1.0], [2.0]])]
    regions = paths.segment_regions(kinked, [1.0], [2.0], pool=2)
    zeroed = np.array([[0.0], [2.0]])
    rng, fine = np.random.default_rng(5), True
    for _ in range(100):
        weights, biases, pool, x, x_prime = paths.random_case(rng)
        crossed = paths.segment_regions(weights, x, x_prime, biases, pool)
        j = int(crossed.widths.argmax())
        at = x + (crossed.t[j] + crossed.t[j + 1]) / 2 * (x_prime - x)
        slopes = differences(weights, at, biases, pool)
        error = np.abs(slopes - crossed.jacobian(weights, j)).max()
        fine &= bool(error < 1e-5 * (1 + np.abs(slopes).max()))
    steep = differences(kinked, np.array([1.5]), pool=2)
    return Evidence(
        holds=regions.jacobian(kinked, 0).shape == zeroed.shape,
        corrected=fine,
        control=bool(abs(steep[0, 0] - kinked[0][0, 0]) > 0.5),
        margin=1.0,
        found="max(x, 2x) at x > 0: Jacobian (2), one number; (1, 2)ᵀ with a row set to zero has "
        "two. With rows chosen the product is the Jacobian on 100 random networks, by differences.",
        reference={"Jacobian": float(regions.jacobian(kinked, 0)[0, 0])},
    )


@check("reg/eq-7")
def eq_7():
    """Eq. 7: ||I(x) - I(x')|| = ||int J(x - t (x' - x)) dt (x - x')||.

    The path x - t (x' - x) leaves x *away* from x'. ReLU from 1 to -1: left side 1, but J = 1 on
    the way from 1 to 3 makes the right side 2. Corrected: x + t (x' - x). Control: the Jacobians of
    the pieces averaged without their widths.
    """
    away = paths.segment_regions([[[1.0]]], [1.0], [3.0])
    printed = float(np.linalg.norm(away.widths @ away.velocity))
    left = float(np.maximum(1.0, 0) - np.maximum(-1.0, 0))
    rng, worst, bare = np.random.default_rng(6), 0.0, 0.0
    for _ in range(100):
        weights, biases, pool, x, x_prime = paths.random_case(rng)
        regions = paths.segment_regions(weights, x, x_prime, biases, pool)
        moved = paths.feature_map(weights, x_prime, biases, pool)
        moved = moved - paths.feature_map(weights, x, biases, pool)
        size = max(1.0, np.linalg.norm(moved))
        worst = max(worst, np.linalg.norm(moved - regions.widths @ regions.velocity) / size)
        bare = max(bare, np.linalg.norm(moved - regions.velocity.mean(0)) / size)
    return Evidence(
        holds=printed == left,
        corrected=bool(worst < ROUNDING),
        control=bool(bare > 0.1),
        margin=printed - left,
        found=f"ReLU, x = 1, x′ = −1: left side {left:g}, right side as printed {printed:g}. With "
        "x + t(x′ − x) both agree to 1e-9 on 100 random networks.",
        reference={"left": left, "printed": printed},
    )


@check("reg/cor-C.1")
def corollary_c_1():
    """Corollary C.1: Lemma 3.1 for I_l = W_l g(...), linear at the end, again with "=".

    |x| is (1 1) ReLU((1 -1)^T x): from -1 to 1 left side 0, right side 2. Corrected: "<=", and
    "=" exactly if all pieces that move point one way; so for a single number exactly where it is
    monotone, which is all that eq. 12 uses. Control: ">=".
    """
    inner, outer = FOLD

    def both(weights, last, x, x_prime, biases=None, pool=1):
        regions = paths.segment_regions(weights, x, x_prime, biases, pool)
        velocity = regions.velocity @ np.asarray(last).T
        ends = np.linalg.norm(regions.widths @ velocity)
        return ends, regions.widths @ np.linalg.norm(velocity, axis=1), velocity

    left, right, _ = both([inner], outer, [-1.0], [1.0])
    rng, fine, strict = np.random.default_rng(7), True, 0
    for k in range(150):
        weights, biases, pool, x, x_prime = paths.random_case(rng)
        outputs = 1 if k % 2 else 3
        last = rng.normal(size=(outputs, len(weights[-1]) // pool))
        ends, length, velocity = both(weights, last, x, x_prime, biases, pool)
        slack = length - ends
        fine &= slack >= -ROUNDING * max(1, length)
        fine &= (slack <= ROUNDING * max(1, length)) == paths.one_direction(velocity)
        strict += slack > ROUNDING * max(1, length)
    return Evidence(
        holds=bool(left == right),
        corrected=bool(fine),
        control=bool(strict > 0),
        margin=float(right - left),
        found=f"∣x∣ from −1 to 1: {left:g} and {right:g}. 150 random networks with a linear last "
        f"layer: ≤ always, = where all pieces move one way and nowhere else, < on {strict}.",
        reference={"left": float(left), "right": float(right)},
    )


@check("reg/sec4.2.2-weights")
def segment_weights():
    """Section 4.2.2: the n terms ||W^{q_j} delta|| enter weighted by 1 / (e_j - s_j).

    They enter with e_j - s_j. |x| from -1 to 1 in two halves: 1/2 2 + 1/2 2 = 2, the length of the
    way; with 1 / (1/2) it is 8. Corrected form against polylines through 4000 points. Control: no
    weights.
    """
    regions = paths.segment_regions(FOLD, [-1.0], [1.0])
    norms = np.linalg.norm(regions.velocity, axis=1)
    right, printed = regions.widths @ norms, (1 / regions.widths) @ norms
    rng, fine, bare = np.random.default_rng(8), True, False
    for _ in range(10):
        weights, biases, pool, x, x_prime = paths.random_case(rng)
        found = paths.segment_regions(weights, x, x_prime, biases, pool)
        t = np.union1d(np.linspace(0, 1, 400), found.t)
        way = [paths.feature_map(weights, x + s * (x_prime - x), biases, pool) for s in t]
        polyline = np.linalg.norm(np.diff(way, axis=0), axis=1).sum()
        norms = np.linalg.norm(found.velocity, axis=1)
        fine &= abs(polyline - found.widths @ norms) <= 1e-7 * max(1, polyline)
        bare |= abs(polyline - norms.sum()) > 0.1
    return Evidence(
        holds=bool(printed == right),
        corrected=bool(fine),
        control=bool(bare),
        margin=float(printed - right),
        found=f"∣x∣ from −1 to 1: weighted by e − s {right:g}, by 1/(e − s) {printed:g}. Polylines "
        "through 400 points and all breaks have the length with e − s on 10 random networks.",
        reference={"length": float(right), "printed": float(printed)},
    )


@check("reg/fact-cauchy-interlacing")
def cauchy_interlacing():
    """Deleting r rows: sigma_i(A) >= sigma_i(B) >= sigma_{i+r}(A), with 0 beyond the last.

    Courant-Fischer: ||B x|| <= ||A x||, with equality on a subspace of codimension r. Every choice
    of rows of 120 integer matrices of all shapes up to 5 x 5. Controls: sigma_{i+r-1} on the right;
    sigma_{i+1}(A) >= sigma_i(B).
    """
    rng, holds, low, high, tried = np.random.default_rng(9), True, False, False, 0
    for _ in range(120):
        rows, columns = rng.integers(1, 6, size=2)
        whole = rng.integers(-2, 3, size=(rows, columns)).astype(float)
        a = np.r_[singular(whole), np.zeros(12)]
        for kept in range(1, rows + 1):
            for chosen in combinations(range(rows), kept):
                b, r = singular(whole[list(chosen)]), rows - kept
                n = len(b)
                tried += 1
                holds &= (a[:n] >= b - ROUNDING).all() and (b >= a[r : r + n] - ROUNDING).all()
                if r:
                    low |= not (b >= a[r - 1 : r - 1 + n] - 1e-6).all()
                    high |= not (a[1 : n + 1] >= b - 1e-6).all()
    return Evidence(
        holds=bool(holds),
        control=bool(low and high),
        margin=0.0,
        found=f"{tried} submatrices of 120 integer matrices: never broken; both sharper forms are.",
        reference={"submatrices": float(tried)},
    )


@check("reg/eq-14-single-wide")
def single_wide():
    """Eq. 14, one layer, rows <= columns: ||W^q x|| >= sigma_min(W) ||x|| for x _|_ null(W^q).

    W^q with k rows left has rank at most k; if it has, its least singular value sigma_k is at least
    sigma_{k+r}(W) = sigma_m(W) by interlacing. If not, W too has dependent rows and sigma_m = 0.
    The least gain of every W^q of 100 matrices, some of deficient rank. Controls: x merely not in
    null(W^q); sigma_{m-1} on the right.
    """
    rng, worst, sharper = np.random.default_rng(10), np.inf, False
    for k in range(100):
        rows = int(rng.integers(1, 5))
        weight = rng.normal(size=(rows, rows + int(rng.integers(0, 3))))
        if k % 10 == 0 and rows > 1:
            weight[-1] = weight[0]
        values = singular(weight)
        for mask in masks(rows):
            gain = least_gain(mask[:, None] * weight)
            worst = min(worst, gain - values[-1] * (values[-1] > 1e-10))
            sharper |= rows > 1 and gain < values[-2] - 1e-6
    loose = np.linalg.norm(np.array([[1.0, 0.0]]) @ [0.1, 1.0]) < np.linalg.norm([0.1, 1.0])
    return Evidence(
        holds=bool(worst >= -ROUNDING),
        control=bool(sharper and loose),
        margin=float(worst),
        found="Every choice of rows of 100 matrices with rows ≤ columns: the least gain on the "
        "row space is never below σ_min(W).",
        reference={"matrices": 100.0},
    )


@check("reg/eq-14-single-tall")
def single_tall():
    """Eq. 14, one layer with more rows than columns.

    W = (1, 1)^T has sigma_min = sqrt 2; with the second row set to zero, x = 1 has ||W^q x|| = 1.
    Survives: the least gain over the patterns that occur, in place of sigma_min(W); and of a
    pattern and its complement one keeps sigma_min / sqrt 2, since their squares add up to W's.
    Control: rows <= columns, which the same search does not break.
    """
    tall = np.array([[1.0], [1.0]])
    gain = least_gain(np.array([[1.0], [0.0]]) * tall)
    rng, broken, wide, halves = np.random.default_rng(11), 0, 0, True
    for _ in range(50):
        weight, x = rng.normal(size=(5, 3)), rng.normal(size=3)
        for mask in masks(5):
            broken += least_gain(mask[:, None] * weight) < singular(weight)[-1] - 1e-9
            parts = [np.linalg.norm(m * (weight @ x)) for m in (mask, 1 - mask)]
            floor = singular(weight)[-1] * np.linalg.norm(x) / np.sqrt(2)
            halves &= max(parts) >= floor - ROUNDING
        for mask in masks(3):
            wide += least_gain(mask[:, None] * weight.T) < singular(weight)[-1] - 1e-9
    return Evidence(
        holds=bool(gain >= np.sqrt(2)),
        control=bool(wide == 0 and halves and broken > 0),
        margin=float(np.sqrt(2) - gain),
        found=f"W = (1, 1)ᵀ without its second row: gain {gain:g} < 1.414. Of 1550 patterns of 50 "
        f"random 5 × 3 matrices {broken} fall below σ_min; of their transposes none.",
        reference={"gain": gain, "sigma_min": float(np.sqrt(2))},
    )


@check("reg/eq-14-product")
def eq_14_product():
    """Eq. 14 for products, "since the multiplication of matrices are also a matrix".

    A row set to zero in one layer takes a *column* from the next, and no interlacing helps with
    columns of a wide matrix. W_1 = I, W_2 = (1 1), second unit off: the product is (1 0), and
    x = (1, 0) has gain 1, sigma_min(W_1) sigma_min(W_2) = sqrt 2. No layer is tall.
    Survives: without masks and with widths that do not grow, sigma_min of the product is at least
    the product. Control: the same where a width grows, W_1 = (1, 1)^T, W_2 = (1 0).
    """
    first, second = np.eye(2), np.array([[1.0, 1.0]])
    gain = least_gain(second @ np.diag([1.0, 0.0]) @ first)
    printed = float(singular(first)[-1] * singular(second)[-1])
    rng, kept = np.random.default_rng(12), True
    for _ in range(200):
        sizes = sorted(rng.integers(1, 6, size=4), reverse=True)
        chain = [rng.normal(size=(m, n)) for n, m in pairwise(sizes)]
        whole = np.linalg.multi_dot(chain[::-1])
        kept &= least_gain(whole) >= np.prod([singular(w)[-1] for w in chain]) * (1 - 1e-6)
    grows = np.array([[1.0], [1.0]]), np.array([[1.0, 0.0]])
    below = least_gain(grows[1] @ grows[0]) < np.prod([singular(w)[-1] for w in grows]) - 0.1
    return Evidence(
        holds=bool(gain >= printed),
        control=bool(kept and below),
        margin=printed - gain,
        found=f"W₁ = I, W₂ = (1 1), second unit off: gain {gain:g} against {printed:.3f}. Without "
        "masks and with shrinking widths 200 random products of three layers keep the bound.",
        reference={"gain": gain, "product of sigma_min": printed},
    )


def torus_matrix(kernel, height, width):
    """Dense matrix of a stride-1 convolution with wrap-around, tap by tap: (out, in)."""
    c_out, c_in, taps, across = kernel.shape
    matrix = np.zeros((c_out, height, width, c_in, height, width))
    for i, j, a, b in product(range(height), range(width), range(taps), range(across)):
        matrix[:, i, j, :, (i + a) % height, (j + b) % width] += kernel[:, :, a, b]
    return matrix.reshape(c_out * height * width, c_in * height * width)


def padded_matrix(kernel, size, stride=1):
    """Dense matrix of the layer as networks apply it: zeros beyond the border, any stride."""
    c_out, c_in, taps, across = kernel.shape
    layer = nn.Conv2d(
        c_in, c_out, (taps, across), stride=stride, padding=(taps // 2, across // 2), bias=False
    ).double()
    layer.weight.data = as_tensor(kernel)
    return spectra.operator_matrix(layer, (c_in, *size)).numpy()


@check("reg/fact-sedghi")
def fact_sedghi():
    """Sedghi et al.: a periodic stride-1 convolution has the singular values of its frequencies.

    The Fourier basis is unitary and makes the matrix block-diagonal, one C_out x C_in block per
    frequency. Against the dense matrix written tap by tap. Controls: the kernel reshaped to C_out
    rows; the transform taken at the kernel's size.
    """
    rng, worst, reshaped, small = np.random.default_rng(13), 0.0, 0.0, 0.0
    for c_out, c_in, size in ((1, 1, (4, 5)), (2, 3, (5, 4)), (3, 2, (4, 4))):
        kernel = rng.normal(size=(c_out, c_in, 3, 3))
        dense = singular(torus_matrix(kernel, *size))
        values = np.sort(spectra.conv_singular_values(as_tensor(kernel), size).numpy().ravel())
        worst = max(worst, np.abs(values[::-1] - dense).max())
        reshaped = max(reshaped, abs(singular(kernel.reshape(c_out, -1))[0] - dense[0]))
        cut = spectra.conv_singular_values(as_tensor(kernel), (3, 3)).numpy().max()
        small = max(small, abs(cut - dense[0]))
    return Evidence(
        holds=bool(worst < ROUNDING),
        control=bool(reshaped > 0.1 and small > 0.01),
        margin=float(worst),
        found="Three kernels on maps of 16 to 20 pixels: all singular values of the dense matrix "
        f"to 1e-9. The reshaped kernel misses the largest by {reshaped:.2f}.",
        reference={"kernels": 3.0},
    )


@check("reg/sedghi-scope")
def sedghi_scope():
    """Figs. 1a, 5c, 5d: values so computed as those of layers with zero padding and stride 2.

    Taps (0, 0, 1) on three pixels: round the torus a permutation, 1, 1, 1; with a zero beyond the
    border 1, 1, 0. At stride 2 the layer has other values and fewer.
    Survives: a zero-padded layer is a submatrix of the periodic one on a map longer by half a
    kernel, so each of its values is at most that one's (interlacing). Control: at most those on
    the map of its own size, which (0, 1, -1) on three pixels breaks.
    """
    shift = np.array([[[[0.0, 0.0, 1.0]]]])
    torus, applied = singular(torus_matrix(shift, 1, 3)), singular(padded_matrix(shift, (1, 3)))
    two = singular(padded_matrix(shift, (1, 4), stride=(1, 2)))
    rng, below = np.random.default_rng(14), True
    for _ in range(20):
        kernel = rng.normal(size=(2, 2, 3, 3))
        inner = singular(padded_matrix(kernel, (4, 4)))
        below &= (inner <= singular(torus_matrix(kernel, 5, 5))[: len(inner)] + ROUNDING).all()
    slope = np.array([[[[0.0, 1.0, -1.0]]]])
    own = singular(padded_matrix(slope, (1, 3)))[0] - singular(torus_matrix(slope, 1, 3))[0]
    return Evidence(
        holds=bool(np.allclose(torus, applied)) and len(two) == 4,
        control=bool(below and own > 0.01),
        margin=float(torus[-1] - applied[-1]),
        found=f"Taps (0, 0, 1) on three pixels: periodic {torus.round(6).tolist()}, zero-padded "
        f"{applied.round(6).tolist()}; stride 2 on four pixels has {len(two)} values, not 4. 20 "
        "random kernels: zero-padded values at most those of the torus one pixel larger.",
        reference={"least, periodic": float(torus[-1]), "least, padded": float(applied[-1])},
    )
