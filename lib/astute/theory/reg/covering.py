"""Wen, Li & Jia (2020), sections 1 and 2, appendix C: risks, coverings, and Theorem 3.1.

The covering argument: cut the instance space into cells on which the loss varies little, and count
how many examples fall into each. Distributions here are finite, so that risks, generalisation
errors and their probabilities are sums of fractions, not samples.
"""

from fractions import Fraction
from itertools import combinations, pairwise, product
from math import comb, exp, factorial, log, prod, sqrt

import numpy as np

from .. import Evidence, check
from . import bound

HALF = Fraction(1, 2)


def ramp(r, gamma):
    """Definition 4: 0 below -gamma, 1 above 0, linear between; in the type of its arguments.

    Examples
    --------
    >>> [ramp(Fraction(r), 2) for r in (-3, -1, 1)]
    [Fraction(0, 1), Fraction(1, 2), Fraction(1, 1)]
    """
    if gamma <= 0:
        raise ValueError(f"gamma is the width of the ramp and positive; got {gamma}")
    return min(type(r)(1), max(type(r)(0), 1 + r / gamma))


def counts(examples, cells):
    """Every way to spread so many examples over so many cells, as tuples."""
    if cells == 1:
        yield (examples,)
        return
    for first in range(examples + 1):
        for rest in counts(examples - first, cells - 1):
            yield (first, *rest)


def multinomial(number, weights):
    """Probability of these counts when cells have these weights, exactly."""
    ways = factorial(sum(number)) // prod(map(factorial, number))
    return ways * prod(Fraction(w) ** n for w, n in zip(weights, number, strict=True))


def deviation(number, weights):
    """sum_i |N_i / m - mu_i|."""
    m = sum(number)
    return sum(abs(Fraction(n, m) - w) for n, w in zip(number, weights, strict=True))


def spread_term(cells, m, eta):
    """sqrt((2 K ln 2 + 2 ln(1 / eta)) / m): the second term of equations 6 and 4."""
    return sqrt((2 * cells * log(2) + 2 * log(1 / eta)) / m)


def cover_number(points, radius):
    """Least number of balls round points of the set itself that cover it, by trying all.

    Parameters
    ----------
    points : array (n, d)
        At most a dozen or so.
    radius : float
        Euclidean, closed balls.
    """
    points = np.asarray(points, dtype=float)
    near = np.linalg.norm(points[:, None] - points, axis=2) <= radius + 1e-12
    for size in range(len(points) + 1):
        if any(near[list(chosen)].any(0).all() for chosen in combinations(range(len(near)), size)):
            return size
    raise AssertionError("a set covers itself")


def repaired_bound(*, variation, cells, labels, m, eta):
    """The bound that the covering argument proves, for a loss in [0, 1].

    Cells are pairs of a ball and a label; ``variation`` is the largest difference of losses within
    a cell that holds an example. The factor 1/2 comes from sum_i (N_i / m - mu_i) = 0.
    """
    return variation + spread_term(cells * labels, m, eta) / 2


@check("reg/eq-1-GE")
def eq_1_generalisation_error():
    """Eq. 1: GE = |R - R_m|; "a constant classifier can have zero generalization errors".

    It can: equal scores have ramp loss 1 on every example, GE = 0 whatever the sample, at the
    worst of risks. Control: "every constant classifier has" is rejected; with the 0-1 loss and
    P(Y = 1) = 1/3 its GE is |k/m - 1/3|, never 0 unless 3 divides m.
    """
    tied = [ramp(Fraction(0), 1) for _ in range(5)]
    zero = all(loss == tied[0] for loss in tied) and tied[0] == 1
    third = Fraction(1, 3)
    never = all(abs(Fraction(k, 4) - third) > 0 for k in range(5))
    fair = comb(2, 1) * HALF**2  # m = 2, P(Y = 1) = 1/2: one of either
    mean = sum(
        comb(4, k) * third**k * (1 - third) ** (4 - k) * abs(Fraction(k, 4) - third)
        for k in range(5)
    )
    return Evidence(
        holds=zero,
        control=never,
        margin=0.0,
        found=f"Equal scores: loss 1 on every example, GE = 0 surely, risk 1. 0-1 loss, two "
        f"examples, fair labels: GE = 0 with probability {fair}. P(Y = 1) = 1/3, four examples: "
        f"never 0, {mean} on average.",
        reference={"probability of zero": float(fair), "mean GE": float(mean)},
    )


