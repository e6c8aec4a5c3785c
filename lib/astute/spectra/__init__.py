"""Singular values of the linear maps inside a network: by how much each layer stretches.

Three readings of "the singular values of a convolution" are kept apart, because they differ:

``"reshaped"``  of the kernel as a C_out x (C_in kH kW) matrix, which is what a weight file holds;
``"circular"``  of the layer on its own feature map with wrap-around padding, all frequencies of it
                (Sedghi et al. 2019; the reading of Wen, Li & Jia);
``"exact"``     of the layer as it is applied, its own padding, stride, groups and dilation.

For dense layers the three are one.
"""

from .clipping import clip_kernel, clip_norms
from .estimates import estimated_summary
from .norms import conv_spectral_norms, spectral_complexity, spectral_norms
from .values import (
    READINGS,
    conv_singular_values,
    dense_singular_values,
    layer_shapes,
    layer_singular_values,
    operator_matrix,
    spread,
    summary,
)

__all__ = [
    "READINGS",
    "clip_kernel",
    "clip_norms",
    "conv_singular_values",
    "conv_spectral_norms",
    "dense_singular_values",
    "estimated_summary",
    "layer_shapes",
    "layer_singular_values",
    "operator_matrix",
    "spectral_complexity",
    "spectral_norms",
    "spread",
    "summary",
]
