"""Parity traps of Keras: ResNet v1, BGR input, a hidden division, depthwise kernels."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.convert.readers.open_file import open_source
from ferjax.convert.rules.axis_layouts import KEEP, KERAS_DEPTHWISE
from ferjax.convert.rules.match_and_convert import match
from ferjax.convert.tables.all_tables import find_table
from ferjax.convert.weights import Pretrained
from ferjax.errors import UserError
from ferjax.images.preprocess import prepare
from ferjax.models.registry import abstract_variables, create_model
from ferjax.runtime.variable_tree import unflatten
from ferjax.specs import InputSpec

pytest.importorskip("h5py")
pytestmark = [
    pytest.mark.parity,
    # Keras reads its variables by a deprecated interface of numpy.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

TOLERANCE = 1e-5
MIN_TRAP_ERROR = 100 * TOLERANCE
SIDE = 64
IMAGES = np.random.default_rng(1).integers(0, 256, (8, SIDE, SIDE, 3), np.uint8)
PIXELS = IMAGES.astype(np.float32)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@partial(jax.jit, static_argnums=0)  # one program for all weights of one network
def apply(network: Any, variables: Any, images: Any) -> jax.Array:
    return network.apply(variables, images, train=False)


def logits(weights: Pretrained, spec: InputSpec, **fields: Any) -> np.ndarray:
    """Returns ferjax's logits by an input spec, with `fields` in place of those of the weights."""
    network = create_model(weights.model, weights.num_classes or 0, **{**weights.fields, **fields})
    images = prepare(IMAGES, dataclasses.replace(spec, size=SIDE))
    return np.asarray(apply(network, unflatten(weights.variables), images))


def distance(actual: Any, expected: Any) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def test_trap_5_resnet_v1_and_bgr_input(
    keras_applications: Any,
    keras_network: Callable[..., Any],
    run_keras: Callable[..., Any],
    load: Callable[..., Pretrained],
    folder: Path,
) -> None:
    network = keras_network("ResNet50", PIXELS - 127, classes=7, input_shape=(SIDE, SIDE, 3))
    network.save_weights(folder / "a.weights.h5")
    weights = load(folder / "a.weights.h5", "resnet50")
    inputs = keras_applications.resnet.preprocess_input(PIXELS.copy())
    expected = run_keras(network, inputs)["logits"]
    spec = weights.input
    assert distance(logits(weights, spec), expected) <= TOLERANCE

    # With the stride in the 3x3 the variables are the same, so only the numbers show the mistake.
    assert distance(logits(weights, spec, stride_on_3x3=True), expected) >= MIN_TRAP_ERROR
    assert (
        distance(logits(weights, dataclasses.replace(spec, order="rgb")), expected)
        >= MIN_TRAP_ERROR
    )
    torch_style = find_table("resnet50", "torchvision").input
    assert distance(logits(weights, torch_style), expected) >= MIN_TRAP_ERROR
    source, table = open_source(folder / "a.weights.h5"), find_table("resnet50", "keras")
    with pytest.raises(UserError, match=r"stem_conv/bias, which the network does not have"):
        match(source.leaves, table, abstract_variables("resnet50", 7), where="a.weights.h5")


def test_trap_6_imagenet_weights_add_one_more_division(
    keras_applications: Any,
    keras_network: Callable[..., Any],
    run_keras: Callable[..., Any],
    load: Callable[..., Pretrained],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    import keras

    options = {"include_top": False, "pooling": "avg", "input_shape": (SIDE, SIDE, 3)}
    # The sample input of a network without the layers that come with the ImageNet weights.
    sample = (PIXELS / 255 - MEAN) / STD * 255
    random = keras_network("EfficientNetB0", sample.astype(np.float32), **options)
    # As in the files that Keras publishes: the standard deviation is stored as the variance.
    (normalization,) = (
        layer for layer in random.layers if isinstance(layer, keras.layers.Normalization)
    )
    normalization.set_weights([np.array(MEAN), np.array(STD), np.array(0)])
    file = folder / "efficientnetb0_notop.h5"
    random.save(file)
    downloads = "keras.src.applications.efficientnet.file_utils.get_file"
    monkeypatch.setattr(downloads, lambda *_, **__: str(file))
    live = keras_applications.EfficientNetB0(weights="imagenet", **options)
    expected = run_keras(live, PIXELS)["logits"]

    weights = load(file, "efficientnet_b0")
    np.testing.assert_allclose(weights.input.mean, MEAN, rtol=1e-6)
    np.testing.assert_allclose(weights.input.std, STD, rtol=1e-6)
    assert distance(logits(weights, weights.input), expected) <= TOLERANCE
    once = dataclasses.replace(weights.input, std=tuple(np.sqrt(STD)))
    assert distance(logits(weights, once), expected) >= MIN_TRAP_ERROR
    # Values from 0 to 255 without the network's normalisation layers.
    assert (
        distance(logits(weights, dataclasses.replace(once, mean=(0,) * 3)), expected)
        >= MIN_TRAP_ERROR
    )


def test_trap_7_depthwise_kernels_keep_their_channels_before_the_multiplier(
    keras_network: Callable[..., Any],
    run_keras: Callable[..., Any],
    load: Callable[..., Pretrained],
    folder: Path,
) -> None:
    network = keras_network("EfficientNetB0", PIXELS, classes=7, input_shape=(SIDE, SIDE, 3))
    network.save_weights(folder / "a.weights.h5")
    weights = load(folder / "a.weights.h5", "efficientnet_b0")
    expected = run_keras(network, PIXELS)["logits"]
    assert distance(logits(weights, weights.input), expected) <= TOLERANCE
    # 3: torch's epsilon; 4: torch's padding, at an even size.
    assert distance(logits(weights, weights.input, bn_eps=1e-5), expected) >= MIN_TRAP_ERROR
    assert distance(logits(weights, weights.input, padding="symmetric"), expected) >= MIN_TRAP_ERROR

    table = find_table("efficientnet_b0", "keras")
    rules = tuple(
        dataclasses.replace(rule, layout=KEEP) if rule.layout == KERAS_DEPTHWISE else rule
        for rule in table.rules
    )
    assert rules != table.rules
    target = abstract_variables("efficientnet_b0", 7, **table.fields)
    source = open_source(folder / "a.weights.h5")
    with pytest.raises(UserError, match=r"dwconv/0' has shape \(3, 3, 32, 1\)"):
        match(source.leaves, dataclasses.replace(table, rules=rules), target, where="a.weights.h5")
