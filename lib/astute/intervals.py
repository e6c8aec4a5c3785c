"""Fractions and means over images with their intervals and what every image contributed."""

import base64

import numpy as np
from scipy.stats import beta, t


def proportion(outcomes):
    """A fraction of images with its exact 95 % interval (Clopper & Pearson 1934).

    Parameters
    ----------
    outcomes : bool array or CPU tensor, shape (N,)
        True where the image counts (was classified rightly, say).

    Returns
    -------
    dict
        ``value``, ``low``, ``high`` : fractions; ``n`` : int; ``outcomes`` : the N bits, packed
        eight to a byte, most significant first, in base 64.

    Examples
    --------
    >>> p = proportion([True, True, True, False])
    >>> p["value"], round(p["low"], 3), round(p["high"], 3)
    (0.75, 0.194, 0.994)
    """
    bits = np.asarray(outcomes, bool)
    n, k = len(bits), int(bits.sum())
    if n == 0:
        raise ValueError("a proportion of no images is undefined; got an empty set")
    low = beta.ppf(0.025, k, n - k + 1) if k > 0 else 0.0
    high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    packed = base64.b64encode(np.packbits(bits).tobytes()).decode()
    return {"value": k / n, "low": float(low), "high": float(high), "n": n, "outcomes": packed}


def outcomes(measurement):
    """The bits behind a `proportion`, as a bool array (N,).

    Examples
    --------
    >>> outcomes(proportion([True, False, True])).tolist()
    [True, False, True]
    """
    packed = np.frombuffer(base64.b64decode(measurement["outcomes"]), np.uint8)
    return np.unpackbits(packed, count=measurement["n"]).astype(bool)


def first(measurement, count):
    """The `proportion` among the first ``count`` images of another.

    Examples
    --------
    >>> first(proportion([True, True, False, False]), 2)["value"]
    1.0
    """
    return proportion(outcomes(measurement)[:count])


def mean(values):
    """A mean over images with its 95 % interval (normal approximation).

    Parameters
    ----------
    values : float array or CPU tensor, shape (N,)
        One number an image, N at least 2.

    Returns
    -------
    dict
        ``value``, ``low``, ``high``; ``sd`` : the images' standard deviation (n - 1); ``n`` : int;
        ``values`` : the N numbers as little-endian float32, in base 64.

    Examples
    --------
    >>> m = mean([1.0, 2.0, 3.0])
    >>> m["value"], m["sd"], numbers(m).tolist()
    (2.0, 1.0, [1.0, 2.0, 3.0])
    """
    kept = np.asarray(values, dtype="<f4")
    if kept.ndim != 1 or len(kept) < 2 or not np.isfinite(kept).all():
        raise ValueError(
            f"a mean needs two or more finite numbers, one an image; got shape {kept.shape}"
            f"{'' if np.isfinite(kept).all() else ' with NaN or infinity'}"
        )
    middle, sd = float(kept.mean(dtype=float)), float(kept.std(dtype=float, ddof=1))
    half = 1.959964 * sd / len(kept) ** 0.5
    packed = base64.b64encode(kept.tobytes()).decode()
    ends = {"low": middle - half, "high": middle + half}
    return {"value": middle, **ends, "sd": sd, "n": len(kept), "values": packed}


def numbers(measurement):
    """What the images contributed to a `mean`: (N,) float32."""
    return np.frombuffer(base64.b64decode(measurement["values"]), "<f4")


def student(values):
    """The 95 % interval of a mean over a few seeds (Student 1908).

    Parameters
    ----------
    values : float array, shape (..., S)
        One number a seed, S at least 2; differences of two trainings of one seed make it paired.

    Returns
    -------
    (float array, float array), each of shape (...)

    Examples
    --------
    Of three seeds it is wide: 4.3 standard errors to either side.

    >>> low, high = student([1.0, 2.0, 3.0])
    >>> round(float(low), 2), round(float(high), 2)
    (-0.48, 4.48)
    """
    values = np.asarray(values, float)
    n = values.shape[-1]
    if n < 2:
        raise ValueError(f"an interval over seeds needs two or more of them; got {n}")
    middle = values.mean(-1)
    half = t.ppf(0.975, n - 1) * values.std(-1, ddof=1) / n**0.5
    return middle - half, middle + half


def bootstrap(values, draws=2000, seed=0):
    """The 95 % interval of a mean over images by drawing them again (Efron 1979, percentiles).

    For differences of two measurements of the same images it is the paired one; it needs no
    normality, and where all values are 0 it has no width.

    Parameters
    ----------
    values : float array, shape (N,)

    Returns
    -------
    (float, float)

    Examples
    --------
    >>> bootstrap(np.zeros(5)), bootstrap(np.ones(5))
    ((0.0, 0.0), (1.0, 1.0))
    """
    values = np.asarray(values, float)
    n = len(values)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    low, high = np.quantile(counts @ values / n, (0.025, 0.975))
    return float(low), float(high)
