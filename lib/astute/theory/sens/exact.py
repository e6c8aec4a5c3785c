"""Exact tools behind the checks of Ding et al.: intervals, finite laws, sums of uniform numbers."""

from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import comb, factorial

import numpy as np
from scipy import integrate


def merged(intervals):
    """Intervals (a, b), a <= b, as disjoint ones in order; a point (a, a) is kept.

    Examples
    --------
    >>> merged([(2, 3), (0, 1), (1, 2), (5, 5)])
    [(0, 3), (5, 5)]
    """
    out = []
    for a, b in sorted(intervals):
        if out and a <= out[-1][1]:
            out[-1] = (out[-1][0], max(b, out[-1][1]))
        else:
            out.append((a, b))
    return out


def enlarged(intervals, eps):
    """The eps-neighbourhood of a union of intervals, up to its end points."""
    return merged((a - eps, b + eps) for a, b in intervals)


def common(first, second):
    """The intersection of two unions of intervals."""
    both = [(max(a, c), min(b, d)) for a, b in merged(first) for c, d in merged(second)]
    return merged((a, b) for a, b in both if a <= b)


def rest(intervals, low=0, high=1):
    """What a union of intervals leaves of [low, high], up to end points."""
    ends = [low, *(end for pair in merged(intervals) for end in pair), high]
    return [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < b]


def mass(intervals, low=0, high=1):
    """Probability of a union of intervals under the uniform law on [low, high].

    Examples
    --------
    >>> mass([(-1, Fraction(1, 4)), (Fraction(1, 2), 2)])
    Fraction(3, 4)
    """
    inside = common(intervals, [(low, high)])
    return Fraction(1, high - low) * sum((b - a for a, b in inside), Fraction(0))


def robust_error(truth, rule, eps):
    """Robust error of a classifier of x uniform on [0, 1], attacked within [0, 1].

    Parameters
    ----------
    truth, rule : dict of label to intervals
        Where the label is, and where the classifier says, that label; a rule may have points.
    eps : Fraction
        Radius: x' is reached from x if abs(x - x') < eps.

    Examples
    --------
    Example 1 of the paper in one dimension: a strip of eps on either side of 1/2.

    >>> half = Fraction(1, 2)
    >>> halves = {0: [(0, half)], 1: [(half, 1)]}
    >>> robust_error(halves, halves, Fraction(1, 10))
    Fraction(1, 5)
    """
    total = Fraction(0)
    for label, region in truth.items():
        wrong = [pair for other, pairs in rule.items() if other != label for pair in pairs]
        total += mass(common(region, enlarged(wrong, eps)))
    return total


def finite_errors(law, rule, eps=0):
    """Error of a rule on a finite law, attacked within the points that the rule is defined on.

    Parameters
    ----------
    law : dict of (x, y) to probability
    rule : dict of x to label
    eps : number
        x' is reached from x if abs(x - x') < eps, and x itself always.
    """
    return sum(
        p
        for (x, y), p in law.items()
        if any(label != y for point, label in rule.items() if point == x or abs(point - x) < eps)
    )


def rules(points, labels):
    """All classifiers of finitely many points, as dicts."""
    for said in product(labels, repeat=len(points)):
        yield dict(zip(points, said, strict=True))


def random_law(rng, points, labels, total=60):
    """A law on points x labels with probabilities k / total, every point among them."""
    cells = list(product(points, labels))
    counts = rng.multinomial(total - len(points), [1 / len(cells)] * len(cells))
    law = dict(zip(cells, map(int, counts), strict=True))
    for x in points:  # every point has some mass
        law[x, labels[int(rng.integers(len(labels)))]] += 1
    return {cell: Fraction(k, total) for cell, k in law.items() if k}


def irwin_hall(d, x):
    """P(S <= x) for S the sum of d independent uniform numbers on [0, 1], x a Fraction.

    Examples
    --------
    >>> irwin_hall(2, Fraction(1, 2)), irwin_hall(3, Fraction(3, 2))
    (Fraction(1, 8), Fraction(1, 2))
    """
    x = Fraction(x)
    if x <= 0 or x >= d:
        return Fraction(int(x > 0))
    p, q = x.numerator, x.denominator
    whole = sum((-1) ** k * comb(d, k) * (p - k * q) ** d for k in range(p // q + 1))
    return Fraction(whole, factorial(d) * q**d)


def attacked(d, eps):
    """Robust error of 1[sum x > d/2] for x uniform on the cube, exactly: P(|S - d/2| < d eps).

    The attack may leave the cube; see `attacked_inside`.

    Examples
    --------
    >>> attacked(1, Fraction(1, 10)), attacked(2, Fraction(1, 10))
    (Fraction(1, 5), Fraction(9, 25))
    """
    return 1 - 2 * irwin_hall(d, Fraction(d, 2) - d * Fraction(eps))


@lru_cache(maxsize=4096)
def attacked_inside(d, eps):
    """The same for an attack that has to stay in the cube, exactly.

    Lowering every pixel by eps, but not below 0, is the best attack on label 1. It fails where
    sum max(x_i - eps, 0) > d/2: given that k pixels exceed eps, (1 - eps) times a sum of k uniform
    numbers exceeds d/2. Label 0 is the same by symmetry.
    """
    eps = Fraction(eps)
    if eps >= Fraction(1, 2):
        return Fraction(1)
    safe = sum(
        comb(d, k) * (1 - eps) ** k * eps ** (d - k) * (1 - irwin_hall(k, d / (2 * (1 - eps))))
        for k in range(d // 2 + 1, d + 1)
    )
    return 1 - 2 * safe


def attacked_by_fourier(d, eps):
    """`attacked` by another route, and for d in the thousands: the characteristic function.

    P(|S - d/2| < a) is 2/pi times the integral of sin(a t) / t (sin(t/2) / (t/2))^d over t > 0.
    """
    a = d * float(eps)
    end = 40 / np.sqrt(d / 12) if d > 30 else 60 * np.pi

    def integrand(t):
        return a * np.sinc(a * t / np.pi) * np.sinc(t / (2 * np.pi)) ** d

    value, _ = integrate.quad(integrand, 0, end, limit=2000, epsabs=1e-11)
    return 2 / np.pi * value
