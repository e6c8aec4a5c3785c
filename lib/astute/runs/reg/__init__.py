"""Studies of Wen, Li & Jia (2020), on the regularization of adversarial robustness."""

from . import cifar, small
from .cifar import blocks, spreads, table, variation
from .small import layers, lemma, nets, theorem

__all__ = [
    "STUDIES",
    "blocks",
    "layers",
    "lemma",
    "nets",
    "spreads",
    "table",
    "theorem",
    "variation",
]

STUDIES = (*cifar.STUDIES, *small.STUDIES)
