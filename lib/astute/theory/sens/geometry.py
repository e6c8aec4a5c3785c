"""Checks of Ding et al., section 5 and appendix D: volume, distance, spheres and polytopes."""

from fractions import Fraction as F
from itertools import pairwise, product
from math import exp, log2, pi, prod, sqrt

import numpy as np
import torch
from scipy import special
from scipy.optimize import linprog
from scipy.spatial import HalfspaceIntersection

from ... import data, separation, transforms, volume
from ...papers import printed
from .. import Evidence, check
from .exact import common, mass, merged, rest

ROUNDING = 1e-9


def exact_volume(x, eps):
    """Volume of the linf ball about x that lies in the unit cube, in fractions: a product."""
    return prod((min(v + eps, F(1)) - max(v - eps, F(0)) for v in map(F, x)), start=F(1))


@check("sens/volume-formula")
def volume_formula():
    """Vol(x, eps) = prod_i (min(x_i + eps, 1) - max(x_i - eps, 0)); the box printed as [..]^d.

    The product is right: counted on a grid that the box's sides fall on, and by the library. The
    set, however, is a product of *different* intervals, no power of one. Control: the power.
    """
    x, eps = (F(0), F(1, 2)), F(1, 4)
    true = exact_volume(x, eps)
    powers = [exact_volume([v], eps) ** 2 for v in x]
    rng, counted, wrong, n = np.random.default_rng(0), 0, 0, 20
    for _ in range(50):
        levels = rng.integers(0, n + 1, 3)
        radius = int(rng.integers(1, n))
        cells = (np.arange(n) + 0.5)[None]
        inside = (np.abs(cells - levels[:, None]) < radius).sum(1)
        share = F(int(inside.prod()), n**3)
        place = [F(int(k), n) for k in levels]
        counted += share == exact_volume(place, F(radius, n))
        wrong += share != exact_volume(place[:1], F(radius, n)) ** 3
    bits = volume.log2_volume(torch.tensor([[[[0.0, 0.5]]]]), 0.25).item()
    return Evidence(
        holds=all(power == true for power in powers),
        corrected=counted == 50 and bits == log2(true),
        control=wrong > 0,
        margin=float(max(powers) - true),
        found=f"x = (0, ½), ε = ¼: the product is {true}; a power of one side (control) is "
        f"{powers[0]} or {powers[1]}. The product agrees with counted cells on {counted} of 50 "
        f"boxes",
        reference={"volume": float(true), "bits": bits},
    )


@check("sens/volume-extremes")
def volume_extremes():
    """log2 Vol lies between d log2 eps (corner) and d log2 2 eps (inside): a ratio of 2^d.

    Right for eps <= 1/2, the paper's radii among them: table 6's limits are met. For eps > 1/2 no
    point is inside and the largest side is 1. Control: the limits of MNIST's box at the other
    data set's radius.
    """
    grid = [F(k, 40) for k in range(41)]

    def sides(eps):
        return [exact_volume([v], eps) for v in grid]

    small = all(
        min(sides(eps)) == eps and max(sides(eps)) == 2 * eps
        for eps in (F(1, 40), F(3, 10), F(8, 255), F(1, 2))
    )
    wide = max(sides(F(4, 5))) / min(sides(F(4, 5)))
    limits = {
        (row["dataset"], float(row["eps"])): (int(row["valid_low"]), int(row["valid_high"]))
        for row in printed("sens_table6")
    }
    pixels = {"MNIST": 784, "CIFAR10": 3072}

    def met(name, eps):
        low, high = (int(pixels[name] * log2(side)) for side in (eps, 2 * eps))
        return any(key[0] == name and pair == (low, high) for key, pair in limits.items())

    return Evidence(
        holds=wide == 2,
        corrected=small and all(met(name, eps) for name, eps in limits),
        control=not met("MNIST", 8 / 255) and not met("CIFAR10", 0.3),
        margin=float(2 - wide),
        found=f"sides from ε to 2ε for four radii up to ½; ε = 0.8: ratio {wide} for one pixel, "
        "not 2. Table 6's limits are d log₂ ε and d log₂ 2ε, decimals cut off; with the radii "
        "exchanged (control) they are missed",
        reference={f"{name} {eps:g}": pixels[name] * log2(eps) for name, eps in limits},
    )


