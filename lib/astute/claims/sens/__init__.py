"""Claims of "On the Sensitivity of Adversarial Robustness to Input Data Distributions"."""

from . import cifar, mnist, variants

__all__ = ["cifar", "mnist", "variants"]
