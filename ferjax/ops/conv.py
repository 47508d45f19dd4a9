"""Convolution for training, in the form that suits platform and shape."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.depthwise import depthwise_conv
from ferjax.ops.forms import own_form
from ferjax.ops.small_map_conv import small_map_conv

_NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
_CHWN = lax.ConvDimensionNumbers((3, 0, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))

Padding = tuple[tuple[int, int], tuple[int, int]]


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

    Linen's convolution takes this function as its field of the same name. The forms are for images
    [B, H, W, C] without dilation, where `ops.forms` says so:

    - one kernel a channel, equal strides: `depthwise_conv`;
    - one group, fewer pixels than the kernel has places: `small_map_conv`;
    - one group: a kernel gradient that turns its input in a loop.
    """
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    dilated = {*(lhs_dilation or (1,)), *(rhs_dilation or (1,))} != {1}
    special = dilated or any(value is not None for value in arguments.values())
    if numbers == _NHWC and not special:
        channels, strides = lhs.shape[-1], (window_strides[0], window_strides[1])
        edges = _edges(lhs, rhs, strides, padding)
        if feature_group_count == 1 and own_form("small_map_conv", _lacking(lhs, rhs, strides)):
            return small_map_conv(lhs, rhs, strides, edges)
        if feature_group_count == 1 and own_form("conv", channels):
            return _turned_conv(lhs, rhs, strides, edges)
        one_each = feature_group_count == channels == rhs.shape[-1]
        if one_each and rhs.shape[0] == rhs.shape[1] and strides[0] == strides[1]:
            return depthwise_conv(lhs, rhs, stride=strides[0], padding=edges)
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


def _lacking(lhs: jax.Array, rhs: jax.Array, strides: tuple[int, int]) -> int:
    """Returns how many pixels the coarser map has less than the kernel has places."""
    pixels = math.prod(-(-side // s) for side, s in zip(lhs.shape[1:3], strides, strict=True))
    return math.prod(rhs.shape[:2]) - pixels


def _edges(
    lhs: jax.Array,
    rhs: jax.Array,
    strides: tuple[int, int],
    padding: str | Sequence[tuple[int, int]],
) -> Padding:
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], rhs.shape[:2], strides, padding)
    (above, below), (before, after) = padding
    return (above, below), (before, after)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _turned_conv(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=_NHWC)


def _forward(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _turned_conv(x, kernel, strides, padding), (x, kernel)


def _backward(
    strides: tuple[int, int],
    padding: Padding,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Returns XLA's gradients, the kernel's from an input that is turned to [C, H, W, B] first.

    XLA turns it anyway, and fuses that with whatever made x: batch norm and ReLU are then computed
    again element by element, in the order of the turned array, at a tenth of their speed. What a
    loop reads is a buffer, so the loop over rows stands between.
    """
    x, kernel = residuals

    def of_input(x: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=_NHWC)

    rows = lax.map(lambda i: x[:, i].transpose(2, 1, 0), jnp.arange(x.shape[1]))
    turned = rows.swapaxes(0, 1)

    def of_kernel(kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(turned, kernel, strides, padding, dimension_numbers=_CHWN)

    (by_x,), (by_kernel,) = (
        jax.vjp(of_input, x)[1](gradient),
        jax.vjp(of_kernel, kernel)[1](gradient),
    )
    return by_x, by_kernel


_turned_conv.defvjp(_forward, _backward)
