"""Studies of "A Closer Look at Accuracy vs. Robustness"."""

from . import methods, separation
from .methods import READINGS, dropout_pairs, mnist_table
from .separation import SEPARATED, pixels, separation_table, theorem_table

__all__ = [
    "READINGS",
    "SEPARATED",
    "STUDIES",
    "dropout_pairs",
    "mnist_table",
    "pixels",
    "separation_table",
    "theorem_table",
]

STUDIES = (*separation.STUDIES, *methods.STUDIES)
