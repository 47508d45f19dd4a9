"""Axis layouts of kernels (OIHW, HWIO, ...): transposes and reshapes, and their inverses."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layout:
    """An invertible rearrangement of one array.

    Attributes:
      name: the layout's name, for messages.
      forward: the source's array → ferjax's array; a view if possible.
      inverse: ferjax's array → the source's array.
    """

    name: str
    forward: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]


def shape_after(layout: Layout, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the shape of a source's array of `shape` after `layout.forward`, without an array.

    Raises:
      ValueError: the layout is not possible for an array of this shape.
    """
    # A view of one number needs no memory, for any shape.
    return layout.forward(np.broadcast_to(np.float32(0), shape)).shape


def _permuted(name: str, *axes: int) -> Layout:
    """Returns the layout that permutes the axes as `np.transpose` does."""
    inverse = tuple(axes.index(axis) for axis in range(len(axes)))
    return Layout(name, lambda x: x.transpose(axes), lambda x: x.transpose(inverse))


KEEP = Layout("keep", lambda x: x, lambda x: x)
# Kernel of a torch convolution, also a depthwise one: (C, 1, k, k) → (k, k, 1, C).
OIHW_TO_HWIO = _permuted("oihw_to_hwio", 2, 3, 1, 0)
OI_TO_IO = _permuted("oi_to_io", 1, 0)
# Keras stores a depthwise kernel as (k, k, channels, multiplier); the multiplier is 1 here.
KERAS_DEPTHWISE = _permuted("keras_depthwise", 0, 1, 3, 2)
# Pointwise convolutions that are dense layers in ferjax.
OIHW_TO_IO = Layout(
    "oihw_to_io", lambda x: np.squeeze(x, (2, 3)).T, lambda x: x.T[:, :, None, None]
)
HWIO_TO_IO = Layout("hwio_to_io", lambda x: np.squeeze(x, (0, 1)), lambda x: x[None, None])


def oihw_to_hwc_dense(height: int, width: int) -> Layout:
    """Returns the layout of a convolution over the whole map: [O, C, H, W] → [H W C, O]."""

    def forward(x: np.ndarray) -> np.ndarray:
        outputs, channels = x.shape[:2]
        return x.transpose(2, 3, 1, 0).reshape(height * width * channels, outputs)

    def inverse(x: np.ndarray) -> np.ndarray:
        return x.reshape(height, width, -1, x.shape[-1]).transpose(3, 2, 0, 1)

    return Layout(f"oihw_to_hwc_dense({height}, {width})", forward, inverse)


def chw_dense_to_hwc_dense(channels: int, height: int, width: int) -> Layout:
    """Returns the layout of a dense layer on a flattened map: [O, C H W] → [H W C, O]."""
    conv = oihw_to_hwc_dense(height, width)

    def forward(x: np.ndarray) -> np.ndarray:
        return conv.forward(x.reshape(x.shape[0], channels, height, width))

    def inverse(x: np.ndarray) -> np.ndarray:
        return conv.inverse(x).reshape(x.shape[-1], channels * height * width)

    return Layout(f"chw_dense_to_hwc_dense({channels}, {height}, {width})", forward, inverse)
