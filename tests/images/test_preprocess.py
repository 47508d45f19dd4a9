"""Device preprocessing against jax.image.resize, numpy slices and hand numbers."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferjax.images import geometry as geometry_module
from ferjax.images.colour import Colour, erase, recolour
from ferjax.images.geometry import Geometry
from ferjax.images.preprocess import (
    denormalize,
    network_input,
    normalize,
    prepare,
    to_channels,
)
from ferjax.specs import InputSpec, spec_from_json, spec_to_json

# As the library runs it, and one compilation a shape instead of twenty.
resample = jax.jit(geometry_module.resample, static_argnums=(1, 3))


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def geometry(flips: list[bool], moves: list[tuple[int, int]], side: int) -> Geometry:
    """Returns a geometry whose shifts are given in whole pixels (down, right)."""
    return Geometry(jnp.array(flips), jnp.array(moves, jnp.float32) / side)


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Returns `image` [S, S, C] moved, edges repeated."""
    reach = max(abs(down), abs(right))
    side = len(image)
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), "edge")
    return padded[reach - down :, reach - right :][:side, :side]


def test_grey_is_repeated_and_rgb_weighed_by_601() -> None:
    grey, rgb = pixels(2, 3, 4, 1), pixels(2, 3, 4, 3)
    np.testing.assert_array_equal(to_channels(grey, 3), np.concatenate([grey] * 3, -1))
    luma = 0.299 * rgb[..., :1] + 0.587 * rgb[..., 1:2] + 0.114 * rgb[..., 2:]
    np.testing.assert_allclose(to_channels(rgb, 1), luma, rtol=1e-6, atol=1e-4)
    for images, channels in ((grey, 1), (grey, 3), (rgb, 1), (rgb, 3)):
        result = to_channels(images, channels)
        assert (result.dtype, result.shape) == (jnp.float32, (2, 3, 4, channels))


@settings(max_examples=6, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    size=st.integers(1, 70),
    method=st.sampled_from([("bilinear", "linear"), ("bicubic", "cubic")]),
)
def test_a_plain_resize_is_jax_image_resize(
    height: int, width: int, size: int, method: tuple[str, str]
) -> None:
    images = pixels(1, height, width, 2).astype(np.float32)
    expected = jax.image.resize(images, (1, size, size, 2), method[1], antialias=True)
    found = resample(images, size, None, method[0])
    # A few parts in a million of the range: one rounding for each of the sums they differ in, and
    # of a source position 50 pixels out, on which a cubic's weights hang more steeply.
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("ours", "pillow"), [("bilinear", 2), ("bicubic", 3)])
@pytest.mark.parametrize("size", [24, 31, 64])
def test_a_plain_resize_is_pillows_to_its_rounding(ours: str, pillow: int, size: int) -> None:
    # Little contrast: between its two passes Pillow clips what overshoots.
    image = pixels(48, 48) // 4 + 96
    expected = Image.fromarray(image).resize((size, size), Image.Resampling(pillow))
    spec = InputSpec((48, 48), size, 1, (0.0,), (1 / 255,), interpolation=ours)
    found = np.asarray(prepare(image[None, :, :, None], spec))[0, :, :, 0]
    # It also rounds to bytes after each of them.
    np.testing.assert_allclose(found, np.asarray(expected, np.float32), rtol=0, atol=1.6)


@settings(max_examples=10, deadline=None)
@given(down=st.integers(-5, 5), right=st.integers(-5, 5))
def test_whole_pixel_shifts_copy_under_bicubic_too(down: int, right: int) -> None:
    images = pixels(1, 24, 24, 1).astype(np.float32)
    result = resample(images, 24, geometry([False], [(down, right)], 24), "bicubic")
    np.testing.assert_allclose(result[0], moved(images[0], down, right), rtol=0, atol=1e-3)


@pytest.mark.parametrize("moving", [None, Geometry(jnp.zeros(2, bool), jnp.zeros((2, 2)))])
def test_native_size_is_bit_exact(moving: Geometry | None) -> None:
    images = pixels(2, 48, 48, 1).astype(np.float32)
    np.testing.assert_array_equal(resample(images, 48, moving), images)


def test_flip_mirrors_left_to_right_at_native_size() -> None:
    images = pixels(2, 48, 48, 3).astype(np.float32)
    result = resample(images, 48, geometry([True, False], [(0, 0)] * 2, 48))
    np.testing.assert_array_equal(result[0], images[0, :, ::-1])
    np.testing.assert_array_equal(result[1], images[1])


def test_a_shift_moves_the_content_down_and_right() -> None:
    image = np.zeros((1, 8, 8, 1), np.float32)
    image[0, 2, 3] = 255
    result = resample(image, 8, geometry([False], [(1, 2)], 8))
    assert np.argwhere(np.asarray(result)[0, ..., 0]).tolist() == [[3, 5]]


@settings(max_examples=10, deadline=None)
@given(
    down=st.integers(-5, 5), right=st.integers(-5, 5), flip=st.booleans(), seed=st.integers(0, 99)
)
def test_whole_pixel_shifts_copy_with_repeated_edges(
    down: int, right: int, flip: bool, seed: int
) -> None:
    images = pixels(1, 48, 48, 1, seed=seed).astype(np.float32)
    result = resample(images, 48, geometry([flip], [(down, right)], 48))
    # The face is mirrored first; what the move shows is the same either way.
    image = images[0, :, ::-1] if flip else images[0]
    np.testing.assert_array_equal(result[0], moved(image, down, right))