@check("sens/text-2990")
def exponent():
    """Volumes differ by 2^2990 = 2^(-12352 - (-15342)).

    The subtraction is right, -12352 is not: the sentence before and table 6 have -12354. Decimals
    are cut off and -15342 is 3072 log2(8/255) = -15342.65, so the exponent lies between 2987.65 and
    2988.65. Control: 2990 must fall outside.
    """
    prose = {row["id"]: int(float(row["value"])) for row in printed("sens_prose")[12:17]}
    table = {row["variant"]: int(row["avg_log2_volume"]) for row in printed("sens_table6")[4:]}
    corner = 3072 * log2(8 / 255)
    low, high = table["original"] - 1 - corner, table["original"] - corner
    return Evidence(
        holds=prose["sens/p15"] == table["original"] - table["saturate inf"],
        corrected=table["original"] - table["saturate inf"] == 2988
        and low < 2988 <= high
        and prose["sens/p13"] == table["original"]
        and -12270 - table["original"] == prose["sens/p17"],
        control=not low < prose["sens/p15"] <= high,
        margin=float(prose["sens/p15"] - 2988),
        found=f"table 6: {table['original']} − ({table['saturate inf']}) = 2988; with decimals "
        f"between {low:.2f} and {high:.2f}; printed 2990 (control) is outside. The 84 bits below "
        f"the full ball are right",
        reference={"corner": corner, "exponent": 2988.0},
    )


def interclass_by_definition(x, y, share=0.1):
    """Inter-class distance as appendix D.2.1 words it, slowly: (N, D), (N,) -> {label: distance}.

    Of each point the mean distance to the nearest ``share`` of the points of other classes; of
    these the mean of the smallest ``share``, class by class; shares rounded, at least one point.

    Examples
    --------
    >>> interclass_by_definition(np.array([[0.0], [1.0], [4.0], [6.0]]), np.array([0, 0, 1, 1]))
    {0: 3.0, 1: 3.0}
    """
    found = {}
    for label in np.unique(y).tolist():
        own, others = x[y == label], x[y != label]
        distance = np.sort(np.linalg.norm(own[:, None] - others[None], axis=2), axis=1)
        few = max(1, int(share * len(others) + 0.5)), max(1, int(share * len(own) + 0.5))
        found[label] = float(np.sort(distance[:, : few[0]].mean(1))[: few[1]].mean())
    return found


