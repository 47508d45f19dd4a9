"""ferjax's batch normalisation against Linen's: values, gradients, running statistics."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.models.layers import BatchNorm
from ferjax.ops.batch_norm import batch_norm
from ferjax.runtime.sharding import batch_sharded, data_mesh

FIELDS = {"momentum": 0.9, "epsilon": 1e-5}


def variables(width: int) -> dict[str, Any]:
    rng = np.random.default_rng(width)
    rows = [rng.standard_normal(width, np.float32) for _ in range(4)]
    return {
        "params": {"scale": 1 + 0.5 * rows[0], "bias": rows[1]},
        "batch_stats": {"mean": rows[2], "var": 0.5 + rows[3] ** 2},
    }


def run(layer: type[nn.Module], x: jax.Array, train: bool = True, **fields: Any) -> tuple:
    """Returns the value, the statistics after it, and gradients of a weighted sum, under jit."""
    module = layer(use_running_average=not train, **FIELDS, **fields)

    def loss(params: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        run = {**variables(x.shape[-1]), "params": params}
        y, updates = module.apply(run, x, mutable=["batch_stats"])
        weights = np.random.default_rng(1).standard_normal(y.shape, np.float32)
        return (y * weights).sum(), (y, updates)

    params = variables(x.shape[-1])["params"]
    gradients, (y, updates) = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, x)
    return y, updates.get("batch_stats", {}), gradients


def assert_close(actual: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Compares every array, relative to its largest value."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        scale = max(np.abs(b).max(), 1e-3)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


@settings(max_examples=5, deadline=None)
@given(
    shape=st.lists(st.integers(2, 9), min_size=2, max_size=4),
    mean=st.floats(-3, 3),
    train=st.booleans(),
)
def test_equals_linen(shape: list[int], mean: float, train: bool) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    # Few rows make the input's gradient a small difference of large numbers.
    x = np.concatenate([x + mean, 2 * x[..., ::-1] - mean])
    assert_close(run(BatchNorm, x, train), run(nn.BatchNorm, x, train), 1e-4)


def test_double_precision_to_the_last_digits() -> None:
    with jax.enable_x64(True):
        x = np.random.default_rng(0).standard_normal((8, 5, 5, 6)) + 2
        assert_close(run(BatchNorm, x), run(nn.BatchNorm, x), 1e-12)


def test_half_precision_keeps_its_statistics_in_full() -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 6, 6, 4)), jnp.bfloat16)
    actual, expected = (run(layer, x, dtype=jnp.bfloat16) for layer in (BatchNorm, nn.BatchNorm))
    assert actual[0].dtype == actual[2][1].dtype == jnp.bfloat16
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves((actual[1], actual[2][0])))
    assert_close(actual[1], expected[1])
    as_floats = [jax.tree.map(lambda a: np.asarray(a, np.float32), r) for r in (actual, expected)]
    assert_close(*as_floats, tolerance=0.02)


def test_variables_equal_those_of_linen() -> None:
    x = np.zeros((2, 3, 3, 5), np.float32)
    actual, expected = (
        layer(use_running_average=False).init(jax.random.key(0), x)
        for layer in (BatchNorm, nn.BatchNorm)
    )
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


@pytest.mark.parametrize("train", [True, False])
def test_a_sharded_batch_is_normalised_as_a_whole(train: bool) -> None:
    x = np.random.default_rng(0).standard_normal((8, 4, 4, 3), np.float32)
    placed = jax.device_put(x, batch_sharded(data_mesh()))
    assert_close(run(BatchNorm, placed, train), run(BatchNorm, x, train))


def test_only_the_input_is_saved_for_the_backward_pass() -> None:
    x = np.ones((64, 8, 8, 16), np.float32)
    layer = BatchNorm(use_running_average=False)
    state = layer.init(jax.random.key(0), x)

    def forward(x: jax.Array) -> jax.Array:
        return layer.apply(state, x, mutable=["batch_stats"])[0]

    residuals = jax.eval_shape(lambda x: jax.vjp(forward, x)[1], x)
    assert [leaf.shape for leaf in jax.tree.leaves(residuals)].count(x.shape) == 1


@pytest.mark.parity
@pytest.mark.parametrize("ratio", [0, 100, 1000, 3000])
def test_a_mean_of_many_deviations_equals_torch(ratio: float) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((16, 12, 12, 8)) * 0.5 + 0.5 * ratio).astype(np.float32)
    weights = rng.standard_normal(x.shape, np.float32)
    scale, bias = 1 + rng.random(8, np.float32), rng.random(8, np.float32)

    def loss(*inputs: jax.Array) -> tuple[jax.Array, Any]:
        y, mean, variance = batch_norm(*inputs, 1e-5)
        return (y * weights).sum(), (y, mean, variance)

    gradients, (y, mean, variance) = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(
        x, scale, bias
    )
    tensors = [torch.tensor(a, dtype=torch.float64).requires_grad_() for a in (x, scale, bias)]
    theirs = torch.nn.functional.batch_norm(
        tensors[0].permute(0, 3, 1, 2), None, None, *tensors[1:], training=True, eps=1e-5
    ).permute(0, 2, 3, 1)
    (theirs * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(variance, x.astype(np.float64).var((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean((0, 1, 2)), rtol=1e-6, atol=1e-6)
    # What is left is the rounding of x times 1 / deviation.
    tolerance = 1e-6 * max(ratio, 10)
    np.testing.assert_allclose(y, theirs.detach(), rtol=0, atol=tolerance)
    for found, tensor in zip(gradients, tensors, strict=True):
        size = np.abs(tensor.grad.numpy()).max()
        np.testing.assert_allclose(found, tensor.grad, rtol=0, atol=10 * tolerance * size)
