"""Attacks: frozen values that are called on a model, images and labels.

All return images of the same shape, in [0, 1] unless the box was switched off; those with a radius
``eps`` stay inside that ball, the others look for the nearest adversarial and give the image itself
back where they find none. The model's mode and its parameters' gradients are left as they were
found. To attack the model's own prediction instead of the label, pass predictions as ``y``. Whether
an attack succeeded is not its to say: `fooled` asks the model about the images it returned.
"""

from .base import check_images, fooled, gradient, least_margin
from .blind import Grey, SquareSearch
from .carlini_wagner import CarliniWagner
from .deepfool import DeepFool
from .ensemble import Ensemble
from .fgsm import BisectionFGSM, LineSearchFGSM
from .pgd import FGSM, PGD

__all__ = [
    "FGSM",
    "PGD",
    "BisectionFGSM",
    "CarliniWagner",
    "DeepFool",
    "Ensemble",
    "Grey",
    "LineSearchFGSM",
    "SquareSearch",
    "check_images",
    "fooled",
    "gradient",
    "least_margin",
]
