"""Checks of Wen, Li & Jia (2020), on the regularization of adversarial robustness."""

from . import bound, covering, evaluated, gains, layers, paths, tables

__all__ = ["bound", "covering", "evaluated", "gains", "layers", "paths", "tables"]
