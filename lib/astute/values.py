"""Settings as plain data: what a record stores and what its name is made of."""

import dataclasses
import hashlib
import json
import math


def added(default):
    """A field that a settings class got after records had been made with it.

    At its default, which is what was done before, `config` leaves it out: such records keep their
    names.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Step:
    ...     size: float
    ...     mode: str = added("eval")
    >>> config(Step(0.5)), config(Step(0.5, "train"))
    ({'type': 'Step', 'size': 0.5}, {'type': 'Step', 'size': 0.5, 'mode': 'train'})
    """
    return dataclasses.field(default=default, metadata={"added": True})


def config(value):
    """Plain JSON data that says everything about a settings value.

    Parameters
    ----------
    value : dataclass instance, or str, int, float, bool, None, list, tuple, dict of such
        Frozen settings (an attack, a variant, a run).

    Returns
    -------
    dict, list, str, int, float, bool or None
        A dataclass becomes ``{"type": class name, **fields}``; infinity becomes ``"inf"``.

    Raises
    ------
    TypeError
        If something inside is neither plain nor a dataclass.
    ValueError
        If a number is NaN.

    Examples
    --------
    >>> from astute.transforms import Saturate
    >>> config(Saturate(level=float("inf")))
    {'type': 'Saturate', 'level': 'inf'}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: _typed(getattr(value, f.name), f)
            for f in dataclasses.fields(value)
            if not ("added" in f.metadata and getattr(value, f.name) == f.default)
        }
        return {"type": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {str(key): config(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [config(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            raise ValueError("a setting is NaN; settings are finite numbers or inf")
        return "inf" if value > 0 else "-inf"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a setting must be plain data or a dataclass; got {type(value).__name__}")


def _typed(value, field):
    """A field's value as data; 4 where a float is meant is 4.0, so that equal settings look so."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return config(float(value) if whole and field.type in (float, "float") else value)


def digest(value):
    """Ten hex digits that name a configuration: the same settings, the same name.

    Examples
    --------
    >>> digest({"b": 1, "a": 0.5}) == digest({"a": 0.5, "b": 1})
    True
    """
    text = json.dumps(config(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
