"""Fifteen common corruptions at five severities, and the relative corruption error they define.

Written from the descriptions and constants of Hendrycks & Dietterich (2019): those for 224 x 224
images ("ImageNet-C") from a side of 65 pixels up, those for 32 x 32 ("CIFAR-10-C") below. The
published image files were made by other libraries and stored as JPEG, so that accuracies on these
images and on the files differ, by some points for a few types; frost, made of photographs there, is
a pattern of our own. Compare models on one of the two, never across.
"""

from .errors import accuracies, coordinates, group_accuracies, relative_mce
from .images import CONSTANTS, GROUPS, KINDS, SEVERITIES, Corruption

__all__ = [
    "CONSTANTS",
    "GROUPS",
    "KINDS",
    "SEVERITIES",
    "Corruption",
    "accuracies",
    "coordinates",
    "group_accuracies",
    "relative_mce",
]
