"""Test-time augmentation: positions of the crops, average over the views."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.images import geometry as geometry_module
from ferjax.images import preprocess, test_time_augmentation
from ferjax.images.test_time_augmentation import VIEWS, view_geometry
from ferjax.models.cnn import DepthCNN
from ferjax.specs import InputSpec

# As the library runs them: one program each instead of one for every operation.
resample = jax.jit(geometry_module.resample, static_argnums=(1, 3))
network_input = jax.jit(preprocess.network_input, static_argnums=1)
averaged = jax.jit(test_time_augmentation.averaged, static_argnums=(0, 2, 3))

SPEC = InputSpec((48, 48), 48, 1, (0.5,), (0.25,))
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 1), np.uint8)
KERNEL = np.random.default_rng(1).standard_normal((48 * 48, 5), np.float32) / 48


def linear(inputs: jax.Array) -> jax.Array:
    return inputs.reshape(len(inputs), -1) @ KERNEL


def test_ten_crop_is_corners_and_centre_at_44_of_48_and_their_mirrors() -> None:
    geometry = view_geometry("ten_crop", 48)
    images = np.broadcast_to(IMAGES[:1], (10, 48, 48, 1)).astype(np.float32)
    found = resample(jnp.array(images), 48, geometry)
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    crops = [images[0, y : y + 44, x : x + 44] for y, x in corners]
    # Ten-crop mirrors the image, then crops: the same crops, with left and right exchanged.
    mirrored = [images[0, y : y + 44, 4 - x : 48 - x][:, ::-1] for y, x in corners]
    expected = jax.image.resize(np.stack(crops + mirrored), (10, 48, 48, 1), "linear")
    found, expected = (np.asarray(x)[:, 1:-1, 1:-1] for x in (found, expected))
    for crop in expected:
        nearest = np.abs(found - crop).max((1, 2, 3))
        assert nearest.min() < 1e-2


def test_other_sizes_keep_the_proportion() -> None:
    window = np.asarray(view_geometry("ten_crop", 224).window)
    np.testing.assert_allclose(window, round(0.9167 * 224) / 224)
    assert view_geometry("flip", 224).window.tolist() == [[1, 1], [1, 1]]


def test_the_flags_offer_every_view() -> None:
    for config in (TrainConfig, EvalConfig):
        field = next(field for field in dataclasses.fields(config) if field.name == "tta")
        assert set(field.metadata["choices"]) == set(VIEWS)


def convolutional(inputs: jax.Array) -> jax.Array:
    model = DepthCNN(5, depth=1, widths=(8,), hidden=16)
    variables = model.init(jax.random.key(0), inputs, train=False)
    logits: Any = model.apply(variables, inputs, train=False)
    return logits


@pytest.mark.parametrize("network", [linear, convolutional])
def test_none_is_the_network_bit_for_bit(network: Callable[[jax.Array], jax.Array]) -> None:
    plain = jax.jit(lambda images: network(preprocess.network_input(images, SPEC)))
    np.testing.assert_array_equal(averaged(network, IMAGES, SPEC, "none"), plain(IMAGES))


def test_flip_returns_the_log_of_the_mean_softmax() -> None:
    both = [linear(network_input(images, SPEC)) for images in (IMAGES, IMAGES[:, :, ::-1])]
    mean = np.mean([jax.nn.softmax(logits) for logits in both], 0)
    found = averaged(linear, IMAGES, SPEC, "flip")
    np.testing.assert_allclose(found, np.log(mean), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jax.nn.softmax(found), mean, rtol=1e-5)
    mirrored = averaged(linear, IMAGES[:, :, ::-1], SPEC, "flip")
    np.testing.assert_allclose(mirrored, found, rtol=1e-5, atol=1e-5)


def test_ten_crop_returns_the_mean_over_its_views() -> None:
    geometry = view_geometry("ten_crop", 48)
    views = [jax.tree.map(lambda part, i=i: part[i : i + 1], geometry) for i in range(10)]
    every = [jax.nn.softmax(linear(network_input(IMAGES, SPEC, view))) for view in views]
    found = jax.nn.softmax(averaged(linear, IMAGES, SPEC, "ten_crop"))
    np.testing.assert_allclose(found, np.mean(every, 0), rtol=1e-4)
    assert len(VIEWS["ten_crop"]) == 10


def test_a_guide_gets_the_same_views() -> None:
    spec = dataclasses.replace(SPEC, guide=SPEC)

    def both(inputs: tuple[jax.Array, jax.Array]) -> jax.Array:
        return (linear(inputs[0]) + linear(inputs[1])) / 2

    np.testing.assert_allclose(
        averaged(both, IMAGES, spec, "flip"), averaged(linear, IMAGES, SPEC, "flip"), rtol=1e-5
    )


def test_a_wrong_name_is_an_error() -> None:
    with pytest.raises(UserError, match="Did you mean 'ten_crop'"):
        averaged(linear, IMAGES, SPEC, "tencrop")
