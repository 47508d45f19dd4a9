"""Batch norm against Keras: epsilon, momentum, running statistics after one training step."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.tables.all_tables import find_table
from ferjax.convert.weights import Pretrained
from ferjax.images.preprocess import normalize

pytestmark = [
    pytest.mark.parity,
    # Keras reads its variables by a deprecated interface of numpy.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

Statistics = Mapping[str, np.ndarray]
BOUND = 1e-5
BATCH, SIDE = 8, 65


def statistics(weights: Pretrained) -> Statistics:
    return {k: v for k, v in weights.variables.items() if k.startswith("batch_stats/")}


def test_running_statistics(
    keras_network: Callable[..., Any],
    train_keras: Callable[..., None],
    load: Callable[..., Pretrained],
    step_statistics: Callable[..., Statistics],
    largest_error: Callable[..., tuple[float, str]],
    folder: Path,
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (BATCH, SIDE, SIDE, 3)).astype(np.float32)
    network = keras_network("EfficientNetB0", pixels, classes=7, input_shape=(SIDE, SIDE, 3))
    network.save_weights(folder / "before.weights.h5")
    train_keras(network, pixels[:, ::-1])
    network.save_weights(folder / "after.weights.h5")
    before = load(folder / "before.weights.h5", "efficientnet_b0")
    after = load(folder / "after.weights.h5", "efficientnet_b0")

    # Keras stores the biased variance, as ferjax does: no correction is needed.
    actual = step_statistics(before, normalize(pixels[:, ::-1], before.input))
    error, name = largest_error(actual, statistics(after))
    assert error <= BOUND, name


@pytest.mark.parametrize(
    ("model", "name"), [("resnet50", "ResNet50"), ("efficientnet_b0", "EfficientNetB0")]
)
def test_epsilon_and_momentum(keras_applications: Any, model: str, name: str) -> None:
    import keras

    network = getattr(keras_applications, name)(weights=None, include_top=False)
    layers = [la for la in network.layers if isinstance(la, keras.layers.BatchNormalization)]
    [(epsilon, momentum)] = {(norm.epsilon, norm.momentum) for norm in layers}
    fields = find_table(model, "keras").fields
    assert (fields["bn_eps"], fields["bn_momentum"]) == (epsilon, momentum)
