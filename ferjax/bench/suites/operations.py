"""Suite `ops`: max pooling, depthwise and dense convolutions at the shapes of the networks."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ferjax.bench.measuring.case import Case
from ferjax.bench.measuring.op_case import op_case
from ferjax.ops.conv import conv_general_dilated
from ferjax.ops.depthwise import depthwise_conv, depthwise_conv_plain
from ferjax.ops.pool import max_pool

_DIMS = ("NHWC", "HWIO", "NHWC")
_QUICK = ("max pool 2x2", "depthwise 112x112x32 k3", "conv 3x3 16x16x128")

# name, shape, window, stride, padding
_POOLS = (
    ("max pool 2x2", (16, 64, 64, 64), 2, 2, 0),
    ("max pool 3x3 s2", (16, 64, 64, 64), 3, 2, 1),
)
# EfficientNet: side, channels, kernel, stride, padding; the last row pads as TensorFlow's SAME.
_DEPTHWISE = (
    (112, 32, 3, 1, (1, 1)),
    (112, 96, 3, 2, (1, 1)),
    (28, 240, 5, 1, (2, 2)),
    (56, 144, 5, 2, (2, 2)),
    (7, 1152, 5, 1, (2, 2)),
    (14, 480, 3, 1, (1, 1)),
    (112, 96, 3, 2, (0, 1)),
)
# ResNet-18 and -50 at 128 px: side, inputs, filters, kernel, stride.
_CONVOLUTIONS = (
    (32, 64, 64, 3, 1),
    (16, 128, 128, 3, 1),
    (8, 256, 256, 3, 1),
    (4, 512, 512, 3, 1),
    (32, 64, 128, 3, 2),
    (32, 256, 64, 1, 1),
    (32, 512, 1024, 1, 2),
    (128, 3, 64, 7, 2),
)


def cases() -> tuple[Case, ...]:
    """Returns the cases of the suite."""
    return (
        *(pool_case(*row) for row in _POOLS),
        *(depthwise_case(*row) for row in _DEPTHWISE),
        *(convolution_case(*row) for row in _CONVOLUTIONS),
        # The first layer of cnn3 to cnn6.
        convolution_case(48, 1, 32, 3, 1, batch=128),
    )


def pool_case(name: str, shape: tuple[int, ...], window: int, stride: int, edge: int) -> Case:
    """Returns a case of max pooling a map [N, H, W, C] that is padded by `edge` on all sides."""

    def torch(x: Any) -> Any:
        from torch.nn import functional

        return functional.max_pool2d(x, window, stride, edge)

    def plain(x: jax.Array) -> jax.Array:
        # Not `max_pool_plain`: it makes a second pass over x to keep every NaN.
        sides, steps = (1, window, window, 1), (1, stride, stride, 1)
        pads = ((0, 0), (edge, edge), (edge, edge), (0, 0))
        return lax.reduce_window(x, -jnp.inf, lax.max, sides, steps, pads)

    return op_case(
        name,
        [shape],
        ours=lambda x: max_pool(x, window, stride=stride, padding=edge),
        plain=plain,
        torch=torch,
        wrt=(0,),
        quick=name in _QUICK,
    )


def depthwise_case(side: int, channels: int, size: int, stride: int, edge: tuple[int, int]) -> Case:
    """Returns a case of a depthwise convolution of 8 square maps.

    Args:
      side: side of the maps, pixels.
      channels: number of channels.
      size: side of the kernel.
      stride: in both directions.
      edge: padding (before, after), the same in both directions.
    """
    same = edge[0] == edge[1]
    step = f" s{stride}" if stride > 1 else ""
    name = f"depthwise {side}x{side}x{channels} k{size}{step}{'' if same else ' SAME'}"

    options: dict[str, Any] = dict(stride=stride, padding=(edge, edge))

    def torch(x: Any, kernel: Any) -> Any:
        from torch.nn import functional

        if not same:
            x = functional.pad(x, (*edge, *edge))
        border = edge[0] if same else 0
        return functional.conv2d(x, kernel, stride=stride, padding=border, groups=channels)

    return op_case(
        name,
        [(8, side, side, channels), (size, size, 1, channels)],
        ours=lambda x, kernel: depthwise_conv(x, kernel, **options),
        plain=lambda x, kernel: depthwise_conv_plain(x, kernel, **options),
        torch=torch,
        wrt=(0, 1),
        quick=name in _QUICK,
    )


def convolution_case(
    side: int, inputs: int, filters: int, size: int, stride: int, *, batch: int = 16
) -> Case:
    """Returns a case of a convolution of square maps, padded by half a kernel.

    Args:
      side: side of the maps, pixels.
      inputs: channels of the maps; up to 3 for an image, whose gradient is not computed.
      filters: number of filters.
      size: side of the kernel.
      stride: in both directions.
      batch: number of maps.
    """
    edge = (size // 2, size // 2)
    arguments: dict[str, Any] = dict(
        window_strides=(stride, stride), padding=(edge, edge), dimension_numbers=_DIMS
    )
    widths = f"{inputs}" if inputs == filters else f"{inputs}→{filters}"
    step = f" s{stride}" if stride > 1 else ""
    name = f"conv {size}x{size} {side}x{side}x{widths}{step}"

    def torch(x: Any, kernel: Any) -> Any:
        from torch.nn import functional

        return functional.conv2d(x, kernel, stride=stride, padding=size // 2)

    return op_case(
        name,
        [(batch, side, side, inputs), (size, size, inputs, filters)],
        ours=lambda x, kernel: conv_general_dilated(x, kernel, **arguments),
        plain=lambda x, kernel: lax.conv_general_dilated(x, kernel, **arguments),
        torch=torch,
        # Training does not need the gradient of the image.
        wrt=(1,) if inputs <= 3 else (0, 1),
        quick=name in _QUICK,
    )
