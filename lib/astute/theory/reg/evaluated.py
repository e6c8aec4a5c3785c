"""Theorem 3.1 of Wen, Li & Jia (2020) in numbers: a network small enough for the whole proof.

Two classes in the plane, two inputs, a handful of hidden units: the boundary is a fan of rays, so
v, u, robustness and the least covering are exact, and so is the risk, the instances being finite.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

from .. import Evidence, check
from . import bound, covering


def clusters(n=30, radius=0.3, seed=0):
    """Two discs of instances and their signs: (2 n, 2) and (2 n,) of +1, -1."""
    rng = np.random.default_rng(seed)
    angle, far = 2 * np.pi * rng.random(2 * n), radius * np.sqrt(rng.random(2 * n))
    sign = np.repeat([1.0, -1.0], n)
    centre = np.where(sign[:, None] > 0, [2.0, 0.5], [0.5, 2.0])
    return centre + far[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), sign


def fit(x, sign, units=4, steps=400, rate=0.1, seed=0):
    """A network (W, w_1 - w_2) of one hidden layer, by gradient descent on the logistic loss."""
    rng = np.random.default_rng(seed)
    weight, last = rng.normal(size=(units, x.shape[1])), rng.normal(size=units)
    for _ in range(steps):
        hidden = np.maximum(x @ weight.T, 0)
        push = sign / (1 + np.exp(sign * (hidden @ last))) / len(x)
        into = (push[:, None] * (hidden > 0)) * last
        weight, last = weight + rate * into.T @ x, last + rate * hidden.T @ push
    return weight, last


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Every quantity of appendix C for one network, one finite world and one sample.

    Attributes
    ----------
    risk, empirical : float
        Ramp risk R, and R_m on the sample.
    robust : float
        Radius of robustness eps_0: the least v of an instance.
    eps : float
        Radius of the balls, below it.
    cells : int
        Balls of radius eps round instances that were enough, K.
    pure : bool
        Whether every ball holds one label and one prediction.
    margin, printed, slope, largest : float
        Least true margin of an instance; eq. 5; kappa v_min; and what no margin exceeds.
    monotone : int
        Instances that satisfy Assumption 3.1.
    parallel : (int, int)
        Regions crossed whose gradient is parallel to x - x', and all regions crossed.
    lipschitz : float
        ||w_1 - w_2|| times the largest singular value: no margin changes faster.
    variation : float
        Largest difference of losses within a ball that holds an example: eq. 16's left side.
    deviation : float
        sum |N_i / m - mu_i|.
    m, gamma, eta : settings
    """

    risk: float
    empirical: float
    robust: float
    eps: float
    cells: int
    pure: bool
    margin: float
    printed: float
    slope: float
    largest: float
    monotone: int
    parallel: tuple[int, int]
    lipschitz: float
    variation: float
    deviation: float
    m: int
    gamma: float
    eta: float

    @property
    def gap(self):
        """GE."""
        return abs(self.risk - self.empirical)

    def right_side(self, u_min):
        """Equation 4 with this u_min."""
        return max(0.0, 1 - u_min / self.gamma) + covering.spread_term(self.cells, self.m, self.eta)

    @property
    def repaired(self):
        """The bound that is proved, two labels."""
        first = max(0.0, 1 - self.margin / self.gamma)
        first = min(first, 2 * self.eps * self.lipschitz / self.gamma)
        return covering.repaired_bound(
            variation=first, cells=self.cells, labels=2, m=self.m, eta=self.eta
        )


def balls(points, radius):
    """Index of the ball round an instance that each instance belongs to: a partition.

    Farthest-point choice of centres; for clusters further apart than the radius and no wider, the
    least number.
    """
    centres = [0]
    distance = np.linalg.norm(points - points[0], axis=1)
    while distance.max() > radius:
        centres.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[centres[-1]], axis=1))
    return np.linalg.norm(points[:, None] - points[centres], axis=2).argmin(1)


