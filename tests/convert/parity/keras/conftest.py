"""Fixtures for parity with Keras (on the JAX backend): random networks, training, outputs."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.convert.rules.name_templates import translate

Outputs = Mapping[str, np.ndarray]

# If two layers of a block match, the later one is used: not every EfficientNet block ends in a sum.
BLOCKS = (
    ("conv{s+1}_block{b+1}_out", "stage{s}_block{b}"),
    ("block{s}_pool", "stage{s}"),
    ("block{s}{b:letter}_project_bn", "stage{s}_block{b}"),
    ("block{s}{b:letter}_add", "stage{s}_block{b}"),
)


@pytest.fixture(scope="module")
def keras_applications() -> Iterator[Any]:
    """Returns keras.applications; during the fixture convolutions are initialised with zeros."""
    os.environ["KERAS_BACKEND"] = "jax"
    keras = pytest.importorskip("keras")
    with pytest.MonkeyPatch.context() as patch:
        # Keras compiles a program for each shape that it initialises, and `keras_network`
        # overwrites the values.
        patch.setattr(
            keras.initializers.VarianceScaling,
            "__call__",
            lambda _, shape, dtype=None: np.zeros(shape, dtype),
        )
        yield keras.applications


@pytest.fixture(scope="session")
def train_keras() -> Callable[..., None]:
    """Returns a function (network, images) that updates the statistics by one training step.

    It also switches dropout off for good.
    """

    def train(network: Any, images: np.ndarray) -> None:
        import keras

        for layer in network.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        trained, fixed = network.trainable_variables, network.non_trainable_variables
        # Keras broadcasts biases to batches, which ferjax's tests forbid for ferjax.
        with jax.numpy_rank_promotion("allow"):
            step = jax.jit(partial(network.stateless_call, training=True))
            _, updates = step([v.value for v in trained], [v.value for v in fixed], images)
        for variable, value in zip(fixed, updates, strict=True):
            variable.assign(value)

    return train


@pytest.fixture(scope="module")
def keras_network(
    keras_applications: Any,
    train_keras: Callable[..., None],
    draw_parameters: Callable[..., np.ndarray],
    draw_statistics: Callable[..., tuple[Any, Any]],
) -> Callable[..., Any]:
    """Returns a function (name in keras.applications, sample input) → network, random weights."""

    def build(name: str, images: np.ndarray, seed: int = 0, **options: Any) -> Any:
        import keras

        options = {"weights": None, "classifier_activation": None, **options}
        network, rng = getattr(keras_applications, name)(**options), np.random.default_rng(seed)
        for weight in network.weights:
            if not weight.path.startswith("normalization"):
                depth = 2 if "dwconv" in weight.path else len(weight.shape) - 1
                fan_in = int(np.prod(weight.shape[:depth]))
                weight.assign(draw_parameters(rng, weight.path, tuple(weight.shape), fan_in))
        norms = [la for la in network.layers if isinstance(la, keras.layers.BatchNormalization)]
        if not norms:
            return network
        moments, momentum = keras.layers.BatchNormalization._moments, norms[0].momentum
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                keras.layers.BatchNormalization,
                "_moments",
                lambda norm, x, mask: draw_statistics(rng, *moments(norm, x, mask)),
            )
            for norm in norms:
                norm.momentum = 0.0
            train_keras(network, images)
        for norm in norms:
            norm.momentum = momentum
        return network

    return build


@pytest.fixture(scope="session")
def run_keras() -> Callable[..., Outputs]:
    """Returns a function (network, its input) → the same outputs as `run_ferjax`."""

    def outputs(network: Any, images: np.ndarray) -> Outputs:
        import keras

        tensors = {"logits": network.output}
        for layer in network.layers:
            for keras_name, ferjax_name in BLOCKS:
                if name := translate(keras_name, ferjax_name, layer.name):
                    tensors[name] = layer.output
        model = keras.Model(network.inputs, tensors)
        state = [[v.value for v in vs]
                 for vs in (model.trainable_variables, model.non_trainable_variables)]  # fmt: skip

        def run(trained: Any, fixed: Any, x: Any) -> Any:
            return model.stateless_call(trained, fixed, x, training=False)[0]

        with jax.numpy_rank_promotion("allow"):  # as above
            values = jax.jit(run)(*state, images)
        return {name: np.asarray(value) for name, value in values.items()}

    return outputs
