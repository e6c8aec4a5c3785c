"""Checks of Wu et al., "Reducing Exploitation of Data Idiosyncrasy"."""

from . import equations, lemmas, scores

__all__ = ["equations", "lemmas", "scores"]