@pytest.mark.parametrize("size", [32, 96])
def test_a_move_with_a_resize_is_the_resize_of_the_moved_image(size: int) -> None:
    images = pixels(3, 48, 48, 3).astype(np.float32)
    moves, flips = [(0, 0), (2, -4), (-1, 3)], [True, False, True]
    result = np.asarray(resample(images, size, geometry(flips, moves, 48)))
    first = [
        moved(image[:, ::-1] if flip else image, *move)
        for image, flip, move in zip(images, flips, moves, strict=True)
    ]
    expected = np.asarray(resample(jnp.array(first), size))
    # A row beyond the edge weighs on the outermost pixels when moved first, and not in one go.
    edge = slice(8 * size // 48, -8 * size // 48)
    np.testing.assert_allclose(result[:, edge, edge], expected[:, edge, edge], rtol=0, atol=1e-3)
    np.testing.assert_allclose(result[0], expected[0], rtol=0, atol=1e-3)


def test_each_image_gets_its_own_geometry_whatever_the_batch() -> None:
    images = pixels(4, 20, 20, 1).astype(np.float32)
    moving = geometry([True, False, True, False], [(1, 1), (0, -2), (2, 0), (0, 0)], 20)
    whole = np.asarray(resample(images, 20, moving))
    for i in range(4):
        one = Geometry(moving.flip[i : i + 1], moving.shift[i : i + 1])
        np.testing.assert_array_equal(resample(images[i : i + 1], 20, one)[0], whole[i])


SPEC = InputSpec((40, 36), 32, 3, (0.5, 0.4, 0.3), (0.25, 0.2, 0.5))


def test_normalize_is_the_formula_and_denormalize_its_inverse() -> None:
    images = pixels(2, 5, 5, 3).astype(np.float32)
    result = normalize(images, SPEC)
    np.testing.assert_allclose(
        result, (images / 255 - np.array(SPEC.mean)) / np.array(SPEC.std), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(denormalize(result, SPEC), images / 255, rtol=0, atol=1e-6)
    assert float(denormalize(100 + result, SPEC).max()) == 1


def test_bgr_networks_see_blue_first_with_their_own_mean() -> None:
    caffe = InputSpec((5, 5), 5, 3, (0.4, 0.5, 0.6), (1 / 255,) * 3, order="bgr")
    images = pixels(2, 5, 5, 3)
    expected = images[..., ::-1].astype(np.float64) - 255 * np.array(caffe.mean)
    result = prepare(images, caffe)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(denormalize(result, caffe), images / 255, rtol=0, atol=1e-6)


def test_a_guide_gets_the_same_moved_pixels_normalised_in_its_own_way() -> None:
    guide = InputSpec((40, 36), 32, 3, (0.1, 0.2, 0.3), (2.0, 3.0, 4.0), order="bgr")
    images, moving = pixels(2, 40, 36, 3), geometry([True, False], [(2, 1), (0, 3)], 40)
    own, guided = network_input(images, dataclasses.replace(SPEC, guide=guide), moving)
    np.testing.assert_array_equal(own, prepare(images, SPEC, moving))
    np.testing.assert_array_equal(guided, prepare(images, guide, moving))
    np.testing.assert_array_equal(network_input(images, SPEC, moving), own)


def test_the_order_is_channels_geometry_colour_erasing_normalisation() -> None:
    images, moving = pixels(2, 40, 36, 1), geometry([True, False], [(2, 1), (0, 3)], 40)
    colour = Colour(jnp.array([1.3, 0.7]), jnp.array([0.5, 1.5]))
    boxes = jnp.array([[0.2, 0.2, 0.6, 0.9], [0.0, 0.0, 0.0, 0.0]])
    found = network_input(images, SPEC, moving, colour, boxes)
    steps = resample(to_channels(images, 3), 32, moving)
    steps = normalize(erase(recolour(steps, colour), boxes), SPEC)
    np.testing.assert_allclose(found, steps, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(found, prepare(images, SPEC, moving, colour, boxes))


@pytest.mark.parametrize("channels", [1, 3])
def test_prepare_makes_float32_of_the_spec_size(channels: int) -> None:
    spec = InputSpec((40, 36), 32, channels, (0.5,) * channels, (0.25,) * channels)
    for given_channels in (1, 3):
        images = pixels(2, 40, 36, given_channels)
        result = prepare(images, spec)
        assert (result.shape, result.dtype) == ((2, 32, 32, channels), jnp.float32)
        steps = normalize(resample(to_channels(images, channels), 32), spec)
        np.testing.assert_allclose(result, steps, rtol=0, atol=2e-6)


def test_spec_survives_json() -> None:
    both = dataclasses.replace(SPEC, guide=SPEC, order="bgr", interpolation="bicubic")
    for spec in (SPEC, both):
        assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec


def test_a_spec_of_an_older_run_still_opens() -> None:
    old = {"storage": [40, 36], "size": 32, "channels": 3, "mean": [0.5, 0.4, 0.3]}
    assert spec_from_json({**old, "std": [0.25, 0.2, 0.5]}) == SPEC
