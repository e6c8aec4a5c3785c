"""Checks of Yang et al. (2020), "A Closer Look at Accuracy vs. Robustness": definitions, theorems.

Also the objectives of the training methods it compares, as statements. What its tables and the
sentences under them say is in `tables`.
"""

from fractions import Fraction
from itertools import product

import numpy as np
import torch
from scipy import optimize

from ... import data, losses, separation
from .. import Evidence, check

HALF = Fraction(1, 2)


def two_points(x):
    """The scores |x|, |x - 2| of Theorem 2's classifier for the classes {0} and {2}, r = 1."""
    return abs(x), abs(x - 2)


def least(scores, ties="first"):
    """The place of the least score; of equal ones the first or the last.

    Examples
    --------
    >>> least((3, 1, 1)), least((3, 1, 1), ties="last")
    (1, 2)
    """
    places = [i for i, s in enumerate(scores) if s == min(scores)]
    return places[0 if ties == "first" else -1]


@check("closer/def-robust")
def def_robust():
    """A classifier is robust at x if f(x') = f(x) for all x' in B(x, eps), f a vector of scores.

    Two points on a line, f(x) = (|x|, |x - 2|): the scores change with every step from 0, so no
    radius would do, while the prediction g = argmin f stays for all radii below 1. So f must be
    read as g. Control: g is not constant in the ball of radius 3/2.
    """
    ball = [Fraction(k, 16) for k in range(-24, 25)]
    vector = [two_points(x) == two_points(0) for x in ball if 0 < abs(x) < 1]
    label = {x: least(two_points(x)) == least(two_points(0)) for x in ball}
    inside = all(same for x, same in label.items() if abs(x) < 1)
    return Evidence(
        holds=all(vector),
        corrected=inside,
        control=not all(label.values()),
        margin=float(sum(vector)),
        found=f"f(x') = f(0) at {sum(vector)} of {len(vector)} points around 0; argmin f is the "
        "same at all of them, and not at radius 3/2.",
        reference={"vector_equal": float(sum(vector)), "points": float(len(vector))},
    )


@check("closer/def-astute")
def def_astute():
    """f is astute at (x, y) if f(x') = y on the ball; astuteness is its probability.

    With g for f: astute is robust and right, and the probability is robust accuracy, at most
    accuracy and falling with the radius. All classifiers on seven places of a line, three points.
    (An attack that is not exhaustive gives more: an upper bound.) Control: astuteness as the
    product of P(robust) and P(right) is rejected.
    """
    data, agree, monotone, factor = [(1, 0), (3, 1), (5, 0)], True, True, True
    for g in product((0, 1), repeat=7):
        shares = []
        for eps in (0, 1, 2):
            balls = [[g[z] for z in range(x - eps, x + eps + 1) if 0 <= z < 7] for x, _ in data]
            robust = [set(ball) == {g[x]} for ball, (x, _) in zip(balls, data, strict=True)]
            right = [g[x] == y for x, y in data]
            astute = [set(ball) == {y} for ball, (_, y) in zip(balls, data, strict=True)]
            agree &= astute == [a and b for a, b in zip(robust, right, strict=True)]
            factor &= 3 * sum(astute) == sum(robust) * sum(right)
            shares.append(sum(astute))
        monotone &= shares == sorted(shares, reverse=True)
    label = two_points(0) == 0  # a vector of scores is no label
    return Evidence(
        holds=label,
        corrected=agree and monotone,
        control=not factor,
        margin=0.0,
        found="f(0) = (0, 2) is no label. With argmin f: astute exactly where robust and right, "
        "for all 128 classifiers and radii 0, 1, 2; never more with a larger radius.",
        reference={"classifiers": 128.0},
    )


