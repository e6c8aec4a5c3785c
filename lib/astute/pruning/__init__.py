"""Weights of a trained network removed or changed: M1, M2 and M3 of Wu et al., and controls.

A layer's weight W has shape (units out, units in), as in ``torch.nn.Linear``: the transpose of the
paper's θ. Its columns, the outputs, are our rows; its ``||θ||_inf`` is our ``induced_l1``.
Every method is called on a model and returns a new one; the model itself stays as it was.
"""

from .layers import (
    activities,
    activity,
    linear,
    linears,
    matrix_norms,
    singular_values,
    split,
    uppermost,
)
from .methods import M1, M2, M3, RULES, EveryLayer, Magnitude, Noise, Scaled, removed_units

__all__ = [
    "M1",
    "M2",
    "M3",
    "RULES",
    "EveryLayer",
    "Magnitude",
    "Noise",
    "Scaled",
    "activities",
    "activity",
    "linear",
    "linears",
    "matrix_norms",
    "removed_units",
    "singular_values",
    "split",
    "uppermost",
]
