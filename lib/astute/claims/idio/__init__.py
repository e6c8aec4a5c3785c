"""Claims of "Reducing Exploitation of Data Idiosyncrasy Helps Robustify Trained Models"."""

from . import attacks, corruptions, perturbed

__all__ = ["attacks", "corruptions", "perturbed"]
