"""How much ||W delta|| varies over directions of delta, from singular values alone."""

import numpy as np


def squared_norm_variance(values, dimension, radius=1.0):
    """Variance of ||W delta||^2 over all delta of one length, from the singular values of W.

    For delta uniform on the sphere of that radius in R^d it is 2 radius^4 / (d + 2) times the
    variance of the d squared singular values: the true form of "the variance of sigma(W) roughly
    determines the variance of ||W delta||" (Wen, Li & Jia, section 1.1). A W with fewer rows than
    columns has d - rows directions of gain 0, which count.

    Parameters
    ----------
    values : array (r,)
        Singular values of W, r <= dimension.
    dimension : int
        Numbers d in an input of W.

    Examples
    --------
    Equal singular values, and yet a variance: W = [1 0] sees delta_1 alone. On the unit circle
    delta_1^2 = cos^2 has variance 1/8.

    >>> squared_norm_variance([1.0], dimension=2)
    0.125
    """
    squares = np.zeros(dimension)
    squares[: len(values)] = np.asarray(values, dtype=float) ** 2
    return float(2 * radius**4 / (dimension + 2) * squares.var())


def norm_variance(values, dimension, radius=1.0, samples=2000, seed=0):
    """Variance of ||W delta|| over random delta of one length, by sampling.

    Only the squares of delta in W's right singular basis matter, and a uniform direction looks
    the same in every basis: no W is needed, and its null space enters as the rest of delta.

    Parameters
    ----------
    values : array (r,)
    dimension, samples, seed : int

    Returns
    -------
    float
    """
    rng = np.random.default_rng(seed)
    squares = np.asarray(values, dtype=float) ** 2
    drawn = np.empty(samples)
    for k in range(samples):
        delta = rng.normal(size=len(squares)) ** 2
        rest = rng.chisquare(dimension - len(squares)) if dimension > len(squares) else 0.0
        drawn[k] = (squares @ delta) / (delta.sum() + rest)
    return float(radius**2 * np.sqrt(drawn).var())
