"""The classification head of the ImageNet networks: layers, dropout, precision, features."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ferjax.models.efficientnet import EfficientNet, Stage
from ferjax.models.heads import classify
from ferjax.models.resnet import ResNet
from ferjax.models.vgg import VGG

TINY: dict[str, Callable[..., Any]] = {
    "resnet": partial(ResNet, stage_sizes=(1,), block="basic", widths=(8,)),
    "vgg": partial(VGG, stage_sizes=(1, 1), widths=(4, 8), head_widths=()),
    "vgg-mean": partial(VGG, stage_sizes=(1, 1), widths=(4, 8), head_widths=(), pooling="mean"),
    "efficientnet": partial(EfficientNet, stages=(Stage(1, 3, 1, 8, 1),), top_width=16),
}


class Classifier(nn.Module):
    """`classify` as a separate network."""

    num_classes: int = 7
    widths: tuple[int, ...] = ()
    dropout: float = 0.0
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return classify(
            x,
            self.num_classes,
            widths=self.widths,
            dropout=self.dropout,
            train=train,
            dtype=self.dtype,
        )


FEATURES = np.random.default_rng(0).standard_normal((3, 9)).astype(np.float32)
WIDTHS = [(), (5,), (6, 5)]


def parameters(widths: tuple[int, ...]) -> dict[str, Any]:
    init = partial(Classifier(widths=widths).init, train=False)
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: (rng.standard_normal(leaf.shape) / 3).astype(leaf.dtype),
        dict(jax.eval_shape(init, jax.random.key(1), FEATURES)),
    )


@pytest.mark.parametrize("widths", WIDTHS)
def test_evaluation_is_dense_relu_dense_by_hand(widths: tuple[int, ...]) -> None:
    variables = parameters(widths)
    names = [f"head_dense{i}" for i in range(1, len(widths) + 1)]
    assert set(variables["params"]) == {*names, "head"}
    expected = FEATURES
    for name in names:
        layer = variables["params"][name]
        expected = np.maximum(expected @ layer["kernel"] + layer["bias"], 0)
    run = partial(Classifier(0, widths, 0.5).apply, variables, train=False)
    np.testing.assert_allclose(run(FEATURES), expected, atol=1e-5)
    head = variables["params"]["head"]
    logits = Classifier(7, widths, 0.5).apply(variables, FEATURES, train=False)
    np.testing.assert_allclose(logits, expected @ head["kernel"] + head["bias"], atol=1e-5)


@pytest.mark.parametrize("widths", WIDTHS[:2])
def test_dropout_is_once_before_the_head(widths: tuple[int, ...]) -> None:
    variables = parameters(widths)
    features = Classifier(0, widths, 0.5).apply(variables, FEATURES, train=False)
    run = jax.jit(partial(Classifier(0, widths, 0.5).apply, train=True))
    for seed in range(3):
        found = run(variables, FEATURES, rngs={"dropout": jax.random.key(seed)})
        dropped = np.asarray(found) == 0
        assert dropped.any()
        assert not dropped.all()
        # Each value is dropped or doubled, so nothing was dropped before the hidden layer.
        np.testing.assert_allclose(found, np.where(dropped, 0, 2 * np.asarray(features)), rtol=1e-6)


def test_dropout_follows_every_hidden_layer() -> None:
    widths = (64, 64)
    variables, key = parameters(widths), {"dropout": jax.random.key(0)}
    model = Classifier(7, widths, 0.25)
    run = partial(model.apply, train=True, capture_intermediates=True, mutable=True)
    _, state = jax.jit(run)(variables, FEATURES, rngs=key)
    activations: Any = state["intermediates"]
    for i in (1, 2):
        before = np.maximum(activations[f"head_dense{i}"]["__call__"][0], 0)
        after = np.asarray(activations[f"dropout{i}"]["__call__"][0])
        dropped = (after == 0) & (before > 0)
        assert 0.1 < dropped.sum() / (before > 0).sum() < 0.4
        np.testing.assert_allclose(after[~dropped], before[~dropped] / 0.75, rtol=1e-6)


def test_only_hidden_layers_run_in_half_precision() -> None:
    variables = parameters((64,))
    run = partial(Classifier(widths=(64,), dtype=jnp.bfloat16).apply, train=False)
    run = partial(run, capture_intermediates=True, mutable=True)
    logits, state = jax.jit(run)(variables, FEATURES)
    activations: Any = state["intermediates"]
    assert activations["head_dense1"]["__call__"][0].dtype == jnp.bfloat16
    assert logits.dtype == jnp.float32
    exact = Classifier(widths=(64,)).apply(variables, FEATURES, train=False)
    assert 0 < np.abs(logits - exact).max() < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("widths", WIDTHS[:2])
def test_zero_classes_returns_the_features_before_the_head(
    name: str, widths: tuple[int, ...], random_variables: Callable[..., Any]
) -> None:
    build = partial(TINY[name], head_widths=widths)
    variables = random_variables(build(num_classes=7), 33, 3)
    image = np.random.default_rng(1).random((2, 33, 33, 3), np.float32)
    features, logits = jax.jit(
        lambda v, x: [build(num_classes=k).apply(v, x, train=False) for k in (0, 7)]
    )(variables, image)
    head = variables["params"]["head"]
    assert (features.shape, features.dtype) == ((2, len(head["kernel"])), jnp.float32)
    expected = np.asarray(features) @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
