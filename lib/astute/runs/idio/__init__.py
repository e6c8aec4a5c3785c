"""Studies of "Reducing Exploitation of Data Idiosyncrasy Helps Robustify Trained Models"."""

from . import attacks, corruptions, parts, perturbed, rows
from .perturbed import METHODS, Perturbed, fig1

__all__ = [
    "METHODS",
    "STUDIES",
    "Perturbed",
    "attacks",
    "corruptions",
    "fig1",
    "parts",
    "perturbed",
    "rows",
]

STUDIES = (*perturbed.STUDIES, *corruptions.STUDIES, *parts.STUDIES)