@check("closer/def-local-lipschitz")
def def_local_lipschitz():
    """|f(x)_i - f(x')_i| <= L dist(x, x') for all x' with dist <= r, each i.

    For f = W x in linf the least such L is the greatest l1 norm of a row, by enumeration of the
    corners. The definition compares x with x' only, which is all that Theorem 1 uses: f(t) = t
    below 1/2 and -t above satisfies it at 0 with L = 1 and jumps by 1. Control: 0.99 L is rejected.
    """
    rng, equal, smaller = np.random.default_rng(0), True, True
    for _ in range(20):
        weight = rng.integers(-4, 5, size=(3, 4))
        constant = int(abs(weight).sum(1).max())
        corners = np.array(list(product((-1, 1), repeat=4)))
        steepest = int(abs(corners @ weight.T).max())
        equal &= steepest == constant
        smaller &= steepest <= 0.99 * constant

    def jump(t):
        return t if t < HALF else -t

    grid = [Fraction(k, 100) for k in range(-100, 101)]
    centre = max(abs(jump(t)) / abs(t) for t in grid if t)
    pair = abs(jump(HALF) - jump(HALF - Fraction(1, 100))) * 100
    return Evidence(
        holds=equal and centre == 1,
        control=not smaller,
        margin=0.0,
        found="Linear scores: the least L is the greatest l1 norm of a row in 20 of 20 cases. A "
        f"function that is 1-locally Lipschitz around 0 may have slope {float(pair):.0f} between "
        "two other points of the ball.",
        reference={"slope_elsewhere": float(pair)},
    )


@check("closer/def-r-separation")
def def_r_separation():
    """Classes are r-separated if dist(X_i, X_j) = min dist(x, x') >= 2r.

    {0} and (1, 2] have no closest pair: read min as inf, equal to min for finite sets. On a line
    it says that open balls of radius r around points of two classes are disjoint: all pairs of
    sets in 0..6. In a space without midpoints only one direction is true: two points at distance
    1, r = 1, have disjoint open balls. Control: the same for closed balls is rejected at 2r.
    """
    near = [1 + Fraction(1, n) for n in (1, 10, 100)]
    attained = any(b == 1 for b in near)
    open_, closed = True, True
    line = [Fraction(k, 4) for k in range(-12, 37)]
    for a, b, r in product(range(7), range(7), (HALF, Fraction(1), Fraction(3, 2))):
        apart = abs(a - b) >= 2 * r
        open_ &= apart == (not any(abs(z - a) < r and abs(z - b) < r for z in line))
        closed &= apart == (not any(abs(z - a) <= r and abs(z - b) <= r for z in line))
    discrete = [{p for p in (0, 1) if (p != q) < 1} for q in (0, 1)]  # dist is 0 or 1
    return Evidence(
        holds=attained,
        corrected=open_ and not discrete[0] & discrete[1],
        control=not closed,
        margin=float(min(near) - 1),
        found=f"{{0}} and (1, 2]: distances {', '.join(map(str, near))}, ... towards 1, which none "
        "has. On a line 2r apart is the same as disjoint open balls in all cases.",
        reference={"infimum": 1.0},
    )


def worst_difference(gap, slope, distance):
    """Least f_j - f_y at this distance from x: a linear program over what the conditions allow.

    Parameters
    ----------
    gap : float
        f(x)_j - f(x)_y is at least this (condition II: 2).
    slope : float
        Local Lipschitz constant times r (condition I: 1).
    distance : float
        In units of r.

    Examples
    --------
    >>> worst_difference(gap=2, slope=1, distance=0.5)
    1.0
    """
    # unknowns: f(x)_j, f(x)_y, f(x')_j, f(x')_y
    reach = slope * distance
    upper = [[-1, 1, 0, 0], [1, 0, -1, 0], [-1, 0, 1, 0], [0, 1, 0, -1], [0, -1, 0, 1]]
    found = optimize.linprog(
        [0, 0, 1, -1], upper, [-gap, *[reach] * 4], bounds=[(0, 9)] * 2 + [(-9, 18)] * 2
    )
    return round(found.fun, 12)