@check("reg/def-1-covering")
def def_1_covering():
    """Def. 1: N_eps = min |S^| over S^ that are an eps-covering "of S^".

    Every set covers itself, the empty one too, so the printed minimum is 0. Corrected: over
    S^ in S~ that cover S~. On a row of n points at distance 1 with eps = 1 that is ceil(n / 3), by
    trying all. Control: the packing number (most points more than eps apart), ceil(n / 2).
    """
    rows = {n: cover_number(np.arange(n)[:, None], 1.0) for n in range(1, 9)}
    packing = {n: -(-n // 2) for n in rows}
    return Evidence(
        holds=cover_number(np.zeros((0, 1)), 1.0) > 0,
        corrected=all(number == -(-n // 3) for n, number in rows.items()),
        control=packing != rows,
        margin=1.0,
        found=f"Printed: 0, by the empty set. Rows of 1 to 8 points, ε = 1: "
        f"{', '.join(map(str, rows.values()))} balls.",
        reference={f"{n} points": float(number) for n, number in rows.items()},
    )


@check("reg/covering-manifold")
def covering_manifold():
    """Theorem 3.1: a regular k-manifold has covering number (C / eps)^k.

    A covering number is a whole number and at least 1, (C / eps)^k is neither: the segment [0, 1]
    has ceil(1 / (2 eps)), so eps = 1/2 asks for C = 1/2 and eps = 1/3 for C = 2/3. A line has no
    finite one. Corrected: at most (C / eps)^k, for a bounded manifold and eps <= C: for the cube
    [0, 1]^k in the maximum norm C = 1 does. Control: the exponent k - 1.
    """
    radii = [Fraction(1, n) for n in range(1, 60)] + [Fraction(2, n) for n in range(3, 60, 2)]

    def balls(radius, k):
        return max(1, -(-1 // (2 * radius))) ** k

    asked = {float(r): float(balls(r, 1) * r) for r in (HALF, Fraction(1, 3))}
    above = [max(balls(r, k) / (1 / r) ** k for r in radii) for k in (1, 2, 3)]
    fewer = max(balls(r, 2) / (1 / r) for r in radii)
    return Evidence(
        holds=len(set(asked.values())) == 1,
        corrected=max(above) <= 1,
        control=fewer > 10,
        margin=float(1 - max(above)),
        found=f"[0, 1]: one ball at ε = 1/2 (C = {asked[0.5]:.2f}), two at ε = 1/3 "
        f"(C = {asked[1 / 3]:.2f}). N ≤ (1/ε)^k at {len(radii)} radii up to 1 and k = 1, 2, 3, "
        "equal at ε = 1.",
        reference={"C at 1/2": asked[0.5], "C at 1/3": asked[1 / 3]},
    )


def line_margins(x, y):
    """M of the scores (-x, x) at label y (1 or 2)."""
    return -2 * x if y == 1 else 2 * x


@check("reg/def-2-AR")
def def_2_robustness():
    """Def. 2: f is robust if for some eps, all z and |delta| <= eps, f_yhat(x + delta) >= f_i.

    Three slips. ">=" lets the guarded ball touch the other class: scores (-x, x), instance 1,
    eps = 1 satisfy it although 0 is a tie; equal scores satisfy it for every eps. "There exists"
    leaves eps without a value. And on a connected X strict robustness allows one predicted class
    only: neighbours within eps agree, chains of them reach everywhere.
    Corrected: for the given eps, strictly, over the support of the data; then all points of a
    guarded ball are predicted alike. Control: ">=" is claimed to do that.
    """
    steps = [Fraction(k, 8) for k in range(-24, 25)]

    def predicted(x):  # ties to the first class
        return 1 if -x >= x else 2

    def robust(instances, eps, strict):
        for x in instances:
            own = predicted(x)
            for move in (d for d in steps if abs(d) <= eps):
                gap = line_margins(x + move, own)
                if gap < 0 or (strict and gap == 0):
                    return False
        return True

    def alike(instances, eps):
        balls = ({predicted(x + d) for d in steps if abs(d) <= eps} for x in instances)
        return all(len(found) == 1 for found in balls)

    one = [Fraction(1)]
    loose, tight = robust(one, 1, strict=False), robust(one, 1, strict=True)
    cases = [(x, eps) for x in steps for eps in (HALF, Fraction(1), Fraction(2))]
    corrected = all(alike([x], eps) for x, eps in cases if robust([x], eps, strict=True))
    connected = [x for x in steps if abs(x) <= 1]
    nowhere = not any(robust(connected, eps, strict=True) for eps in steps if eps > 0)
    return Evidence(
        holds=not loose or alike(one, 1),
        corrected=corrected and not tight and nowhere,
        control=any(robust([x], e, strict=False) and not alike([x], e) for x, e in cases),
        margin=0.0,
        found="Scores (−x, x), instance 1, ε = 1: Definition 2 holds, yet 0 is in the ball and "
        "tied, and a tie goes to class 1 while 1 is of class 2. Strictly it fails there. On "
        "X = [−1, 1] no ε > 0 is strict: both classes are predicted on a connected set.",
        reference={"instances tried": float(len(cases))},
    )


@check("reg/def-3-margin")
def def_3_margin():
    """Def. 3: M(s, y) = s_y - max_{i != y} s_i, positive when the prediction is right.

    Scores (1, 1), y = 1, ties to the first class: right, and M = 0. Corrected: M > 0 if and only
    if s_y is strictly the greatest; right implies M >= 0, wrong M <= 0. Every integer vector of
    three scores. Control: "M >= 0 if and only if right".
    """
    tied = corrected = control = True
    ties = 0
    for s in product(range(4), repeat=3):
        first = s.index(max(s))
        for y in range(3):
            others = s[:y] + s[y + 1 :]
            margin, right = s[y] - max(others), first == y
            ties += right and margin == 0
            tied &= (margin > 0) == right
            corrected &= (margin > 0) == all(s[y] > t for t in others)
            corrected &= margin >= 0 if right else margin <= 0
            control &= (margin >= 0) == right
    return Evidence(
        holds=tied,
        corrected=corrected,
        control=not control,
        margin=0.0,
        found=f"Of 192 score vectors with a label, {ties} are right by a tie, with margin 0.",
        reference={"right by a tie": float(ties)},
    )


@check("reg/def-4-ramp")
def def_4_ramp():
    """Def. 4: 0 for r < -gamma, 1 + r / gamma on [-gamma, 0], 1 for r > 0 (gamma > 0).

    The three pieces meet, so it is continuous, non-decreasing, in [0, 1], of Lipschitz constant
    1 / gamma exactly. Control: two pieces, max(0, 1 + r / gamma), which leaves [0, 1].
    """
    fine = True
    for gamma in (Fraction(1, 3), Fraction(1), Fraction(5)):
        r = [gamma * Fraction(k, 10) for k in range(-25, 26)]
        loss = [ramp(v, gamma) for v in r]
        steps = [(b - a) / (r[1] - r[0]) * gamma for a, b in pairwise(loss)]
        fine &= ramp(-gamma, gamma) == 0 and ramp(Fraction(0), gamma) == 1
        fine &= min(loss) == 0 and max(loss) == 1 and min(steps) >= 0 and max(steps) == 1
    two = max(Fraction(0), 1 + Fraction(1))
    return Evidence(
        holds=fine,
        control=not two <= 1,
        margin=0.0,
        found="Three widths, 51 points each, in fractions: the pieces meet at −γ and 0, values in "
        "[0, 1], steepest slope 1/γ.",
        reference={"loss at -gamma/2": 0.5},
    )


@check("reg/proof-ramp-formula")
def proof_ramp_formula():
    """Appendix C.2: l = max{0, 1 - u / gamma}, used for right (case 1) and wrong (case 2) margins.

    At u = -1, gamma = 1 it is 2, the ramp loss is 1. Corrected: min{1, max{0, 1 - u / gamma}}.
    Control: the minimum and no maximum.
    """
    gamma, margins = Fraction(2), [Fraction(k, 4) for k in range(-16, 17)]
    truth = [ramp(-u, gamma) for u in margins]
    printed = [max(Fraction(0), 1 - u / gamma) for u in margins]
    same = [t == p for t, p in zip(truth, printed, strict=True)]
    return Evidence(
        holds=all(same),
        corrected=all(t == min(1, p) for t, p in zip(truth, printed, strict=True))
        and all(s == (u >= 0) for s, u in zip(same, margins, strict=True)),
        control=any(t != min(1, 1 - u / gamma) for t, u in zip(truth, margins, strict=True)),
        margin=float(max(Fraction(0), 1 + Fraction(1)) - ramp(Fraction(1), Fraction(1))),
        found="The two agree exactly for u ≥ 0, 33 margins; at u = −1, γ = 1 they are 2 and 1.",
        reference={"printed at -1": 2.0, "ramp at -1": 1.0},
    )


@check("reg/def-5-ramp-risk")
def def_5_ramp_risk():
    """Def. 5: R_gamma = E l_gamma(-M).

    It lies between P(M <= 0), at least the error, and P(M < gamma), and rises with gamma: exact
    over random finite distributions. Control: E l_gamma(+M), the sign forgotten.
    """
    rng = np.random.default_rng(0)
    holds, control = True, False
    for _ in range(50):
        margins = [Fraction(int(v), 3) for v in rng.integers(-9, 10, size=6)]
        weights = [Fraction(int(v)) for v in rng.integers(1, 9, size=6)]
        total, pairs = sum(weights), list(zip(weights, margins, strict=True))
        last = Fraction(0)
        for gamma in (Fraction(1, 2), Fraction(1), Fraction(4)):
            risk = sum(w * ramp(-u, gamma) for w, u in pairs) / total
            low = sum(w for w, u in pairs if u <= 0) / total
            high = sum(w for w, u in pairs if u < gamma) / total
            holds &= low <= risk <= high and risk >= last
            wrong = sum(w * ramp(u, gamma) for w, u in pairs) / total
            control |= not low <= wrong <= high
            last = risk
    return Evidence(
        holds=holds,
        control=control,
        margin=0.0,
        found="50 finite distributions, three widths, in fractions: P(M ≤ 0) ≤ R_γ ≤ P(M < γ), "
        "and R_γ rises with γ.",
        reference={"distributions": 50.0},
    )


@check("reg/fact-BHC")
def fact_bhc():
    """Bretagnolle-Huber-Carol: P(sum |N_i / m - mu_i| >= lam) <= 2^K exp(-m lam^2 / 2).

    The sum is twice the largest of the 2^K deviations of unions of cells; Hoeffding for each.
    All multinomials with up to 12 examples in up to 4 cells, at every value the sum takes.
    Controls: without 2^K, and with exp(-m lam^2).
    """
    laws = [(HALF, HALF), (Fraction(1, 3), Fraction(2, 3)), (Fraction(1, 4),) * 4]
    laws += [(Fraction(1, 6), Fraction(1, 3), HALF)]
    worst = bare = fast = 0.0
    tried = 0
    for law in laws:
        for m in (1, 2, 5, 12):
            chance = {}
            for number in counts(m, len(law)):
                value = deviation(number, law)
                chance[value] = chance.get(value, 0) + multinomial(number, law)
            tail = Fraction(0)
            for value in sorted(chance, reverse=True):
                tail += chance[value]
                tried += 1
                worst = max(worst, float(tail) / (2 ** len(law) * exp(-m * value**2 / 2)))
                bare = max(bare, float(tail) / exp(-m * value**2 / 2))
                fast = max(fast, float(tail) / (2 ** len(law) * exp(-m * value**2)))
    return Evidence(
        holds=worst <= 1,
        control=bare > 1 and fast > 1,
        margin=1 - worst,
        found=f"{tried} exact tails: probability over bound at most {worst:.3f}; without 2^K "
        f"{bare:.2f}, with e^(−mλ²) {fast:.1f}.",
        reference={"largest quotient": worst},
    )


@check("reg/thm-C.1")
def theorem_c_1():
    """Theorem C.1: (K, eps)-robust implies GE <= eps(S) + M sqrt((2 K ln 2 + 2 ln 1/eta) / m).

    Printed: L <= M. Needed: 0 <= L <= M. Loss 0 or -100 with equal chance, two cells, M = 1, m = 1:
    eps = 0, GE = 50, right side 2.1. And the partition must be chosen before the sample: cells
    "examples seen" and "the rest" make any learner robust with eps = 0 and K = 2, a memoriser
    with GE = 1/2 too. Corrected: both conditions; M/2 is then enough, because the deviations
    sum to 0. Checked as the worst case over all learners, counts and partitions into three cells,
    with exact probabilities. Control: the second term left out.
    """
    eta, losses = 0.5, (0.0, -100.0)
    gap = min(abs(sum(losses) / 2 - drawn) for drawn in losses)
    rhs = spread_term(2, 1, eta)
    memoriser = spread_term(2, 100, 0.05) < 0.5  # K = 2 cells after the sample, m = 100
    broken = bare = Fraction(0)
    law, m, eps, level = (HALF, Fraction(1, 3), Fraction(1, 6)), 8, Fraction(1, 10), 0.3
    worst = 0.0
    for number in counts(m, 3):
        # Per cell with examples the two averages differ by eps at most; without, by anything.
        gaps = [
            sum(
                w * low - Fraction(n, m) * high if n else w * free
                for n, w, low, high, free in zip(number, law, lows, highs, frees, strict=True)
            )
            for lows, highs, frees in extremes(3, eps)
        ]
        value = max(map(abs, gaps))
        chance = multinomial(number, law)
        allowed = float(eps) + spread_term(3, m, level) / 2
        broken += chance if value > allowed else 0
        bare += chance if value > eps else 0
        worst = max(worst, float(value) / (float(eps) + float(deviation(number, law)) / 2))
    return Evidence(
        holds=gap <= rhs,
        corrected=float(broken) <= level and worst <= 1 + 1e-12,
        control=float(bare) > level and memoriser,
        margin=gap - rhs,
        found=f"Loss 0 or −100, one example: GE = {gap:.0f}, right side {rhs:.2f}. With 0 ≤ L ≤ 1 "
        f"and fixed cells the worst learner's GE never exceeds ε + ½Σ∣N_i/m − μ_i∣ (quotient "
        f"{worst:.3f}) and breaks the bound with M/2 with probability {float(broken):.3f} ≤ "
        f"{level}; without the second term, {float(bare):.2f}.",
        reference={"GE": gap, "right side": rhs},
    )


def extremes(cells, eps):
    """Losses that make |R - R_m| extreme: per cell on test, on examples, and where none fell.

    R - R_m is linear in each cell's test loss and training loss, which differ by at most eps
    and lie in [0, 1]; so a corner of that polygon is enough.
    """
    corners = [(0, 0), (eps, 0), (0, eps), (1, 1), (1 - eps, 1), (1, 1 - eps)]
    for choice in product(corners, repeat=cells):
        lows, highs = zip(*choice, strict=True)
        yield lows, highs, lows


@check("reg/eq-8")
def eq_8():
    """Eq. 8: |l(u) - l(u')| <= max{0, 1 - u_min / gamma} for u, u' >= u_min >= 0.

    Both losses lie between 0 and l(u_min), which is the right side; u = u_min, u' = gamma attain
    it. All pairs on a grid of fractions. Control: 1 - 2 u_min / gamma.
    """
    gamma, grid = Fraction(3), [Fraction(k, 4) for k in range(0, 21)]
    tight = holds = True
    control = False
    for least in grid:
        loss = [ramp(-u, gamma) for u in grid if u >= least]
        widest = max(loss) - min(loss) if grid[-1] >= gamma else None
        right = max(Fraction(0), 1 - least / gamma)
        holds &= widest <= right
        tight &= widest == right
        control |= widest > max(Fraction(0), 1 - 2 * least / gamma)
    return Evidence(
        holds=holds and tight,
        control=control,
        margin=0.0,
        found="21 values of u_min, all pairs of margins up to 5, γ = 3: never broken, always met.",
        reference={"u_min = 1, gamma = 3": float(1 - Fraction(1, 3))},
    )


@check("reg/ball-same-label")
def ball_same_label():
    """Appendix C.2: all instances in a ball of radius eps <= eps_0 are predicted as one class.

    The centre is an instance (Definition 1), so its class is among the largest scores at every
    instance of the ball, and theirs among the largest at the centre. Ties, which Definition 2
    allows, are then common to both, and any fixed order of the classes resolves them alike. Every
    score table of three classes on a row of points. Controls: a centre that is no instance; ties
    resolved at random.
    """
    # Points 0, 1, 2, 3 on a line, robust at radius 1; instances are a subset of them.
    holds, tried, random_ties = True, 0, False
    vectors = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)]
    for scores in product(vectors, repeat=4):
        best = [{i for i in range(3) if s[i] == max(s)} for s in scores]
        for instances in ((0, 1), (1, 2), (0, 1, 2), (1, 2, 3), (0, 3), (0, 1, 2, 3)):
            own = {p: min(best[p]) for p in instances}
            if not all(own[p] in best[q] for p in instances for q in range(4) if abs(p - q) < 2):
                continue
            tried += 1
            for centre in instances:
                ball = [p for p in instances if abs(p - centre) <= 1]
                holds &= len({own[p] for p in ball}) == 1
                random_ties |= len(set.union(*(best[p] for p in ball))) > 1
    # Scores (-x, x), instances -1 and 1, eps = eps_0 = 1: a ball round 0 has both.
    outside = [line_margins(x + d, 1 if x < 0 else 2) >= 0 for x in (-1, 1) for d in (-1, 0, 1)]
    return Evidence(
        holds=holds,
        control=all(outside) and random_ties,
        margin=0.0,
        found=f"{tried} robust score tables with ties on four points of a line: one prediction "
        "in every ball round an instance. Round 0, no instance, a ball of radius 1 holds −1 and "
        "1, robust at radius 1 and predicted differently.",
        reference={"robust tables": float(tried)},
    )


def label_world(m, draws):
    """(losses in the ball, largest difference to a training loss, averaged): case_split's world."""
    losses = {1: 0, 2: 1}  # predicted 1 with margin gamma, whatever the label
    return sum(max(abs(losses[z] - losses[y]) for z in (1, 2)) for y in draws) / m


@check("reg/case-split")
def case_split():
    """Appendix C.2: in a ball all training samples are right, or all are wrong.

    They are *predicted* alike; their labels may differ. X = {0}, labels 1 and 2 both possible, any
    classifier: of examples (0, 1), (0, 2) one is right and one is wrong.
    Survives: on a ball and one label, K |Y| cells instead of K (Xu & Mannor's own partition).
    Control: "all right or all wrong" on cells that keep two labels together is rejected by the
    search that accepts it for single labels.
    """
    mixed, pure = 0, 0
    for predicted in (1, 2, 3):
        for labels in product((1, 2, 3), repeat=3):  # three training examples in one ball
            right = [y == predicted for y in labels]
            mixed += any(right) and not all(right)
            for y in set(labels):
                cell = [r for r, label in zip(right, labels, strict=True) if label == y]
                pure += any(cell) and not all(cell)
    return Evidence(
        holds=mixed == 0,
        control=mixed > 0 and pure == 0,
        margin=float(mixed),
        found=f"One ball, three examples, three classes: {mixed} of 81 labellings have right and "
        f"wrong examples together; of cells with one label, {pure}.",
        reference={"mixed labellings": float(mixed)},
    )


@check("reg/eq-17")
def eq_17():
    """Eqs. 17, 18: R as sum_i E_Z[l] mu(C_i); it should be E[l | Z in C_i].

    With the mean over all Z the second line's first term is |E l - R_m|, which (17) does not
    bound: two cells of weight 1/2, loss 0 and 1, all examples in the first: 1/2 against 0.
    Corrected: conditional means; then term by term, in every small world. Control: conditional
    means with weights N_i / m in the first line already, which is not R.
    """
    losses, law = (Fraction(0), Fraction(1)), (HALF, HALF)
    everything = sum(w * v for w, v in zip(law, losses, strict=True))
    first_term = abs(sum(everything * n for n in (1, 0)) - losses[0])
    corrected, control = True, False
    cells = ((0, Fraction(1, 4)), (HALF, 1), (Fraction(1, 3), Fraction(1, 3)))
    law3 = (HALF, Fraction(1, 4), Fraction(1, 4))
    means = [sum(map(Fraction, c)) / 2 for c in cells]
    risk = sum(w * v for w, v in zip(law3, means, strict=True))
    for number in counts(4, 3):
        share = [Fraction(n, 4) for n in number]
        for picks in product((0, 1), repeat=3):
            empirical = sum(s * c[p] for s, c, p in zip(share, cells, picks, strict=True))
            seen = sum(s * v for s, v in zip(share, means, strict=True))
            t17 = sum(
                s * max(abs(z - c[p]) for z in c)
                for s, c, p in zip(share, cells, picks, strict=True)
            )
            t18 = deviation(number, law3)
            corrected &= abs(seen - empirical) <= t17 and abs(risk - seen) <= t18
            corrected &= abs(risk - empirical) <= t17 + t18
            control |= seen != risk
    return Evidence(
        holds=first_term <= 0,
        corrected=corrected,
        control=control,
        margin=float(first_term),
        found=f"Two cells, loss 0 and 1, all examples in the first: the term is {first_term}, (17) "
        "is 0. With E[ℓ ∣ Z ∈ C_i] both terms hold in 120 worlds of three cells, in fractions. "
        "(The sum of (17) and (18) bounds GE in either form.)",
        reference={"printed first term": float(first_term)},
    )


@check("reg/eq-17-factor-2")
def eq_17_factor_2():
    """After eq. 18: (17) <= max{0, 2 (1 - u_min / gamma)}, "by eq. 16".

    Eq. 16 gives factor 1, which is also what the theorem prints; and it needs cells of one label.
    One ball, predicted 1 with margin gamma, labels 1 and 2: losses 0 and 1, (17) = 1, u_min =
    gamma, right side 0. Corrected: cells of one label, factor 1, met at u_min. Control: factor 1/2.
    """
    mixed = label_world(2, (1, 2))
    gamma, grid = Fraction(1), [Fraction(k, 8) for k in range(0, 17)]
    worst, half = Fraction(0), False
    for least in grid:
        loss = [ramp(-u, gamma) for u in grid if u >= least]
        t17 = max(abs(a - b) for a in loss for b in loss)
        allowed = max(Fraction(0), 1 - least / gamma)
        worst = max(worst, t17 - allowed)
        half |= t17 > allowed / 2
    return Evidence(
        holds=mixed <= 0,
        corrected=worst == 0,
        control=half,
        margin=float(mixed),
        found=f"One ball with two labels: (17) = {mixed:g}, right side 0. One label, 17 values of "
        "u_min: (17) reaches max{0, 1 − u_min/γ} and no more.",
        reference={"(17), mixed labels": float(mixed)},
    )


@check("reg/eq-18-constant")
def eq_18_constant():
    """After eq. 18: (18) <= sqrt(ln2 2^(k+1) C^k / (gamma^k m) + 2 ln(1/eta) / m).

    Here gamma is the diameter of the cells (2 eps), elsewhere the width of the ramp. Read as the
    latter it fails: two cells of weight 1/2 (C / eps = 2, k = 1), one example, (18) = 1 surely;
    with C = 1, gamma = 8, eta = 9/10 the right side is 0.75. Corrected, as in the theorem: 2 ln2
    C^k / (eps^k m); every multinomial of two to four cells. Control: ln2 without its factor 2.
    """
    eta, gamma = 0.9, 8.0
    sure = min(deviation(number, (HALF, HALF)) for number in counts(1, 2))
    printed = sqrt(log(2) * 4 / gamma + 2 * log(1 / eta))
    worst = halved = 0.0
    for cells in (2, 3, 4):
        law = (Fraction(1, cells),) * cells
        for m in (1, 3, 6, 9):
            for level in (0.9, 0.5, 0.05):
                right = spread_term(cells, m, level)
                less = sqrt((cells * log(2) / 4 + 2 * log(1 / level)) / m)
                tail = short = Fraction(0)
                for number in counts(m, cells):
                    value = deviation(number, law)
                    tail += multinomial(number, law) if value > right else 0
                    short += multinomial(number, law) if value > less else 0
                worst = max(worst, float(tail) / level)
                halved = max(halved, float(short) / level)
    return Evidence(
        holds=float(sure) <= printed,
        corrected=worst <= 1,
        control=halved > 1,
        margin=float(sure) - printed,
        found=f"Two cells, one example: (18) = {float(sure):g} surely, printed right side "
        f"{printed:.3f} at γ = 8, η = 0.9. With 2K ln 2 the bound is broken with at most "
        f"{worst:.2f} of its allowance η in 36 exact cases; with an eighth of the constant, "
        f"{halved:.2f}.",
        reference={"printed right side": printed},
    )


def check_memoriser(n=100, m=12, eta=0.05):
    """The numbers of Theorem 3.1 for the memoriser: for every number of distinct examples.

    Returns
    -------
    list of (distinct, GE, printed u_min, right side of eq. 4, right side repaired)
        gamma = 1, C / eps = 2 cells in the printed bound.
    """
    rows = []
    for distinct in range(1, m + 1):
        net = bound.Memoriser(n=n, seen=tuple(range(distinct)))
        u_min = net.printed_margin()
        printed = max(0.0, 1 - u_min) + spread_term(2, m, eta)
        variation = 1 - net.slope * net.height
        fixed = repaired_bound(variation=float(variation), cells=1, labels=2, m=m, eta=eta)
        rows.append((distinct, float(net.gap(Fraction(1))), u_min, printed, fixed))
    return rows


@check("reg/thm-3.1")
def theorem_3_1():
    """Theorem 3.1: GE <= max{0, 1 - u_min / gamma} + sqrt(2 ln2 C^k / (eps^k m) + 2 ln(1/eta) / m).

    `bound.Memoriser` satisfies every assumption: a curve (k = 1, C = 2), one class, one ball of
    radius eps = eps_0 = 1, Assumption 3.1, one hidden layer. 100 instances, 12 examples, gamma = 1,
    eta = 1/20. Training loss 0, loss 0.99 on each instance not seen, so GE >= 0.871 for *every*
    sample; eq. 5 says u_min >= 198, so the right side is 0.855. The first term is the culprit:
    the least margin is 0.01.
    Survives: GE <= variation within a cell + 1/2 sqrt((2 K |Y| ln2 + 2 ln(1/eta)) / m), the
    variation being max{0, 1 - u_min / gamma} for the *true* least margin of the right examples'
    cells, and at most 2 eps ||w_y - w_rival|| prod sigma_max / gamma. Checked here on the memoriser
    and in `theorem_c_1` for every learner. Control: the repaired bound with the printed u_min.
    """
    rows = check_memoriser()
    small = bound.Memoriser(n=3, seen=(0, 2), slope=Fraction(1, 4), gain=Fraction(2))
    rng = np.random.default_rng(1)
    monotone, agree = True, 0.0
    for _ in range(30):
        z = rng.normal(size=3)
        z *= rng.random() ** (1 / 3) / np.linalg.norm(z)
        x = np.r_[z, float(small.height)]
        away, point = small.nearest(z)
        found = bound.boundary(small.network, x)
        agree = max(agree, abs(found[0] - away), float(np.abs(found[1] - point).max()))
        monotone &= bound.decreases(bound.way(small.network, x, points=101))
    certain = all(gap > printed for _, gap, _, printed, _ in rows)
    stands = all(gap <= fixed for _, gap, _, _, fixed in rows)
    wrong = all(gap > max(0.0, 1 - u) + spread_term(2, 12, 0.05) / 2 for _, gap, u, _, _ in rows)
    last = rows[-1]
    return Evidence(
        holds=not certain,
        control=stands and wrong and monotone and agree < 1e-7,
        margin=last[1] - last[3],
        found=f"GE is at least {last[1]:.3f} whatever twelve examples are drawn, the right side "
        f"{last[3]:.3f}. Nearest boundary points and Assumption 3.1 were confirmed by exhaustive "
        f"search at 30 points of X (n = 3). The repaired right side is {last[4]:.2f}.",
        reference={"GE": last[1], "u_min, printed": rows[0][2], "right side": last[3]},
    )