def chain(network, x, sign, sample, gamma=1.0, eta=0.05, eps=0.6):
    """All of appendix C for a network, its finite world (uniform) and the indices of a sample.

    Parameters
    ----------
    network : (array (n_hidden, 2), array (n_hidden,))
    x, sign : arrays (n, 2), (n,)
        Instances, and +1 or -1 for the label.
    sample : array (m,) of int
        Drawn from the instances, repetitions allowed.
    eps : float
        Radius of the balls, fixed before the sample: the width of a cluster.

    Raises
    ------
    ValueError
        If the network is not robust at that radius.
    """
    ends = [bound.boundary(network, p) for p in x]
    v = np.array([distance for distance, _ in ends])
    u = sign * np.array([bound.difference(network, p) for p in x])
    if not eps < v.min():
        raise ValueError(
            f"balls of radius {eps:g} need a network robust beyond it; this one is to {v.min():.3g}"
        )
    cell = balls(x, eps)
    number = np.bincount(cell[sample], minlength=cell.max() + 1)
    loss = np.array([covering.ramp(-margin, gamma) for margin in u])
    weight = np.bincount(cell) / len(x)
    hit = number[cell] > 0
    parallel = crossed = 0
    for p, (_, end) in zip(x, ends, strict=True):
        for slope in bound.pieces(network, p)[1]:
            cosine = (
                slope @ (p - end) / max(np.linalg.norm(slope) * np.linalg.norm(p - end), 1e-300)
            )
            parallel += abs(cosine) > 1 - 1e-9
            crossed += 1
    signed = (network[0], network[1] * sign[0]), (network[0], -network[1] * sign[0])
    return Chain(
        risk=float(loss.mean()),
        empirical=float(loss[sample].mean()),
        robust=float(v.min()),
        eps=eps,
        cells=int(cell.max() + 1),
        pure=all(len(set(sign[cell == i])) == 1 for i in range(len(number))),
        margin=float(u[hit].min()),
        printed=bound.printed_margin(network, v[hit].min()),
        slope=min(bound.least_slope(net) for net in signed) * float(v[hit].min()),
        largest=bound.largest_margin(network, v[hit].min()),
        monotone=sum(
            bound.decreases(s * bound.way(network, p, points=101))
            for p, s in zip(x, sign, strict=True)
        ),
        parallel=(int(parallel), crossed),
        lipschitz=bound.largest_margin(network, 1.0),
        variation=max(float(np.ptp(loss[cell == i])) for i in range(len(number)) if number[i]),
        deviation=float(np.abs(number / len(sample) - weight).sum()),
        m=len(sample),
        gamma=gamma,
        eta=eta,
    )


def tiny_chain(m=200, gamma=6.0, seed=2):
    """`chain` for the two clusters and a network trained on m examples drawn from them."""
    x, sign = clusters()
    sample = np.random.default_rng(seed + 1).integers(0, len(x), size=m)
    network = fit(x[sample], sign[sample], seed=seed)
    return chain(network, x, sign, sample, gamma=gamma)


def digits_floor(units=64, train=1000, seed=0):
    """A floor under the right side of Theorem 3.1 on the handwritten digits.

    Random hidden units, last layer by ridge regression. The robust radius of the whole set is at
    most the shortest way to another class found along one gradient; points more than twice that
    apart need a ball each.

    Returns
    -------
    (test accuracy, ceiling on eps_0, balls needed at least, right side at least)
    """
    x, y = load_digits(return_X_y=True)
    x = x / 16
    weight = np.random.default_rng(seed).normal(size=(units, 64)) / 8
    hidden = np.maximum(x @ weight.T, 0)
    target = np.eye(10)[y[:train]] - 0.1
    gram = hidden[:train].T @ hidden[:train] + 0.1 * np.eye(units)
    last = np.linalg.solve(gram, hidden[:train].T @ target).T
    scores = hidden @ last.T
    order = scores.argsort(1)
    radius = np.inf
    for p, (second, first) in zip(x, order[:, -2:], strict=True):
        slope = ((last[first] - last[second]) * (weight @ p > 0)) @ weight
        unit = slope / np.linalg.norm(slope)
        for step in (0.05, 0.1, 0.2, 0.4):
            moved = np.maximum(weight @ (p - step * unit), 0) @ last.T
            if moved.argmax() != first:
                radius = min(radius, step)
                break
    chosen = np.empty((0, 64))
    for p in x:
        if not len(chosen) or np.linalg.norm(chosen - p, axis=1).min() > 2 * radius:
            chosen = np.vstack([chosen, p])
    accuracy = float((scores[train:].argmax(1) == y[train:]).mean())
    floor = float(np.sqrt(2 * np.log(2) * len(chosen) / train))
    return accuracy, float(radius), len(chosen), floor


@check("reg/thm-3.1-tiny-net")
def theorem_3_1_tiny_net():
    """Theorem 3.1 evaluated on a small trained network: not violated and not vacuous?

    On two well-separated clusters in the plane, yes: two balls do, GE is small. (A network that
    does not depend on the sample cannot violate it but with probability eta: Hoeffding's bound is
    below the second term.) On the digits it is vacuous, above 1: robust radii are far below the
    distances between images, so that there are about as many balls as images. And
    `bound.Memoriser`, small too, violates it. Control: the violation must be found.
    """
    plane = tiny_chain()
    accuracy, radius, needed, floor = digits_floor()
    violated = covering.check_memoriser()[-1]
    fine = plane.gap <= plane.right_side(plane.printed) < 1 and plane.gap <= plane.repaired
    return Evidence(
        holds=None,
        control=fine and floor > 1 and violated[1] > violated[3],
        margin=floor - 1,
        found=f"Two clusters in the plane, {plane.cells} balls, {plane.m} examples: GE "
        f"{plane.gap:.3f}, right side {plane.right_side(plane.printed):.2f} (γ = {plane.gamma:g}; "
        f"u_min of eq. 5 is {plane.printed:.2f}, the least margin {plane.margin:.2f}). Digits, 64 "
        f"hidden units (accuracy {accuracy:.2f}), 1000 examples: ε₀ ≤ {radius:g}, at least "
        f"{needed} balls, right side at least {floor:.2f} > 1. Memoriser: GE {violated[1]:.3f} > "
        f"{violated[3]:.3f}.",
        reference={"right side on digits, at least": floor, "balls on digits": float(needed)},
    )
