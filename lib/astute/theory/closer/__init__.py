"""Checks of Yang et al. (2020), "A Closer Look at Accuracy vs. Robustness"."""

from . import tables, theorems

__all__ = ["tables", "theorems"]
