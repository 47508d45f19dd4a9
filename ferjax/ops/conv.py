"""Convolution for training, by the implementation that is fastest for the platform and shape."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.ops.choose_implementation import use_custom_implementation
from ferjax.ops.depthwise import depthwise_conv
from ferjax.ops.one_channel_conv import one_channel_conv
from ferjax.ops.plain_conv import NHWC, Padding, gradient_of_images, plain_conv
from ferjax.ops.small_map_conv import small_map_conv

_CHWN = lax.ConvDimensionNumbers((3, 0, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


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
    """Returns `lax.conv_general_dilated` of the same arguments, by the fastest implementation.

    Linen's convolution has a field of the same name that takes this function. Custom
    implementations exist for images [B, H, W, C] without dilation. `choose_implementation` selects
    them by platform and size:

    - one kernel for each channel, equal strides: `depthwise_conv`;
    - one channel: `one_channel_conv`;
    - one group, fewer pixels than the kernel has positions: `small_map_conv`;
    - one group: `_transposed_input_conv`, whose kernel gradient transposes its input in a loop.
    """
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    dilated = {*(lhs_dilation or (1,)), *(rhs_dilation or (1,))} != {1}
    unsupported = dilated or any(value is not None for value in arguments.values())
    if numbers == NHWC and not unsupported:
        channels, strides = lhs.shape[-1], (window_strides[0], window_strides[1])
        explicit_padding = _explicit_padding(lhs, rhs, strides, padding)
        if feature_group_count == 1:
            missing = _missing_pixels(lhs, rhs, strides)
            if use_custom_implementation("small_map_conv", missing):
                return small_map_conv(lhs, rhs, strides, explicit_padding)
            if channels == 1 and use_custom_implementation("one_channel_conv", rhs.shape[0]):
                return one_channel_conv(lhs, rhs, strides, explicit_padding)
            if use_custom_implementation("conv", channels):
                return _transposed_input_conv(lhs, rhs, strides, explicit_padding)
        depthwise = feature_group_count == channels == rhs.shape[-1]
        if depthwise and rhs.shape[0] == rhs.shape[1] and strides[0] == strides[1]:
            return depthwise_conv(lhs, rhs, stride=strides[0], padding=explicit_padding)
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


def _missing_pixels(lhs: jax.Array, rhs: jax.Array, strides: tuple[int, int]) -> int:
    """Returns the number of kernel positions minus the number of pixels of the strided map."""
    pixels = math.prod(-(-side // s) for side, s in zip(lhs.shape[1:3], strides, strict=True))
    return math.prod(rhs.shape[:2]) - pixels


def _explicit_padding(
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
def _transposed_input_conv(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    return plain_conv(x, kernel, strides, padding)


def _forward(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _transposed_input_conv(x, kernel, strides, padding), (x, kernel)


def _backward(
    strides: tuple[int, int],
    padding: Padding,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Returns XLA's gradients; the kernel's is computed from x transposed to [C, H, W, B].

    XLA transposes x in any case, and fuses the transposition with the operations that computed x.
    Batch norm and ReLU then run again element by element, in the order of the transposed array,
    which is ten times slower. A loop reads its input from a buffer, so the loop over rows prevents
    this fusion.
    """
    x, kernel = residuals
    rows = lax.map(lambda i: x[:, i].transpose(2, 1, 0), jnp.arange(x.shape[1]))
    transposed = rows.swapaxes(0, 1)

    def conv_of_kernel(kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            transposed, kernel, strides, padding, dimension_numbers=_CHWN
        )

    (kernel_gradient,) = jax.vjp(conv_of_kernel, kernel)[1](gradient)
    return gradient_of_images(x, kernel, strides, padding, gradient), kernel_gradient


_transposed_input_conv.defvjp(_forward, _backward)