@check("sens/interclass-distance")
def interclass():
    """d(D_c, D_-c): mean over the 10 % of smallest means over the 10 % nearest of other classes.

    Well defined once shares of points are rounded. It scales with the data, ignores shifts and
    rotations, and is never below the least distance between the classes: a proxy from above.
    Control: that it is never above twice the margin, as "approximates the margin" would suggest.
    """
    rng, above, scaled = np.random.default_rng(1), True, 0.0
    for _ in range(20):
        x, y = rng.normal(size=(60, 4)), np.arange(60) % 3
        found = interclass_by_definition(x, y)
        turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        moved = interclass_by_definition(0.8 * x @ turn + 5, y)
        for label, distance in found.items():
            gap = np.linalg.norm(x[y == label][:, None] - x[y != label][None], axis=2).min()
            above &= distance >= gap
            scaled = max(scaled, abs(moved[label] - 0.8 * distance))
    # Two classes of 20 at distance 1, but for one pair that touches.
    line = np.r_[np.zeros(20), np.ones(19), 0.0][:, None]
    touching = interclass_by_definition(line, np.arange(40) // 20)
    return Evidence(
        holds=bool(above and scaled < ROUNDING),
        control=min(touching.values()) >= 0.25,
        margin=float(scaled),
        found=f"60 class distances: scale with the data, never below the least distance. Classes "
        f"that touch in one pair, all others 1 apart: {touching[0]:g} and {touching[1]:g}, margin "
        "0 (control: it is no margin)",
        reference={"touching 0": touching[0], "touching 1": touching[1]},
    )


@check("sens/linf-distances-near-1")
def linf_near_one():
    """The linf distance between examples is always very close to 1.

    Not always: the paper's own scaled sets have distances of at most alpha = 0.79 to 0.97 by
    construction, and Yang et al. print 0.212 between classes of CIFAR-10. On the handwritten digits
    the closest pair is measured. Control: binarised digits, where the sentence is true.
    """
    digits = data.pixels("digits")
    least = separation.least_distance(digits.x, digits.y).distance
    binary = (digits.x >= 128).to(torch.uint8) * 255
    control = separation.least_distance(binary, digits.y).distance
    alpha = min(float(row["scale_binarized"]) for row in printed("sens_table1"))
    ends = transforms.Scale(factor=alpha)(torch.tensor([0.0, 1.0], dtype=torch.float64))
    cifar = next(
        float(row["min_train_train_separation"])
        for row in printed("closer_separation")
        if row["dataset"] == "CIFAR-10"
    )
    close = 0.95
    return Evidence(
        holds=min(least, float(ends[1] - ends[0]), cifar) >= close,
        control=control >= close,
        margin=close - cifar,
        found=f"binarised MNIST scaled by {alpha}: every two images {float(ends[1] - ends[0]):.2f} "
        f"apart at most; CIFAR-10 classes {cifar} (printed by Yang et al.); digits "
        f"{round(255 * least)}/255; binarised digits (control) {control:g}",
        reference={"digits": least, "CIFAR-10": cifar},
    )


@check("sens/two-spheres")
def two_spheres():
    """Adversarial training pushes concentric spheres together: separate those with a smaller gap.

    Robust at radius eps (l2) is right on the open *shells* r +- eps, not on the spheres r_1 + eps
    and r_2 - eps. Radial classifiers, exactly: the shells decide for all; the pushed spheres only
    for those that call an interval [0, t) inner, as a polytope does. For linf attacks the gap that
    counts is (r_2 - r_1)/sqrt(n). Control: that one sphere alone moves.
    """
    r1, r2, eps, cell = F(1), F(2), F(1, 4), F(1, 8)

    def verdicts(inner):
        """(right on the pushed spheres, robust on the spheres) of a radial classifier."""
        outer = rest(inner, F(0), F(3))
        shells = [(r1 - eps, r1 + eps)], [(r2 - eps, r2 + eps)]
        robust = not (mass(common(shells[0], outer), 0, 3) or mass(common(shells[1], inner), 0, 3))
        at = [any(a < r < b for a, b in inner) for r in (r1 + eps, r2 - eps)]
        return at == [True, False], robust

    thin = [(F(6, 5), F(13, 10))]
    rings = [(k * cell, (k + 1) * cell) for k in range(6, 18)]
    tried = [
        merged([(F(0), 6 * cell), *(r for r, b in zip(rings, bits, strict=True) if b)])
        for bits in product((0, 1), repeat=len(rings))
    ]
    robust = [inner for inner in tried if verdicts(inner)[1]]
    # Robust ones contain the inner shell and miss the outer one; between them they are free.
    free = [k for k in rings if r1 + eps <= k[0] and k[1] <= r2 - eps]
    initial = [verdicts([(F(0), t * cell + cell / 2)]) for t in range(1, 20)]
    n = 500
    diagonal = (2 - 1) / sqrt(n)  # along (1, ..., 1): no two points are nearer in linf
    rng = np.random.default_rng(2)
    u, v = rng.normal(size=(2, 2000, n))
    u, v = (w / np.linalg.norm(w, axis=1, keepdims=True) for w in (u, 0.05 * v + u))
    nearest = np.abs(2 * v - u).max(1).min()
    return Evidence(
        holds=not verdicts(thin)[0] or verdicts(thin)[1],
        corrected=len(robust) == 2 ** len(free)
        and all(pushed == robust for pushed, robust in initial)
        and bool(nearest >= diagonal),
        control=len(robust) != 2 ** (len(free) + 2),
        margin=float(r2 - r1 - 2 * eps),
        found=f"radii 1 and 2, ε = ¼: 'inner iff 1.2 < ‖x‖ < 1.3' is right on the pushed spheres "
        f"1.25 and 1.75 and wrong on the inner sphere itself. Of {len(tried)} radial classifiers "
        f"{len(robust)} = 2^{len(free)} are robust: the gap left is 2ε smaller, not ε (control)",
        reference={"robust classifiers": float(len(robust)), "linf gap, n=500": diagonal},
    )


def max_margin(x, y):
    """Largest linf margin of a linear classifier, by a linear programme.

    max t over w = p - q, p, q >= 0, sum(p + q) <= 1 (the dual norm), b: y (w.x + b) >= t.

    Parameters
    ----------
    x : array (N, D)
    y : array (N,) of -1 and 1

    Returns
    -------
    float
        Positive where the data are separable: the linf distance of the nearest point.

    Examples
    --------
    >>> round(max_margin(np.array([[-1.0], [1.0]]), np.array([-1, 1])), 6)
    1.0
    """
    n, d = x.shape
    rows = -y[:, None] * np.c_[x, -x, np.ones(n), -1 / y]
    rows[:, -1] = 1
    found = linprog(
        np.r_[np.zeros(2 * d + 1), -1],
        A_ub=np.r_[rows, [np.r_[np.ones(2 * d), 0, 0]]],
        b_ub=np.r_[np.zeros(n), 1],
        bounds=[(0, None)] * (2 * d) + [(None, None)] * 2,
    )
    return -found.fun


def robustly_separable(x, y, eps):
    """Whether some w, b has y (w.x + b) - eps |w|_1 >= 1: zero adversarial hinge loss."""
    n, d = x.shape
    rows = -y[:, None] * np.c_[x, -x, np.ones(n)]
    rows[:, : 2 * d] += eps
    found = linprog(
        np.zeros(2 * d + 1),
        A_ub=rows,
        b_ub=-np.ones(n),
        bounds=[(0, None)] * 2 * d + [(None, None)],
    )
    return found.status == 0


def coupled_loss(margins, budget):
    """Largest sum of hinge losses when radii t_i >= 0 with sum t_i <= budget lower the margins.

    Convex in t, so all of it goes to one point.
    """
    loss = np.maximum(0, 1 - margins)
    return max(
        loss.sum() - one + max(0, 1 - m + budget) for one, m in zip(loss, margins, strict=True)
    )


@check("sens/xu-linear")
def xu_linear():
    """For a linear classifier, adversarial training is equivalent to maximising the margin.

    With a radius for each point, the hinge loss is 0 at *every* classifier of margin above eps,
    suitably scaled: training stops there. Repaired: zero loss is possible iff eps is below the
    greatest margin (linear programmes); and what Xu et al. (2009) prove, for a budget *shared* by
    all points, is sum hinge + c |w|, where some point has a hinge loss. Control: separability a
    little beyond the greatest margin.
    """
    # Points -1 and 1; w = 4, b = 1, boundary -1/4: zero adversarial loss at eps = 1/2.
    w, b, eps = F(4), F(1), F(1, 2)
    losses = [max(F(0), 1 - (y * (w * y + b) - eps * abs(w))) for y in (-1, 1)]
    own_margin = min(abs(-b / w - y) for y in (-1, 1))
    rng, below, beyond, cases = np.random.default_rng(3), 0, 0, 30
    for _ in range(cases):
        d = int(rng.integers(1, 4))
        y = np.where(np.arange(12) % 2, 1, -1)
        x = rng.normal(size=(12, d)) + 4.0 * y[:, None] * np.ones(d)
        margin = max_margin(x, y)
        below += margin > 0 and robustly_separable(x, y, 0.999 * margin)
        beyond += robustly_separable(x, y, 1.001 * margin)
    shared = 0.0
    for _ in range(200):
        margins, c = rng.normal(size=8), float(rng.uniform(0, 2))
        if (margins <= 1).any():
            regularised = np.maximum(0, 1 - margins).sum() + c
            shared = max(shared, abs(coupled_loss(margins, c) - regularised))
    return Evidence(
        holds=not (sum(losses) == 0 and own_margin < 1),
        corrected=bool(below == cases and shared < ROUNDING),
        control=beyond == 0,
        margin=float(1 - own_margin),
        found=f"points −1 and 1, w = 4, b = 1, ε = ½: adversarial hinge loss {sum(losses)}, margin "
        f"{own_margin} where 1 is possible. Zero loss possible at 0.999 of the greatest margin on "
        f"{below} of {cases} sets, at 1.001 (control) on {beyond}; a shared budget is the "
        "regularised loss on all of 200 draws",
        reference={"margin": float(own_margin)},
    )


def cap(n, h):
    """Share of the unit sphere in R^n with <u, v> >= h: by the law of one coordinate.

    Examples
    --------
    In three dimensions a slice's area is proportional to its height (Archimedes).

    >>> round(cap(3, 0.5), 9), round(cap(3, -0.5), 9)
    (0.25, 0.75)
    """
    if n == 1:
        return (float(h <= 1) + float(h <= -1)) / 2
    half = float(special.betainc((n - 1) / 2, 0.5, max(0.0, 1 - h * h))) / 2
    return half if h >= 0 else 1 - half


@check("sens/fact-cap")
def fact_cap():
    """sigma{u : <u, v> >= h} <= exp(-n h^2 / 2).

    For h >= 0: the cone over the cap fits into a ball of radius sqrt(1 - h^2), or 1/(2 h), of
    R^n. For h < 0 the cap is more than half of the sphere. Exact caps, n to 2000. Control:
    exp(-n h^2).
    """
    cases = [(n, k / 100) for n in (1, 2, 3, 5, 10, 30, 100, 300, 1000, 2000) for k in range(101)]
    excess = max(cap(n, h) - exp(-n * h * h / 2) for n, h in cases)
    control = max(cap(n, h) - exp(-n * h * h) for n, h in cases)
    n, h = 2, -0.9
    left, right = cap(n, h), exp(-n * h * h / 2)
    return Evidence(
        holds=left <= right,
        corrected=excess <= 1e-12,
        control=control > 1e-3,
        margin=left - right,
        found=f"n = 2, h = −0.9: share {left:.3f} > {right:.3f}. For h from 0 to 1 and n to 2000 "
        f"never above; e^(−nh²) (control) is exceeded by {control:.2f}",
        reference={"cap(2, -0.9)": left},
    )


def known_distances():
    """Polytopes whose distance from the ball is known: (name, n, facets, distance).

    Where a group without invariant subspaces maps a polytope to itself, the best ellipsoids are
    balls, and the distance is circumradius over inradius.
    """
    golden = (1 + sqrt(5)) / 2
    for k in range(2, 30):
        yield f"{2 * k}-gon", 2, 2 * k, 1 / np.cos(pi / (2 * k))
    for n in range(1, 400):
        yield f"cube in R^{n}", n, 2 * n, sqrt(n)
        if n < 60:
            yield f"cross-polytope in R^{n}", n, 2**n, sqrt(n)
    solid = sqrt(15 / (5 + 2 * sqrt(5)))  # dodecahedron and icosahedron share it
    yield "dodecahedron", 3, 12, solid
    yield "icosahedron", 3, 20, solid
    yield "24-cell", 4, 24, sqrt(2)
    yield "600-cell", 4, 600, 2 * sqrt(2) / golden**2
    yield "120-cell", 4, 120, 2 * sqrt(2) / golden**2
    yield "Voronoi cell of E8", 8, 240, sqrt(2)


@check("sens/thm-D.1-lower")
def facets_needed():
    """A symmetric polytope in R^n at distance d from the ball has at least exp(n / (2 d^2)) facets.

    B in K in d B: each facet's normal sees the directions of a cap of height 1/d, and the caps
    have to cover the sphere. On all families of known distance; and 1 / cap(n, 1/d), the number
    of caps by area, is never below. Control: exp(n / (2 d)), the square dropped.
    """
    cases = list(known_distances())
    slack = min(m / exp(n / (2 * d * d)) for _, n, m, d in cases)
    caps = min(
        1 / cap(n, 1 / d) / exp(n / (2 * d * d)) for _, n, m, d in cases if cap(n, 1 / d) > 0
    )
    covered = all(m * cap(n, 1 / d) >= 1 - ROUNDING for _, n, m, d in cases)
    broken = [name for name, n, m, d in cases if m < exp(n / (2 * d))]
    return Evidence(
        holds=slack >= 1 and caps >= 1 - ROUNDING and covered,
        control=len(broken) > 0,
        margin=slack - 1,
        found=f"{len(cases)} polytopes of known distance, cubes in up to 399 dimensions: facets at "
        f"least {slack:.2f} times the bound; e^(n/(2d)) (control) fails for {len(broken)}, first "
        f"the {broken[0]}",
        reference={"least ratio": slack},
    )


def vertices(normals):
    """Corners (k, n) of {x : <x, v> <= 1 for all normals v}, from the half-spaces (m, n)."""
    halves = np.c_[normals, -np.ones(len(normals))]
    return HalfspaceIntersection(halves, np.zeros(normals.shape[1])).intersections


def polytope(n, distance=2.0, seed=0):
    """Normals of a symmetric polytope B in K in distance B, one pair at a time.

    Starts from a cube; while a vertex is further out than ``distance``, cuts there. Each new normal
    is at an inner product below 1/distance to all others, so the process ends.

    Returns
    -------
    array (m, n)
        Unit normals; facets are <x, v> <= 1.
    """
    rng = np.random.default_rng(seed)
    normals = np.linalg.qr(rng.normal(size=(n, n)))[0]
    normals = np.r_[normals, -normals]
    while True:
        corners = vertices(normals)
        length = np.linalg.norm(corners, axis=1)
        if length.max() <= distance + ROUNDING:
            return normals
        new = corners[length.argmax()] / length.max()
        normals = np.r_[normals, [new, -new]]


@check("sens/thm-D.1-upper")
def facets_enough():
    """For each n some polytope with 4n facets has distance at most 2 from the ball.

    Against the theorem's own first half at d = 2: e^(n/8) > 4n from n = 41 on; against exact caps
    from n = 19 on. 4^n, which Ball (1997) has, is right: unit normals at least 1 apart number at
    most 3^n. Constructed for n = 2 to 6, vertices enumerated. Control: 2n facets, the cube, whose
    vertices the same enumeration must find too far out at n = 5.
    """
    first = next(n for n in range(1, 100) if exp(n / 8) > 4 * n)
    by_caps = next(n for n in range(1, 100) if 1 / cap(n, 0.5) > 4 * n)
    built = {n: polytope(n) for n in range(2, 7)}
    gaps = [np.linalg.norm(v[:, None] - v[None], axis=2) for v in built.values()]
    apart = min(gap[~np.eye(len(gap), dtype=bool)].min() for gap in gaps)
    few = all(len(v) <= 3**n for n, v in built.items())
    out = np.linalg.norm(vertices(np.r_[np.eye(5), -np.eye(5)]), axis=1).max()
    return Evidence(
        holds=by_caps > 99,
        corrected=bool(apart >= 1 - ROUNDING) and few,
        control=bool(out > 2),
        margin=exp(first / 8) - 4 * first,
        found=f"n = {first}: e^(n/8) = {exp(first / 8):.0f} > {4 * first}; by exact caps 4n are "
        f"too few from n = {by_caps} on. For n = 2 to 6 polytopes of at most 3^n facets were "
        f"built; the cube, 2n facets (control), reaches {out:.2f} for n = 5",
        reference={"first n": float(first), "first n by caps": float(by_caps)},
    )


def pieces(weights, biases, outputs, constant):
    """Linear regions and zeros of x -> constant + sum outputs ReLU(weights x + biases), x real.

    Examples
    --------
    >>> pieces(np.array([1.0, -1.0]), np.zeros(2), np.ones(2), -1.0)  # |x| - 1
    (2, 2)
    """
    breaks = np.unique(-biases / weights)

    def value(x):
        return constant + outputs @ np.maximum(weights * x + biases, 0)

    ends = [breaks[0] - 1, *breaks, breaks[-1] + 1]
    at = [value(x) for x in ends]
    # The outer pieces go on for ever: follow their slopes to where they are going.
    at[0] = at[1] + 1e9 * (at[0] - at[1])
    at[-1] = at[-2] + 1e9 * (at[-1] - at[-2])
    zeros = sum(a * b < 0 for a, b in pairwise(at))
    return len(breaks) + 1, int(zeros)


def square_by_relu(t, step):
    """t^2 interpolated at the multiples of ``step``: above t^2 by at most step^2 / 4."""
    k = np.floor(t / step)
    low, high = (k * step) ** 2, ((k + 1) * step) ** 2
    return low + (high - low) * (t / step - k)


@check("sens/capacity-facets")
def capacity_facets():
    """The number of linear regions of a ReLU net is closely related to its boundary's facets.

    One way only: a region's zero set is one piece of a hyperplane, so facets <= regions.
    1 + sum ReLU(x - k) has as many regions as units and no boundary. Nor do facets count units:
    sum |x_i| = 1 has 2^n facets from 2 n ReLUs, and a net that interpolates each x_i^2 separates
    shells whose every separating polytope needs e^100 facets and more. Control: facets > regions.
    """
    m = 50
    regions, facets = pieces(np.ones(m), -np.arange(m), np.ones(m), 1.0)
    rng = np.random.default_rng(4)
    drawn = [pieces(*rng.normal(size=(3, 8)), 0.1) for _ in range(200)]
    # |x_1| + ... + |x_6| = 1: in each orthant, a region, one facet, through s/6.
    signs = np.array(list(product((-1, 1), repeat=6)))
    cross = int((np.abs(np.maximum(np.c_[signs, -signs] / 6, 0).sum(1) - 1) < ROUNDING).sum())
    n, r1, r2, eps = 500, 1.0, 1.3, 0.05
    ratio = (r2 - eps) / (r1 + eps)
    needed = n / (2 * ratio**2)  # log of the facets of a polytope in between
    step = 0.06
    units = n * 2 * int(np.ceil(r2 / step))
    t = np.linspace(-r2, r2, 20_001)
    error = (square_by_relu(t, step) - t**2).max()
    fits = (r1 + eps) ** 2 + n * step**2 / 4 < (r2 - eps) ** 2
    return Evidence(
        holds=facets * 2 >= regions,
        control=all(f <= r for r, f in [(regions, facets), *drawn]) and max(drawn)[1] > 0,
        margin=float(regions - facets),
        found=f"1 + Σ ReLU(x − k), {m} units: {regions} regions, {facets} facets. Σ|x_i| = 1 in "
        f"R⁶: 12 ReLUs, {cross} facets. n = {n}, spheres 1 and 1.3, ε = 0.05: a polytope "
        f"needs e^{needed:.0f} facets, {units} ReLUs in one layer "
        f"{'suffice' if fits and error <= step**2 / 4 + ROUNDING else 'fail'}; facets > regions "
        f"(control) in none of {len(drawn)} random nets on the line",
        reference={"log facets": needed, "units": float(units)},
    )
