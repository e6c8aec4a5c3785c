"""The papers' mathematics: a module per paper, a check per statement.

A check computes what a statement says by a route that could have failed, and a deliberately wrong
form of it (the control) that the same route must reject. What it found decides the verdict: that
of `papers/statements/` is tested against `Evidence.verdict`.
"""

from collections.abc import Callable
from dataclasses import dataclass

CHECKS: dict[str, Callable[[], "Evidence"]] = {}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a check found out about one statement.

    Attributes
    ----------
    holds : bool or None
        Whether the statement survived as printed; None if it asserts nothing that a computation
        could refute (an assumption, an empirical reading): then ``found`` names an instance that
        satisfies it and one that does not.
    corrected : bool or None
        Whether the corrected form survived; None where there is no corrected form.
    survives : bool or None
        Whether what a reader may still conclude, of a statement that has no corrected form, was
        shown too; None where nothing of the kind is computed.
    control : bool
        Whether the control was rejected. A check whose control passes proves nothing.
    margin : float
        By how much the deciding inequality or identity held or failed; ``found`` gives the unit.
    found : str
        What was computed, by which route, with the numbers: one or two sentences for a reader.
    reference : dict of str to float
        Numbers another implementation should find again.
    """

    holds: bool | None
    corrected: bool | None = None
    survives: bool | None = None
    control: bool
    margin: float
    found: str
    reference: dict[str, float]

    def __post_init__(self):
        for name in ("holds", "corrected", "survives", "control"):  # numpy's False is no False
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else bool(value))

    @property
    def verdict(self):
        """What this evidence earns; "open" if the control passed or a form that stays failed."""
        if not self.control or self.corrected is False or self.survives is False:
            return "open"
        if self.holds is None:
            return "NOT PROVABLE"
        if self.holds:
            return "HOLDS"
        return "HOLDS WITH FIX" if self.corrected else "FALSE AS PRINTED"


def check(name):
    """Register the check of a statement: a function of no arguments that returns `Evidence`."""

    def register(function):
        if name in CHECKS:
            raise ValueError(f"{name} has a check already, {CHECKS[name].__name__}")
        CHECKS[name] = function
        return function

    return register
