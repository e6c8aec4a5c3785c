"""One training loop: recipes as values, exact resume, readable failures."""

from .files import load, save
from .loop import OutOfTime, TrainingFailed, train, train_together
from .recipes import ClipNorms, CropFlip, Recipe, ResizedCrop

__all__ = [
    "ClipNorms",
    "CropFlip",
    "OutOfTime",
    "Recipe",
    "ResizedCrop",
    "TrainingFailed",
    "load",
    "save",
    "train",
    "train_together",
]
