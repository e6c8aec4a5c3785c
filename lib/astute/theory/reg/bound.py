"""Wen, Li & Jia (2020), appendix C: from the instance-space margin to the margin.

The proof of Theorem 3.1 needs a lower bound on the margin u(x) by the distance v(x) to the decision
boundary, equation 5. This module has the boundary of a small network exactly, and looks at each
step from there: all counterexamples have one hidden layer and no biases, as the paper's networks.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
from scipy.optimize import nnls

from .. import Evidence, check
from . import paths

ROUNDING = paths.ROUNDING
#: u(x) = x for one input, as ReLU(x) - ReLU(-x): the smallest network that breaks equation 5.
IDENTITY = np.array([[1.0], [-1.0]]), np.array([1.0, -1.0])
#: u = x1 on the lower part of the quadrant, 2 x1 - 2 x2 above x2 = x1 / 2: one bend, then zero.
BEND = (
    np.array([[1.0, 0.0], [-1.0, 0.0], [-0.5, 1.0]]),
    np.array([1.0, -1.0, -2.0]),
)
#: u = x1 + 3 x2, then 3 x1 - 3 x2 above x2 = x1 / 3: rises on the way to its zero at x1 = x2.
RISE = (
    np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [-1 / 3, 1.0]]),
    np.array([1.0, -1.0, 3.0, -6.0]),
)


def difference(network, x):
    """u(x) = (w_y - w_rival)^T ReLU(W x) of a network (W, w_y - w_rival)."""
    weight, last = network
    return float(last @ np.maximum(weight @ np.asarray(x, dtype=float), 0))


def boundary(network, x):
    """Nearest point to x with u = 0, exactly: every pattern of active units is tried.

    Where a pattern holds, u is linear and its zeros are a polyhedral cone {z : G z >= 0, a z = 0}.
    After a projection onto a z = 0, by Moreau, the nearest point of the cone is x minus its
    projection onto the polar cone, which is a non-negative least squares problem.

    Returns
    -------
    (float, array (d,))
        Distance v(x) and the point.

    Examples
    --------
    >>> distance, point = boundary(BEND, [1.0, 0.0])
    >>> round(distance**2, 12), point.round(12).tolist()
    (0.5, [0.5, 0.5])
    """
    weight, last = network
    x = np.asarray(x, dtype=float)
    best = np.inf, None
    for active in product((0.0, 1.0), repeat=len(weight)):
        inside = (2 * np.array(active) - 1)[:, None] * weight
        slope = (last * active) @ weight
        level = np.eye(len(x))
        if (size := np.linalg.norm(slope)) > 1e-12:
            level -= np.outer(slope, slope) / size**2
        polar = -level @ inside.T
        polar /= np.maximum(np.linalg.norm(polar, axis=0), 1e-12)
        point = level @ x - polar @ nnls(polar, level @ x)[0]
        distance = float(np.linalg.norm(x - point))
        zero = abs(difference(network, point)) <= 1e-7 * (1 + size)  # else rounding won
        if zero and distance < best[0] - 1e-12:
            best = distance, point
    return best


def printed_margin(network, distance):
    """Equation 5: ||w_y - w_rival|| times the smallest singular value of W times v."""
    weight, last = network
    smallest = np.linalg.svd(weight, compute_uv=False)[-1]
    return float(np.linalg.norm(last) * smallest * distance)


def largest_margin(network, distance):
    """The same with the largest singular value: no margin exceeds it."""
    weight, last = network
    return float(np.linalg.norm(last) * np.linalg.norm(weight, 2) * distance)


def way(network, x, points=601):
    """u on the straight way from x to its nearest boundary point: (points,)."""
    _, end = boundary(network, x)
    x = np.asarray(x, dtype=float)
    return np.array([difference(network, x + t * (end - x)) for t in np.linspace(0, 1, points)])


def decreases(values):
    """Whether a sequence never rises, rounding apart."""
    return bool((np.diff(values) <= ROUNDING).all())


def pieces(network, x):
    """(widths, gradients of u) along the way from x to its nearest boundary point."""
    weight, last = network
    _, end = boundary(network, x)
    regions = paths.segment_regions([weight], x, end)
    slopes = [last @ regions.jacobian([weight], j) for j in range(len(regions))]
    return regions.widths, np.array(slopes)


def plane_slopes(network):
    """(angles of the borders, gradients between them) of a network of two inputs: u's fan.

    Without biases u is linear on sectors round the origin; a unit switches at the two directions
    perpendicular to its row.
    """
    weight, last = network
    turn = np.arctan2(weight[:, 1], weight[:, 0])
    borders = np.unique(np.round(np.mod(np.r_[turn + np.pi / 2, turn - np.pi / 2], 2 * np.pi), 12))
    middle = (borders + np.r_[borders[1:], borders[0] + 2 * np.pi]) / 2
    facing = np.column_stack([np.cos(middle), np.sin(middle)])
    active = (facing @ weight.T > 0).astype(float)
    return borders, (active * last) @ weight


def least_slope(network):
    """Least norm of a generalised gradient of u where u > 0, for a network of two inputs.

    Inside a sector that is the gradient; on the border of two it is the point nearest to 0 of
    the segment between their gradients (Clarke's subdifferential).
    """
    borders, slopes = plane_slopes(network)
    norms = []
    for k, angle in enumerate(borders):
        before, after = slopes[k - 1], slopes[k]
        ray = np.array([np.cos(angle), np.sin(angle)])
        following = borders[(k + 1) % len(borders)]
        ends = ray, np.array([np.cos(following), np.sin(following)])
        # A sector holds a point with u > 0 if one of its rays does, or if it is wider than pi.
        middle = ends[0] + ends[1]
        if max(after @ ends[0], after @ ends[1], after @ middle) > ROUNDING:
            norms.append(np.linalg.norm(after))
        if after @ ray > ROUNDING:
            move = after - before
            share = np.clip(-(before @ move) / max(move @ move, 1e-300), 0, 1)
            norms.append(np.linalg.norm(before + share * move))
    return float(min(norms)) if norms else np.inf


def random_plane(rng):
    """A network of two inputs and three to five hidden units, and an instance with u > 0."""
    while True:
        units = int(rng.integers(3, 6))
        network = rng.normal(size=(units, 2)), rng.normal(size=units)
        x = rng.normal(size=2)
        if difference(network, x) > 0.01:
            return network, x


@check("reg/eq-2-network")
def eq_2_network():
    """Eq. 2: T x = g(W_L g(...)), with a g after the last layer too.

    The proof takes margins as differences of rows of W_L, so the last layer is linear there. With
    W_1 = (1, -1)^T, L = 1 and x = 1, eq. 2 gives scores (1, 0), margin 1, and (w_1 - w_2) x = 2.
    Corrected: T x = W_L g(...), for which margin and (w_y - w_rival)^T I_{L-1} are one number.
    Control: a last layer with g is claimed to keep margins, and does not.
    """
    rng = np.random.default_rng(0)
    scores = rng.integers(-5, 6, size=(400, 3))
    own, best = scores[:, 0], scores[:, 1:].max(1)
    rival = 1 + scores[:, 1:].argmax(1)
    linear = own - np.take_along_axis(scores, rival[:, None], 1)[:, 0]
    clipped = np.maximum(scores, 0)
    with_g = clipped[:, 0] - clipped[:, 1:].max(1)
    last = np.array([[1.0], [-1.0]])
    tx = np.maximum(last @ [1.0], 0)
    return Evidence(
        holds=bool(tx[0] - tx[1] == (last[0] - last[1]) @ [1.0]),
        corrected=bool((own - best == linear).all()),
        control=bool((with_g != linear).any()),
        margin=float((last[0] - last[1]) @ [1.0] - (tx[0] - tx[1])),
        found=f"Scores of eq. 2 at x = 1: {tx.tolist()}, margin {tx[0] - tx[1]:g}, where the "
        f"proof's (w_1 − w_2)x is 2. Of 400 integer score vectors a last ReLU changes the margin "
        f"of {(with_g != linear).sum()}.",
        reference={"margin of eq. 2": float(tx[0] - tx[1]), "difference of rows": 2.0},
    )


@check("reg/def-6-IM")
def def_6_instance_margin():
    """Def. 6: v(x) is the distance to the closest boundary point, v_min the minimum over balls.

    Both may fail to exist: a constant classifier has no boundary, and on X = (0, 1] with the
    boundary at 0 the set of eq. 3 is X itself, on which v(x) = x has no minimum. Corrected: the
    infimum, infinite without a boundary, attained where X is closed. It then is at least the
    smallest v of a training example minus 2 eps, since v is 1-Lipschitz and a ball has diameter
    2 eps. Control: minus eps only, which the far side of a ball breaks.
    """
    values = [Fraction(1, k) for k in range(1, 2000)]  # v on X = (0, 1]: no least one
    smaller = all(later < v for v, later in pairwise(values))
    closed, eps, train = np.linspace(1, 3, 401), 0.5, np.array([1.9])
    centres = np.array([1.5, 2.5])
    hit = centres[np.abs(centres - train[:, None]).min(0) <= eps]
    covered = closed[np.abs(closed[:, None] - hit).min(1) <= eps + 1e-12]
    least = covered.min()  # v(x) = x for the boundary at 0
    rng = np.random.default_rng(1)
    lipschitz = []
    for _ in range(20):
        network, x = random_plane(rng)
        z = x + 0.3 * rng.normal(size=2)
        gap = abs(boundary(network, x)[0] - boundary(network, z)[0])
        lipschitz.append(gap / np.linalg.norm(x - z))
    return Evidence(
        holds=not smaller,
        corrected=bool(least >= train.min() - 2 * eps and max(lipschitz) <= 1 + ROUNDING),
        control=bool(least < train.min() - eps),
        margin=float(1 - max(lipschitz)),
        found=f"On (0, 1] every v is undercut by another. On [1, 3], centres 1.5 and 2.5, one "
        f"training point 1.9: v_min = {least:.2f}, at least 1.9 − 2ε = 0.9 and below 1.9 − ε. v "
        f"changes by at most {max(lipschitz):.3f} times the step on 20 networks.",
        reference={"v_min": float(least)},
    )


@check("reg/assumption-3.1")
def assumption_3_1():
    """Assumption 3.1: the margin M(T x'', y) decreases on the way to the nearest boundary point.

    u = x1 keeps it. RISE breaks it: from (1, 0) u goes 1, 3/2, 0. And with two classes *every*
    misclassified instance breaks it, as its margin rises from below 0 to 0: read for the true
    label y, it excludes errors. Control: "every ReLU network keeps it" is rejected.
    """
    plain = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1.0, -1.0])
    keeps, rises = way(plain, [1.0, 0.5]), way(RISE, [1.0, 0.0])
    wrong = way(plain, [-1.0, 0.5])  # label y, predicted the rival: margin u < 0
    rng = np.random.default_rng(2)
    broken = sum(not decreases(way(*random_plane(rng), points=201)) for _ in range(40))
    return Evidence(
        holds=None,
        control=not decreases(rises) and decreases(keeps) and not decreases(wrong),
        margin=float(rises.max() - rises[0]),
        found=f"Kept by u(x) = x₁. Broken by u = x₁ + 3ReLU(x₂) − 6ReLU(x₂ − x₁/3) from (1, 0): "
        f"{rises[0]:g}, {rises.max():g}, 0. Broken by every error of a linear two-class "
        f"classifier. Of 40 random networks of two inputs, {broken} break it at a random instance.",
        reference={"largest u on the way": float(rises.max())},
    )


@check("reg/eq-9")
def eq_9():
    """Eq. 9: u(x) = u(x) - u(x'), as u(x') = 0 at the nearest boundary point x'.

    u is the difference to the runner-up at x; at x' it may be a third class that ties. Linear
    scores with w_1 - w_2 = (1/2, 0), w_1 - w_3 = (1, -3), x = (1, 0): runner-up 2 (1/2 against 1),
    nearest boundary that with class 3, at (9/10, 3/10), where u = 9/20.
    Corrected: x' is the nearest zero of that u; it is at least v(x) away, because the segment to
    it leaves the region of y. Control: "it is v(x) away" is rejected.
    """
    half, steep = (Fraction(1, 2), Fraction(0)), (Fraction(1), Fraction(-3))
    u_3 = steep[0]  # at x = (1, 0); the runner-up has half[0]
    share = u_3 / (steep[0] ** 2 + steep[1] ** 2)
    nearest = (1 - share * steep[0], -share * steep[1])
    left_over = half[0] * nearest[0] + half[1] * nearest[1]
    zero = np.linalg.norm([1.0, 0.0])  # of u_2: the point (0, 0)
    v = float(u_3 / np.sqrt(10))
    rng = np.random.default_rng(3)
    apart = []
    for _ in range(200):  # linear scores of four classes, the label's being the largest
        rows = rng.normal(size=(4, 3))
        x = rng.normal(size=3)
        y = int((rows @ x).argmax())
        others = np.delete(rows[y] - rows, y, axis=0)
        u = others @ x
        distances = u / np.linalg.norm(others, axis=1)
        apart.append(distances[u.argmin()] - distances.min())
    return Evidence(
        holds=bool(left_over == 0),
        corrected=bool(min(apart) >= 0 and zero >= v),
        control=bool(max(apart) > 0.01 and zero > v),
        margin=float(left_over),
        found=f"Nearest boundary point ({nearest[0]}, {nearest[1]}), {v:.3f} away; the runner-up "
        f"of x still trails by {left_over} there. On {sum(a > 0 for a in apart)} of 200 random "
        f"linear classifiers the runner-up's zero is not the nearest boundary; never is it nearer.",
        reference={"u at the boundary": float(left_over), "distance": v},
    )


@check("reg/eq-10")
def eq_10():
    """Eq. 10: u(x) - u(x') = int J(x - t (x - x')) dt (x - x'), J the Jacobian of u.

    u is continuous and piecewise linear, hence the integral of its slope, and x - t (x - x') runs
    from x to x'. Exact pieces against values on random networks. Control: the path
    x - t (x' - x) of eq. 7, which runs away from x'.
    """
    rng = np.random.default_rng(4)
    right, wrong = [], []
    for _ in range(100):
        weights, biases, pool, x, x_prime = paths.random_case(rng)
        last = rng.normal(size=len(weights[-1]) // pool)
        regions = paths.segment_regions(weights, x, x_prime, biases, pool)
        integral = -regions.widths @ (regions.velocity @ last)
        away = paths.segment_regions(weights, x, 2 * x - x_prime, biases, pool)
        slip = away.widths @ (away.velocity @ last)
        u = [last @ paths.feature_map(weights, p, biases, pool) for p in (x, x_prime)]
        right.append(abs(u[0] - u[1] - integral) / max(1, abs(integral)))
        wrong.append(abs(u[0] - u[1] - slip) / max(1, abs(slip)))
    return Evidence(
        holds=bool(max(right) < ROUNDING),
        control=bool(max(wrong) > 0.1),
        margin=float(max(right)),
        found=f"100 random networks, with and without biases and pooling: the two sides agree to "
        f"1e-9. On the path of eq. 7 they differ on {sum(w > ROUNDING for w in wrong)}.",
        reference={"networks": 100.0},
    )


@check("reg/eq-11")
def eq_11():
    """Eq. 11: the modulus may go inside the integral, "since they are positive throughout".

    Positive scores are no reason, a slope of one sign is. RISE from (1, 0): u = 1, 3/2, 0 is
    positive, the integral of the slope 1, of its modulus 2. Corrected: equal if and only if u
    never rises; for two classes and a right prediction that is Assumption 3.1. Control: the
    integral of the modulus is claimed to be the modulus for every network.
    """
    rng = np.random.default_rng(5)
    cases = [(RISE, np.array([1.0, 0.0])), (BEND, np.array([1.0, 0.0]))]
    cases += [random_plane(rng) for _ in range(60)]
    judged, gaps = [], []
    for network, x in cases:
        end = boundary(network, x)[1]
        widths, slopes = pieces(network, x)
        speed = slopes @ (x - end)
        gaps.append(widths @ np.abs(speed) - abs(widths @ speed))
        monotone = bool((speed >= -ROUNDING).all())
        judged.append((gaps[-1] < ROUNDING) == monotone)
    return Evidence(
        holds=bool(gaps[0] < ROUNDING),
        corrected=bool(all(judged) and gaps[1] < ROUNDING),
        control=bool(sum(g > 1e-3 for g in gaps) > 1),
        margin=float(gaps[0]),
        found=f"From (1, 0) u runs 1, 3/2, 0: ∫J = 1, ∫∣J∣ = {1 + gaps[0]:g}. Over 62 networks the "
        f"two agree exactly where u never rises; {sum(g > ROUNDING for g in gaps)} times they "
        "do not.",
        reference={"integral": 1.0, "integral of the modulus": float(1 + gaps[0])},
    )


@check("reg/nullspace-step")
def nullspace_step():
    """After eq. 14: x - x' is orthogonal to the null space of every region's (w_y - w_rival)^T W^q.

    That says: parallel to the gradient of every region crossed. BEND from (1, 0) has the nearest
    boundary point (1/2, 1/2), Assumption 3.1 holds, the first gradient is (1, 0).
    Survives: parallel to the gradient of the *last* region, if x' lies inside it. Control: "of
    the first region" is rejected.
    """

    def sine(a, b):
        lengths = np.linalg.norm(a) * np.linalg.norm(b)
        return np.sqrt(max(0.0, 1 - (a @ b / lengths) ** 2)) if lengths else 0.0

    x = np.array([1.0, 0.0])
    end = boundary(BEND, x)[1]
    _, slopes = pieces(BEND, x)
    rng, first, last = np.random.default_rng(6), [], []
    while len(last) < 40:
        network, z = random_plane(rng)
        point = boundary(network, z)[1]
        corner = np.abs(network[0] @ point).min() < 1e-6  # x' on a border of regions
        if not corner and np.linalg.norm(z - point) > 1e-3:
            steps = pieces(network, z)[1]
            first.append(sine(steps[0], z - point))
            last.append(sine(steps[-1], z - point))
    return Evidence(
        holds=bool(sine(slopes[0], x - end) < 1e-6),
        control=max(first) > 0.01 and max(last) < 1e-6 and decreases(way(BEND, x)),
        margin=float(sine(slopes[0], x - end)),
        found=f"x = (1, 0), x′ = (1/2, 1/2): gradients {slopes[0].tolist()} and "
        f"{slopes[1].tolist()}, x − x′ = (1/2, −1/2), 45° from the first. On 40 random networks "
        f"with x′ inside a region the last gradient is always parallel, the first fails on "
        f"{sum(s > 1e-6 for s in first)}.",
        reference={"sine of the angle": float(sine(slopes[0], x - end))},
    )


@check("reg/pythagoras-step")
def pythagoras_step():
    """After eq. 14: orthogonal parts have ||D1|| + ||D2|| = ||x - x'||; x + D1 is on the boundary.

    Lengths 3 and 4 make 5, not 7. And leaving out the part in the null space of one region keeps
    u only inside that region: in BEND from (1, 0) D1 = (-1/2, 0) leads to (1/2, 0), where
    u = 1/2. Survives: sqrt(||D1||^2 + ||D2||^2), hence ||D1|| < ||x - x'||; and the whole step
    where one region holds x, x' and x + D1. Control: the step for BEND is rejected by the machine
    that accepts it for one region.
    """
    x = np.array([1.0, 0.0])

    def moved(network, start):
        end = boundary(network, start)[1]
        slope = pieces(network, start)[1][0]
        kept = slope * (slope @ (end - start)) / (slope @ slope)
        return abs(difference(network, start + kept)), kept, end - start - kept

    left_over, kept, rest = moved(BEND, x)
    square = kept @ kept + rest @ rest - (kept + rest) @ (kept + rest)
    plain = np.array([[1.0, 2.0], [-1.0, -2.0]]), np.array([1.0, -1.0])
    inside = moved(plain, np.array([1.0, 1.0]))[0]
    return Evidence(
        holds=bool(np.linalg.norm(kept) + np.linalg.norm(rest) == np.linalg.norm(kept + rest)),
        control=bool(left_over > 0.1 and inside < ROUNDING and abs(square) < ROUNDING),
        margin=float(left_over),
        found=f"Δ₁ = (−1/2, 0), Δ₂ = (0, 1/2): ‖Δ₁‖ + ‖Δ₂‖ = 1 against ‖x − x′‖ = 0.707, and u = "
        f"{left_over:g} at x + Δ₁, which is no boundary point. The squares add up; in one linear "
        "region x + Δ₁ is on the boundary.",
        reference={"sum of norms": 1.0, "u at x + D1": float(left_over)},
    )


@check("reg/eq-13-eq-5")
def eq_13_eq_5():
    """Eqs. 13 and 5: u(x) >= min ||w_y - w_rival|| prod sigma_min^i v(x).

    u(x) = x, written ReLU(x) - ReLU(-x): W = (1, -1)^T, w_y - w_rival = (1, -1), sigma_min =
    sqrt 2, v(1) = 1, so the right side is 2 and u(1) = 1. Robust, monotone, no other class. n
    copies of both units of which one is used make it 2 sqrt n.
    Survives: u <= max ||w|| prod sigma_max v (the other direction); u >= kappa v with kappa the
    least norm of a generalised gradient where u > 0, without Assumption 3.1 (a descent that steep
    reaches 0 within u / kappa). Control: 2 kappa.
    """
    u, v = difference(IDENTITY, [1.0]), boundary(IDENTITY, [1.0])[0]
    factors = {}
    for copies in (1, 4, 9):
        used = np.zeros(copies)
        used[0] = 1
        many = np.repeat(IDENTITY[0], copies, axis=0), np.r_[used, -used]
        factors[copies] = printed_margin(many, v) / difference(many, [1.0])
    rng = np.random.default_rng(7)
    above = below = doubled = broken = 0
    for _ in range(150):
        network, x = random_plane(rng)
        away, kappa = boundary(network, x)[0], least_slope(network)
        value = difference(network, x)
        above += value > largest_margin(network, away) * (1 + ROUNDING)
        below += value < kappa * away * (1 - ROUNDING)
        doubled += value < 2 * kappa * away
        broken += value < printed_margin(network, away)
    return Evidence(
        holds=bool(u >= printed_margin(IDENTITY, v) - ROUNDING),
        control=above == 0 and below == 0 and doubled > 0,
        margin=float(printed_margin(IDENTITY, v) - u),
        found=f"u(1) = {u:g}, v(1) = {v:g}, printed bound {printed_margin(IDENTITY, v):.0f}; with "
        f"4 and 9 copies {factors[4]:.0f} and {factors[9]:.0f}. 150 random networks of two inputs: "
        f"broken by {broken}; u ≤ ‖w‖σ_max v and u ≥ κv never, 2κ by {doubled}.",
        reference={f"factor, {k} copies": float(f) for k, f in factors.items()},
    )


@dataclass(frozen=True, kw_only=True)
class Memoriser:
    """A network that is sure of its training examples and of nothing else.

    Instances x_j = (arm e_j, height), j = 1 ... n, on a curve X through them, all of class 1 of
    two. Fitted to the instances ``seen``, the difference of the scores is
    u(x) = slope x_0 + gain sum_seen ReLU(x_j). One hidden layer, no bias: the rows of W are e_0,
    -e_0 and every e_j.

    Every assumption of Theorem 3.1 holds, by hand, at every point (z, height) with ||z|| <= 1.
    u > 0 wherever x_0 > 0: robust with every eps_0 < height. u <= 0 needs slope x_0 <= -gain sum
    ReLU(x_j), so x_0 <= 0; going there it pays to take the seen z_j > 0 to 0 as well, since gain
    height >= slope. So the nearest boundary point has x_0 = 0 and those z_j set to 0, v =
    sqrt(height^2 + sum_seen max(z_j, 0)^2) >= height, and on the way u falls in a straight line.
    X, the polygon from arm e_1 to arm e_2 and so on, has length sqrt 2 arm (n - 1): one ball of
    radius 1 covers it, and 2 / eps balls do for every eps <= 1 (so k = 1, C = 2).
    """

    n: int
    seen: tuple[int, ...]
    arm: Fraction = Fraction(1, 100)
    slope: Fraction = Fraction(1, 200)
    gain: Fraction = Fraction(99)
    height: Fraction = Fraction(2)

    def __post_init__(self):
        if self.gain * self.height < self.slope:
            raise ValueError(f"gain x height is at least slope; got {self.gain}, {self.height}")

    def margin(self, j):
        """u at instance j, exactly."""
        return self.slope * self.height + (self.gain * self.arm if j in self.seen else 0)

    @property
    def network(self):
        """(W, w_1 - w_2) as float arrays; the last coordinate of an input is x_0."""
        unit = np.eye(self.n + 1)
        weight = np.vstack([unit[-1:], -unit[-1:], unit[:-1]])
        last = np.array([float(self.gain) * (j in self.seen) for j in range(self.n)])
        return weight, np.r_[float(self.slope), -float(self.slope), last]

    def nearest(self, z):
        """(v, boundary point) of (z, height) by the argument above."""
        z = np.asarray(z, dtype=float)
        seen = np.isin(np.arange(self.n), self.seen)
        drop = np.where(seen, np.maximum(z, 0), 0)
        return float(np.sqrt(float(self.height) ** 2 + drop @ drop)), np.r_[z - drop, 0.0]

    def gap(self, gamma):
        """Generalisation error of the ramp loss, exactly; all instances are equally likely."""
        loss = [1 - min(1, max(0, self.margin(j) / gamma)) for j in range(self.n)]
        return abs(sum(loss) / self.n - loss[self.seen[0]])  # one loss for all that were seen

    def printed_margin(self):
        """Equation 5 with v_min = height; the smallest singular value of W is 1."""
        return printed_margin(self.network, float(self.height))