@check("closer/thm-1")
def thm_1():
    """f 1/r-locally Lipschitz in radius r around x, f_j - f_y >= 2: argmin f is astute at x.

    The least f_j - f_y at distance d r is 2 - 2 d, by linear program: positive inside, 0 at d = 1.
    There f(t) = (2 - |t|, |t|), r = 1, of class 2, ties at t = 1, and argmin is right only if ties
    go to the right class. Holds on the open ball, or with a gap above 2. Control: slope 1.1 / r is
    rejected inside the ball.
    """
    inside = [worst_difference(2, 1, d) for d in np.linspace(0, 0.95, 20)]
    closed_form = all(
        abs(v - (2 - 2 * d)) < 1e-9 for v, d in zip(inside, np.linspace(0, 0.95, 20), strict=True)
    )
    border, wider = worst_difference(2, 1, 1), worst_difference(2.1, 1, 1)
    steeper = worst_difference(2, 1.1, 0.95)
    scores = {t: (2 - abs(t), abs(t)) for t in (Fraction(0), Fraction(99, 100), Fraction(1))}
    answers = {t: {least(s, ties) for ties in ("first", "last")} for t, s in scores.items()}
    return Evidence(
        holds=border > 0 and answers[1] == {1},
        corrected=min(inside) > 0
        and closed_form
        and wider > 0
        and answers[Fraction(99, 100)] == {1},
        control=steeper < 0,
        margin=border,
        found=f"Least difference inside: {min(inside):.2f} at 0.95 r, 2 - 2 d/r throughout; at r "
        f"{border:g}, with gap 2.1 {wider:g}. f(t) = (2 - |t|, |t|) ties at t = 1: a tie broken "
        "for class 1 is wrong.",
        reference={"border": border, "at_0.95": min(inside)},
    )


@check("closer/thm-1-proof-chain")
def thm_1_proof_chain():
    """f(x')_j >= f(x)_j - 1 >= f(x)_y + 1 >= f(x')_y for dist(x, x') <= r.

    All scores on a grid of quarters that satisfy both conditions at distance r: no link is ever
    broken, each is met with equality. So the chain gives f(x')_j >= f(x')_y, and no more. Control:
    a strict ">" at any link is rejected.
    """
    grid = [Fraction(k, 4) for k in range(0, 13)]
    slack = []
    for own, other in product(grid, repeat=2):
        if other - own >= 2:
            moved = [Fraction(k, 4) for k in range(-4, 5)]
            slack += [
                ((other + a) - (other - 1), (other - 1) - (own + 1), (own + 1) - (own + b))
                for a, b in product(moved, repeat=2)
            ]
    lowest = [min(column) for column in zip(*slack, strict=True)]
    return Evidence(
        holds=min(lowest) >= 0,
        control=lowest == [0, 0, 0],
        margin=float(min(lowest)),
        found=f"{len(slack)} cases that satisfy the conditions: no link broken, each met with "
        "equality.",
        reference={"cases": float(len(slack))},
    )


@check("closer/prob-range")
def prob_range():
    """f predicts probabilities, the prediction is argmin f, and f_j - f_y >= 2.

    Probabilities differ by at most 1, so that condition II never holds (all of a simplex grid);
    and argmin takes the least likely class, (0.7, 0.2, 0.1) to the third. For probabilities p with
    Lipschitz constant L: p_y - p_j > 2 L r makes argmax p astute, tight for p = 1/2 +- c x.
    Control: p_y - p_j > L r is rejected.
    """
    simplex = [(a, b, 20 - a - b) for a in range(21) for b in range(21 - a)]
    gap = max(Fraction(max(p) - min(p), 20) for p in simplex)
    taken = least((7, 2, 1))
    c, r, enough, too_little = Fraction(1, 10), Fraction(1), True, True
    for k in range(1, 41):
        x = Fraction(k, 10)
        difference = 2 * c * x  # p = (1/2 + c x, 1/2 - c x), right while x > 0
        astute = x - r > 0
        enough &= (difference > 2 * c * r) == astute
        too_little &= astute or not difference > c * r
    return Evidence(
        holds=gap >= 2 and taken == 0,
        corrected=None if enough else False,
        control=not too_little,
        margin=float(2 - gap),
        found=f"Greatest difference of two probabilities on a grid of {len(simplex)}: {gap}, below "
        f"2. argmin of (0.7, 0.2, 0.1) is class {taken + 1}.",
        reference={"greatest_gap": float(gap)},
    )


