"""Parity of every network with Keras: stage outputs and logits, from uint8 images."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.images.preprocess import prepare
from ferjax.models.registry import MODELS

pytest.importorskip("h5py")
pytestmark = [
    pytest.mark.parity,
    # Keras reads its variables by a deprecated interface of numpy.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

CLASSES = 7
BOUNDS = {"resnet": 1e-5, "vgg": 1e-5, "efficientnet": 1e-4}
# ferjax's name → module of keras.applications, network in it, file of Keras 3 or an older format.
NETWORKS = {
    "resnet50": ("resnet", "ResNet50", "a.weights.h5"),
    "resnet101": ("resnet", "ResNet101", "a.h5"),
    "resnet152": ("resnet", "ResNet152", "a.weights.h5"),
    "vgg16": ("vgg16", "VGG16", "a.h5"),
    "vgg19": ("vgg19", "VGG19", "a.weights.h5"),
    "efficientnet_b0": ("efficientnet", "EfficientNetB0", "a.keras"),
    "efficientnet_b1": ("efficientnet", "EfficientNetB1", "a.h5"),
    "efficientnet_b2": ("efficientnet", "EfficientNetB2", "a.weights.h5"),
}
# One of each family and each kind of file; the others are deeper or wider.
REPRESENTATIVE = ("resnet50", "vgg16", "efficientnet_b0")


def pixels(batch: int, side: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (batch, side, side, 3), np.uint8)


def compare(
    request: pytest.FixtureRequest, model: str, network: Any, folder: Path, images: np.ndarray
) -> int | None:
    """Asserts that both have the same outputs for the same images; returns the file's classes."""
    keras_applications, load, run_ferjax, run_keras, largest_error = map(
        request.getfixturevalue,
        ("keras_applications", "load", "run_ferjax", "run_keras", "largest_error"),
    )
    module, _, name = NETWORKS[model]
    save = network.save_weights if name.endswith(".weights.h5") else network.save
    save(folder / name)
    weights = load(folder / name, model)
    assert weights.source["kind"] == "keras"
    spec = dataclasses.replace(weights.input, size=images.shape[1])
    actual = run_ferjax(weights, prepare(images, spec))
    inputs = getattr(keras_applications, module).preprocess_input(images.astype(np.float32))
    expected = run_keras(network, inputs)
    if len(images) > 1:  # the outputs must depend on the image
        assert np.ptp(expected["logits"], 0).max() >= 0.01 * np.abs(expected["logits"]).max()
    error, tensor = largest_error(actual, expected)
    assert error <= BOUNDS[MODELS[model].family], tensor
    return weights.num_classes


@pytest.mark.parametrize(
    "shape",
    [(5, 65), *(pytest.param(s, marks=pytest.mark.slow) for s in ((1, 65), (1, 64), (5, 64)))],
    ids=str,
)
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, marks=() if model in REPRESENTATIVE else pytest.mark.slow)
        for model in NETWORKS
    ],
)
def test_logits(
    request: pytest.FixtureRequest,
    keras_network: Callable[..., Any],
    folder: Path,
    model: str,
    shape: tuple[int, int],
) -> None:
    options = {"classes": CLASSES, "input_shape": (shape[1], shape[1], 3)}
    if vgg := model.startswith("vgg"):
        # Keras's classifier needs 224 pixels, see below.
        options = {**options, "include_top": False, "pooling": "avg"}
    # Keras's EfficientNets take values from 0 to 255, the others subtract about 127 first.
    sample = pixels(8, shape[1]) - (0 if model.startswith("efficientnet") else 127.0)
    network = keras_network(NETWORKS[model][1], sample.astype(np.float32), **options)
    classes = compare(request, model, network, folder, pixels(*shape))
    assert classes == (None if vgg else CLASSES)


@pytest.mark.parametrize("model", ["vgg16", pytest.param("vgg19", marks=pytest.mark.slow)])
def test_vgg_classifiers(
    request: pytest.FixtureRequest, keras_network: Callable[..., Any], folder: Path, model: str
) -> None:
    network = keras_network(NETWORKS[model][1], pixels(1, 224), classes=CLASSES)
    assert compare(request, model, network, folder, pixels(1, 224)) == CLASSES
