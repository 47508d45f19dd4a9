"""Preprocessing against jax.image.resize, Pillow, numpy slices and values computed by hand."""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferjax.errors import UserError
from ferjax.images import geometry as geometry_module
from ferjax.images.augmented_input import augment
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

# Under jit, as in the library; it also needs one compilation for each shape instead of twenty.
resample = jax.jit(geometry_module.resample, static_argnums=(1, 3))


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def geometry(flips: list[bool], moves: list[tuple[int, int]], side: int) -> Geometry:
    """Returns a geometry with shifts in whole pixels (down, right)."""
    return Geometry(jnp.array(flips), jnp.array(moves, jnp.float32) / side)


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Returns `image` [S, S, C] shifted, with repeated edge pixels."""
    reach = max(abs(down), abs(right))
    side = len(image)
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), "edge")
    return padded[reach - down :, reach - right :][:side, :side]


def test_grey_is_repeated_and_rgb_becomes_601_luma() -> None:
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
def test_a_plain_resize_equals_jax_image_resize(
    height: int, width: int, size: int, method: tuple[str, str]
) -> None:
    images = pixels(1, height, width, 2).astype(np.float32)
    expected = jax.image.resize(images, (1, size, size, 2), method[1], antialias=True)
    result = resample(images, size, None, method[0])
    # The tolerance is a few millionths of the range. It allows one rounding for each sum that is
    # computed differently, and one of a source position 50 pixels out, which changes the weights
    # of a cubic kernel more.
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("interpolation", "pillow"), [("bilinear", 2), ("bicubic", 3)])
@pytest.mark.parametrize("size", [24, 31, 64])
def test_a_plain_resize_equals_pillow(interpolation: str, pillow: int, size: int) -> None:
    # Low contrast, because Pillow clips overshoots between its two passes.
    image = pixels(48, 48) // 4 + 96
    expected = Image.fromarray(image).resize((size, size), Image.Resampling(pillow))
    spec = InputSpec((48, 48), size, 1, (0.0,), (1 / 255,), interpolation=interpolation)
    result = np.asarray(prepare(image[None, :, :, None], spec))[0, :, :, 0]
    # Pillow also rounds to bytes after each pass.
    np.testing.assert_allclose(result, np.asarray(expected, np.float32), rtol=0, atol=1.6)


@settings(max_examples=10, deadline=None)
@given(down=st.integers(-5, 5), right=st.integers(-5, 5))
def test_whole_pixel_shifts_copy_under_bicubic_too(down: int, right: int) -> None:
    images = pixels(1, 24, 24, 1).astype(np.float32)
    result = resample(images, 24, geometry([False], [(down, right)], 24), "bicubic")
    np.testing.assert_allclose(result[0], shifted(images[0], down, right), rtol=0, atol=1e-3)


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
    # The image is mirrored first, then shifted.
    image = images[0, :, ::-1] if flip else images[0]
    np.testing.assert_array_equal(result[0], shifted(image, down, right))


@pytest.mark.parametrize("size", [32, 96])
def test_shift_and_resize_equal_the_resize_of_the_shifted_image(size: int) -> None:
    images = pixels(3, 48, 48, 3).astype(np.float32)
    moves, flips = [(0, 0), (2, -4), (-1, 3)], [True, False, True]
    result = np.asarray(resample(images, size, geometry(flips, moves, 48)))
    first = [
        shifted(image[:, ::-1] if flip else image, *move)
        for image, flip, move in zip(images, flips, moves, strict=True)
    ]
    expected = np.asarray(resample(jnp.array(first), size))
    # Without the edges: if the image is shifted first, repeated edge rows enter the resize.
    edge = slice(8 * size // 48, -8 * size // 48)
    np.testing.assert_allclose(result[:, edge, edge], expected[:, edge, edge], rtol=0, atol=1e-3)
    np.testing.assert_allclose(result[0], expected[0], rtol=0, atol=1e-3)


def test_the_geometry_of_an_image_does_not_depend_on_the_batch() -> None:
    images = pixels(4, 20, 20, 1).astype(np.float32)
    moving = geometry([True, False, True, False], [(1, 1), (0, -2), (2, 0), (0, 0)], 20)
    whole = np.asarray(resample(images, 20, moving))
    for i in range(4):
        one = Geometry(moving.flip[i : i + 1], moving.shift[i : i + 1])
        np.testing.assert_array_equal(resample(images[i : i + 1], 20, one)[0], whole[i])


SPEC = InputSpec((40, 36), 32, 3, (0.5, 0.4, 0.3), (0.25, 0.2, 0.5))


def test_normalize_follows_the_formula_and_denormalize_inverts_it() -> None:
    images = pixels(2, 5, 5, 3).astype(np.float32)
    result = normalize(images, SPEC)
    np.testing.assert_allclose(
        result, (images / 255 - np.array(SPEC.mean)) / np.array(SPEC.std), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(denormalize(result, SPEC), images / 255, rtol=0, atol=1e-6)
    assert float(denormalize(100 + result, SPEC).max()) == 1


def test_bgr_order_reverses_channels_before_normalisation() -> None:
    caffe = InputSpec((5, 5), 5, 3, (0.4, 0.5, 0.6), (1 / 255,) * 3, order="bgr")
    images = pixels(2, 5, 5, 3)
    expected = images[..., ::-1].astype(np.float64) - 255 * np.array(caffe.mean)
    result = prepare(images, caffe)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(denormalize(result, caffe), images / 255, rtol=0, atol=1e-6)


def test_a_guide_gets_the_same_pixels_with_its_own_normalisation() -> None:
    guide = InputSpec((40, 36), 32, 3, (0.1, 0.2, 0.3), (2.0, 3.0, 4.0), order="bgr")
    images, moving = pixels(2, 40, 36, 3), geometry([True, False], [(2, 1), (0, 3)], 40)
    spec = dataclasses.replace(SPEC, guide=guide)
    inputs, guide_inputs = network_input(images, spec, moving)
    np.testing.assert_array_equal(inputs, prepare(images, SPEC, moving))
    np.testing.assert_array_equal(guide_inputs, prepare(images, guide, moving))
    np.testing.assert_array_equal(network_input(images, SPEC, moving), inputs)


def test_the_order_is_channels_geometry_colour_erasing_normalisation() -> None:
    images, moving = pixels(2, 40, 36, 1), geometry([True, False], [(2, 1), (0, 3)], 40)
    colour = Colour(jnp.array([1.3, 0.7]), jnp.array([0.5, 1.5]))
    boxes = jnp.array([[0.2, 0.2, 0.6, 0.9], [0.0, 0.0, 0.0, 0.0]])
    result = network_input(images, SPEC, moving, colour, boxes)
    steps = resample(to_channels(images, 3), 32, moving)
    steps = normalize(erase(recolour(steps, colour), boxes), SPEC)
    np.testing.assert_allclose(result, steps, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(result, prepare(images, SPEC, moving, colour, boxes))


@pytest.mark.parametrize("channels", [1, 3])
def test_prepare_returns_float32_of_the_spec_size(channels: int) -> None:
    spec = InputSpec((40, 36), 32, channels, (0.5,) * channels, (0.25,) * channels)
    for given_channels in (1, 3):
        images = pixels(2, 40, 36, given_channels)
        result = prepare(images, spec)
        assert (result.shape, result.dtype) == ((2, 32, 32, channels), jnp.float32)
        steps = normalize(resample(to_channels(images, channels), 32), spec)
        np.testing.assert_allclose(result, steps, rtol=0, atol=2e-6)


def test_spec_to_json_and_back() -> None:
    both = dataclasses.replace(SPEC, guide=SPEC, order="bgr", interpolation="bicubic")
    for spec in (SPEC, both):
        assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec


def test_a_spec_of_an_older_run_can_be_read() -> None:
    old = {"storage": [40, 36], "size": 32, "channels": 3, "mean": [0.5, 0.4, 0.3]}
    assert spec_from_json({**old, "std": [0.25, 0.2, 0.5]}) == SPEC


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order": "BGR"}, "unknown order of an InputSpec 'BGR'.*Did you mean 'bgr'"),
        ({"interpolation": "nearest"}, "unknown interpolation of an InputSpec 'nearest'.*bicubic"),
        ({"channels": 4}, "1 or 3 channels expected, found 4"),
        ({"mean": (0.5, 0.5)}, r"mean=\(0.5, 0.5\) is not one number for each of 3 channels"),
        ({"std": 0.5}, "std=0.5 is not one number for each of 3 channels"),
        ({"std": (0.25, 0.0, 0.25)}, "divides the images. Give numbers above 0"),
        ({"std": (0.25, float("nan"), 0.25)}, "divides the images. Give numbers above 0"),
    ],
)
def test_a_spec_that_no_network_input_has_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        dataclasses.replace(SPEC, **changes)
    # In a file it is a value that does not fit: the caller names the file.
    with pytest.raises((ValueError, TypeError)):
        spec_from_json({**json.loads(json.dumps(spec_to_json(SPEC))), **changes})


@pytest.mark.parametrize("augmentation", ["none", lambda key, images, index: images])
def test_floats_are_refused_and_an_augmentation_may_return_them(augmentation: Any) -> None:
    images, key, index = pixels(2, 40, 36, 3), jax.random.key(0), np.arange(2)
    with pytest.raises(UserError, match=r"images are float64: uint8 expected, 0 to 255"):
        prepare(images / 255, SPEC)
    with pytest.raises(UserError, match=r"images are float64: uint8 expected, 0 to 255"):
        augment(images / 255, SPEC, augmentation, key, index)
    floats = augment(images, SPEC, lambda key, images, _: images.astype(np.float32), key, index)
    np.testing.assert_array_equal(floats, prepare(images, SPEC))