def _attacked(x, y, r, images, eps):
    """How many of the images the attack towards the nearest other class turns, within eps."""
    f = separation.DistanceClassifier(x=x, y=y, r=r)
    z = x[separation.nearest_other_class(x, y, x[images], y[images]).index]
    moved = separation.towards(x[images], z, eps, away=x[images])
    scores, before = f(moved), f(x[images])
    distance = (moved.double() - x[images].double()).abs().flatten(1).amax(1)
    slope = (scores - before).abs().amax(1) / distance.clamp_min(1e-9)
    return int((scores.argmin(1) != y[images]).sum()), slope.max().item(), scores


@check("closer/thm-2")
def thm_2():
    """For r-separated classes f_i = dist(., X_i) / r is 1/r-Lipschitz and argmin f astute at r.

    The classifier itself on points of the plane and on digits of three classes, attacked towards
    the nearest image of another class: nothing falls below r, no slope exceeds 1/r, and it is met.
    At r the middle of the closest pair ties, so that one of the two is wrong. Control: the same
    attack at 2 r succeeds.
    """
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(3).repeat(8)
    x = torch.randint(0, 200, (24, 2), generator=generator).to(torch.uint8)
    digits = data.pixels("digits")
    few = digits.y < 3  # three classes: a second instead of five
    fallen, slopes, beyond = 0, [], 0
    for points, labels in ((x, y), (digits.x[few], digits.y[few])):
        pair = separation.least_distance(points, labels)
        r, levels = pair.distance / 2, round(255 * pair.distance)
        images = torch.tensor([pair.i, pair.j, *range(20)])
        count, slope, _ = _attacked(points, labels, r, images, (levels - 1) // 2 / 255)
        fallen, slopes = fallen + count, [*slopes, slope * r * 255]
        beyond += _attacked(points, labels, r, images, levels / 255)[0]
    two = torch.tensor([[0], [100]], dtype=torch.uint8), torch.tensor([0, 1])
    wrong, _, scores = _attacked(*two, 50 / 255, torch.tensor([0, 1]), 50 / 255)
    ties = scores.unique().tolist()
    return Evidence(
        holds=wrong == 0,
        corrected=fallen == 0 and max(slopes) <= 1 + 1e-6 and ties == [1.0],
        control=beyond > 0,
        margin=float(wrong),
        found=f"Below r none of 44 images falls, the steepest slope is {max(slopes):.3f}/r. Two "
        f"points, at r: both scores 1, {wrong} of 2 wrong. At 2 r {beyond} of 44 fall.",
        reference={"slope_times_r": max(slopes), "wrong_at_r": float(wrong)},
    )


@check("closer/thm-2-lipschitz-step")
def thm_2_lipschitz_step():
    """f(x)_i - f(x')_i = (dist(x, X_i) - dist(x', X_i)) / r <= dist(x, x') / r.

    The triangle inequality through the nearest point of X_i, and again with x and x' exchanged.
    Random integer sets in linf, l1 and the metric that is 1 between different points. Control:
    half of it, dist / (2r), is rejected.
    """
    rng, worst, half = np.random.default_rng(0), [], []
    metrics = (
        lambda a: abs(a).max(-1),
        lambda a: abs(a).sum(-1),
        lambda a: (a != 0).any(-1).astype(int),
    )
    for size in (1, 3, 6) * 20:
        members, (x, z) = rng.integers(0, 9, size=(size, 2)), rng.integers(0, 9, size=(2, 2))
        for metric in metrics:
            change = abs(metric(members - x).min() - metric(members - z).min())
            worst.append(metric(x - z) - change)
            half.append(metric(x - z) - 2 * change)
    return Evidence(
        holds=min(worst) >= 0,
        control=min(half) < 0,
        margin=float(min(worst)),
        found=f"{len(worst)} sets and metrics: never broken, met with equality in "
        f"{sum(int(v == 0) for v in worst)}.",
        reference={"least_slack": float(min(worst))},
    )


@check("closer/test-lipschitz")
def lipschitz_on_test_images():
    """Mean over x of max over x' of ||f(x) - f(x')||_1 / ||x - x'||_inf, by PGD.

    The ratio need not have a maximum: t / (1 + |t|) around 0 has 1 / (1 + |t|), whose supremum 1 is
    not reached; read sup over x' != x. It is between the L of the definition and C times it (sums
    over classes). And PGD gives a lower bound: for W = (2, 1; 0, 2) ascent by signs stays at 3 from
    (1, -1) while (1, 1) has 5. Control: "the l1 ratio is at most L" is rejected.
    """
    ratios = [1 / (1 + Fraction(1, 10**k)) for k in range(4)]
    weight, between, single = np.array([[2, 1], [0, 2]]), True, True
    stuck = np.array([1, -1])
    assert (np.sign(weight.T @ np.sign(weight @ stuck)) == stuck).all()  # a fixed point of ascent
    low, high = (
        abs(weight @ stuck).sum(),
        max(abs(weight @ np.array(s)).sum() for s in product((-1, 1), repeat=2)),
    )
    rng = np.random.default_rng(0)
    for _ in range(30):
        w = rng.integers(-3, 4, size=(3, 3))
        value = max(abs(w @ np.array(s)).sum() for s in product((-1, 1), repeat=3))
        constant = abs(w).sum(1).max()
        between &= constant <= value <= 3 * constant
        single &= value <= constant
    return Evidence(
        holds=max(ratios) == 1,
        corrected=between and bool(low < high) and ratios == sorted(ratios),
        control=not single,
        margin=float(high - low),
        found=f"t / (1 + |t|): ratios {float(ratios[0]):.2f}, {float(ratios[1]):.2f}, "
        f"{float(ratios[2]):.2f}, ... below 1. W = (2, 1; 0, 2): ascent can stay at {low}, the "
        f"supremum is {high}. Between L and 3 L in 30 of 30 linear cases.",
        reference={"ascent": float(low), "supremum": float(high)},
    )


@check("closer/GR-finite-difference")
def gr_finite_difference():
    """||grad||^2 = (L(x + h d) - L(x)) / h for d = grad / ||grad||.

    The right side is the derivative along the unit gradient: ||grad||, not its square. L = 3 x_1 +
    4 x_2: the right side is 5 at every h, the left 25. Its square is right up to O(h), against
    automatic differentiation of a logistic loss (grad of L, not of f). Control: the fourth power is
    rejected.
    """
    step = np.array([3.0, 4.0]) / 5
    linear = float(np.array([3.0, 4.0]) @ (0.5 * step)) / 0.5
    x = torch.tensor([[0.3, -0.2]], dtype=torch.float64, requires_grad=True)
    theta = torch.tensor([[1.0, -2.0], [0.5, 1.5]], dtype=torch.float64)
    y = torch.tensor([1])

    def loss(point):
        return losses.cross_entropy(point @ theta.T, y).sum()

    (gradient,) = torch.autograd.grad(loss(x), x)
    size = gradient.norm()
    found = {
        h: (((loss(x + h * gradient / size) - loss(x)) / h) ** 2).item() for h in (1e-1, 1e-2, 1e-3)
    }
    errors = [abs(v - size.item() ** 2) for v in found.values()]
    return Evidence(
        holds=abs(linear - 25) < 1e-9,
        corrected=errors[2] < errors[1] / 5 < errors[0] / 25 and errors[2] < 1e-2,
        control=abs(found[1e-3] ** 2 - size.item() ** 2) > 0.1,
        margin=25 - linear,
        found=f"L = 3 x_1 + 4 x_2: right side {linear:g}, left 25. Logistic loss, squared: off by "
        f"{errors[0]:.3f}, {errors[1]:.4f} and {errors[2]:.5f} at h = 0.1, 0.01 and 0.001.",
        reference={"linear": linear, "squared_norm": size.item() ** 2},
    )


@check("closer/LLR-gamma")
def llr_gamma():
    """gamma = E max g(f, delta, X), delta_LLR = E argmax g, over delta in B(X, eps).

    An average of maximisers over images maximises nothing: L(z) = z^3 at x = 1 and -1, eps = 1/2,
    has argmax 1/2 and -1/2, average 0, and the third term of the loss vanishes where 3/2 was meant.
    And delta, a step, lies in B(0, eps). Right image by image; then |L(x + delta) - L(x)| <=
    eps ||grad||_1 + gamma(x), which is what the method rests on. Control: with half of gamma it is
    rejected.
    """
    eps, grid = HALF, [Fraction(k, 20) for k in range(-10, 11)]

    def g(x, step):
        return abs((x + step) ** 3 - x**3 - step * 3 * x**2)

    own = {x: max(grid, key=lambda step, x=x: g(x, step)) for x in (1, -1)}
    average = sum(own.values()) / 2
    meant = sum(abs(step * 3 * x**2) for x, step in own.items()) / 2
    printed = sum(abs(average * 3 * x**2) for x in own) / 2
    bound, halved = [], []
    for x in (Fraction(k, 4) for k in range(-6, 7)):
        gamma = max(g(x, step) for step in grid)
        change = max(abs((x + step) ** 3 - x**3) for step in grid)
        bound.append(eps * 3 * x**2 + gamma - change)
        halved.append(eps * 3 * x**2 + gamma / 2 - change)
    return Evidence(
        holds=average in own.values() and printed == meant,
        corrected=min(bound) >= 0,
        control=min(halved) < 0,
        margin=float(meant - printed),
        found=f"L(z) = z^3 at 1 and -1: argmax {own[1]} and {own[-1]}, average {average}; the "
        f"gradient term is {printed} and not {meant}. Per image the bound holds in {len(bound)} "
        f"of {len(bound)} cases.",
        reference={"averaged": float(printed), "per_image": float(meant)},
    )


@check("closer/objectives")
def objectives():
    """AT: E max L(f(X'), Y). RST: that times beta, plus E L. TRADES: E L + beta max L(f(X), f(X')).

    TRADES' second term compares two predictions and must be 0 for X' = X. With one L for both it
    is a cross-entropy: log 2 for a constant prediction (1/2, 1/2). Cross-entropy is entropy plus
    Kullback-Leibler divergence, and the latter is what is meant. RST has no unlabelled data here,
    and its beta is the tables' lambda. Control: cross-entropy less the *other* prediction's entropy
    is rejected.
    """
    half = torch.zeros(1, 2, dtype=torch.float64)
    constant = -(half.softmax(1) * half.log_softmax(1)).sum().item()
    generator = torch.Generator().manual_seed(0)
    p, q = torch.randn(2, 200, 3, generator=generator, dtype=torch.float64)
    cross = -(p.softmax(1) * q.log_softmax(1)).sum(1)
    own, other = (-(v.softmax(1) * v.log_softmax(1)).sum(1) for v in (p, q))
    divergence = losses.kl(p, q)
    gap = (cross - own - divergence).abs().max().item()
    wrong = (cross - other - divergence).abs().max().item()
    zero = losses.kl(p, p).abs().max().item()
    return Evidence(
        holds=constant < 1e-9,
        corrected=gap < 1e-9 and zero < 1e-9 and bool((divergence >= -1e-12).all()),
        control=wrong > 1e-3,
        margin=constant,
        found=f"One constant prediction (1/2, 1/2): the printed second term is {constant:.4f} = "
        "log 2 for X' = X; the divergence is 0. Cross-entropy less the entropy of f(X) is the "
        "divergence on 200 random pairs.",
        reference={"printed": constant},
    )
