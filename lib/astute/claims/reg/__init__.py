"""Claims of Wen, Li & Jia (2020), on the regularization of adversarial robustness."""

from . import confidence, gaps, layers, small

__all__ = ["confidence", "gaps", "layers", "small"]
