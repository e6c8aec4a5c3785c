"""Studies of "On the Sensitivity of Adversarial Robustness to Input Data Distributions"."""

from . import capacity, certified, cifar, examples, masking, mnist, variants
from .variants import Robustness, Volume, figure5, inter_class, table2, table6

__all__ = [
    "STUDIES",
    "Robustness",
    "Volume",
    "capacity",
    "certified",
    "cifar",
    "examples",
    "figure5",
    "inter_class",
    "masking",
    "mnist",
    "table2",
    "table6",
    "variants",
]

STUDIES = (
    *variants.STUDIES,
    *mnist.STUDIES,
    *masking.STUDIES,
    *certified.STUDIES,
    *cifar.STUDIES,
    *capacity.STUDIES,
    *examples.STUDIES,
)
