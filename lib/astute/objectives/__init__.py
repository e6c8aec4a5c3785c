"""What training minimises: frozen values called on a module and a batch.

Each returns the scalar to descend and the logits it was computed from, in training mode; ``each``
returns the losses of the images, of which the scalar is the mean. Where a paper's code sums them
(Yang et al.), its learning rate is larger by the size of a batch.
"""

from .bounded import Dual, Intervals, ranges
from .inner import MODES, PRECISIONS
from .robust import RST, TRADES, Adversarial, Natural
from .smooth import GR, LLR

__all__ = [
    "GR",
    "LLR",
    "MODES",
    "PRECISIONS",
    "RST",
    "TRADES",
    "Adversarial",
    "Dual",
    "Intervals",
    "Natural",
    "ranges",
]
