"""Studies of Wen, Li & Jia (2020), on the regularization of adversarial robustness."""

from . import cifar, networks, rows, small
from .cifar import FEW
from .rows import blocks, second_look, spreads, table, variation
from .small import layers, lemma, nets, theorem

__all__ = [
    "FEW",
    "STUDIES",
    "blocks",
    "layers",
    "lemma",
    "nets",
    "networks",
    "rows",
    "second_look",
    "spreads",
    "table",
    "theorem",
    "variation",
]

STUDIES = (*cifar.STUDIES, *small.STUDIES)
