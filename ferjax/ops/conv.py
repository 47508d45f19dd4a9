"""Convolution for training, in the form that suits platform and shape."""

from collections.abc import Sequence
from typing import Any

import jax
from jax import lax

from ferjax.ops.depthwise import depthwise_conv

NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


def conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    **arguments: Any,
) -> jax.Array:
    """Returns `lax.conv_general_dilated` of the same arguments, in ferjax's form where it has one.

    That is for square kernels and equal strides over [B, H, W, C] without dilation: a Linen
    convolution takes this function as its field of the same name.
    """
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    dilated = {*(lhs_dilation or (1,)), *(rhs_dilation or (1,))} != {1}
    ours = numbers == NHWC and not dilated and rhs.shape[0] == rhs.shape[1]
    if ours and len(set(window_strides)) == 1:
        (top, left), k, stride = lhs.shape[1:3], rhs.shape[0], window_strides[0]
        if isinstance(padding, str):
            padding = lax.padtype_to_pads((top, left), (k, k), window_strides, padding)
        (above, below), (before, after) = padding
        edges = ((above, below), (before, after))
        if feature_group_count == lhs.shape[-1] == rhs.shape[-1]:
            return depthwise_conv(lhs, rhs, stride=stride, padding=edges)
    return lax.conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        numbers,
        feature_group_count,
        **arguments,
    )
