"""Axis layouts: order of the axes, effect on a dense layer, inverse, shapes without memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferjax.convert.rules import axis_layouts
from ferjax.convert.rules.axis_layouts import (
    Layout,
    chw_dense_to_hwc_dense,
    oihw_to_hwc_dense,
    shape_after,
)

SIDE = st.integers(1, 4)
CASES: dict[str, tuple[Layout, tuple[int | None, ...], tuple[int, ...]]] = {
    # layout, the source's shape (None: any size), the source axis of each result axis
    "keep": (axis_layouts.KEEP, (None, None), (0, 1)),
    "conv": (axis_layouts.OIHW_TO_HWIO, (None,) * 4, (2, 3, 1, 0)),
    "depthwise": (axis_layouts.OIHW_TO_HWIO, (None, 1, None, None), (2, 3, 1, 0)),
    "dense": (axis_layouts.OI_TO_IO, (None, None), (1, 0)),
    "pointwise": (axis_layouts.OIHW_TO_IO, (None, None, 1, 1), (1, 0)),
    "keras_pointwise": (axis_layouts.HWIO_TO_IO, (1, 1, None, None), (2, 3)),
    "keras_depthwise": (axis_layouts.KERAS_DEPTHWISE, (None, None, None, 1), (0, 1, 3, 2)),
}


@pytest.mark.parametrize("name", CASES)
@given(sizes=st.tuples(SIDE, SIDE, SIDE, SIDE), seed=st.integers(0, 9))
def test_order_of_axes_and_inverse(name: str, sizes: tuple[int, ...], seed: int) -> None:
    layout, fixed, axes = CASES[name]
    shape = tuple(f or s for f, s in zip(fixed, sizes, strict=False))
    source = np.random.default_rng(seed).standard_normal(shape, np.float32)
    converted = layout.forward(source)
    assert converted.shape == tuple(shape[axis] for axis in axes) == shape_after(layout, shape)
    np.testing.assert_array_equal(layout.inverse(converted), source)
    # The last element is still the last element.
    index = tuple(int(n) - 1 for n in shape)
    assert converted[tuple(index[axis] for axis in axes)] == source[index]


@given(channels=SIDE, height=SIDE, width=SIDE, outputs=SIDE)
def test_a_dense_layer_after_flatten_gives_the_same_result(
    channels: int, height: int, width: int, outputs: int
) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(-9, 9, (channels, height, width)).astype(np.float32)
    kernel = rng.integers(-9, 9, (outputs, channels, height, width)).astype(np.float32)
    expected = np.einsum("chw,ochw->o", image, kernel)
    flat = image.transpose(1, 2, 0).ravel()
    dense, conv = chw_dense_to_hwc_dense(channels, height, width), oihw_to_hwc_dense(height, width)
    for layout, source in ((dense, kernel.reshape(outputs, -1)), (conv, kernel)):
        converted = layout.forward(source)
        np.testing.assert_array_equal(flat @ converted, expected)
        np.testing.assert_array_equal(layout.inverse(converted), source)
        assert shape_after(layout, source.shape) == converted.shape


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (axis_layouts.OIHW_TO_HWIO, (3, 3)),
        (axis_layouts.OI_TO_IO, (3, 3, 1, 1)),
        (axis_layouts.OIHW_TO_IO, (4, 4, 3, 3)),
        (axis_layouts.OIHW_TO_IO, (4, 4)),
        (axis_layouts.HWIO_TO_IO, (3, 1, 4, 4)),
        (oihw_to_hwc_dense(7, 7), (8, 4, 5, 5)),
        (chw_dense_to_hwc_dense(512, 7, 7), (4096, 512)),
    ],
)
def test_other_shapes_are_an_error(layout: Layout, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        shape_after(layout, shape)


def test_shape_after_needs_no_memory() -> None:
    tracemalloc.start()
    assert shape_after(chw_dense_to_hwc_dense(512, 7, 7), (4096, 25088)) == (25088, 4096)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
