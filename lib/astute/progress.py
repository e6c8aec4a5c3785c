"""Progress bars: for people at a terminal or in Jupyter, silent in batch runs and tests."""

import os

from tqdm.auto import tqdm


def bar(iterable=None, *, total=None, desc="", unit="it"):
    """A ``tqdm`` bar, silent when the environment says ``ASTUTE_QUIET=1``.

    A bar inside an executed page would leave a widget that is blank without its server, or one
    line for each update; so whoever executes pages or tests sets the variable.

    Parameters
    ----------
    iterable : iterable, optional
        What to walk through; without it call ``.update(n)`` on the result.
    total : int, optional
        Number of steps, where ``len(iterable)`` does not tell it.
    desc, unit : str
        Words before the bar, and the name of one step.

    Returns
    -------
    tqdm.tqdm
        Usable as an iterator and as a context manager.

    Examples
    --------
    >>> os.environ["ASTUTE_QUIET"] = "1"
    >>> [k * k for k in bar(range(3), desc="squares")]
    [0, 1, 4]
    """
    quiet = os.environ.get("ASTUTE_QUIET") == "1"
    return tqdm(iterable, total=total, desc=desc, unit=unit, disable=quiet, dynamic_ncols=True)
