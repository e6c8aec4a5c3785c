"""Fractions of images with their intervals and the outcome of every image."""

import base64

import numpy as np
from scipy.stats import beta


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
