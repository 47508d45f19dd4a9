"""Parity with PyTorch: the networks against plain PyTorch modules with the same weights."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.bench.pytorch import networks
from ferjax.models.registry import create_model

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

BATCH = 4


def torch_layout(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns ferjax's arrays by torch's names: HWIO → OIHW, HWC rows of the first dense → CHW."""
    params, state = variables["params"], {}
    for name, leaves in params.items():
        kernel = leaves.get("kernel", leaves.get("scale"))
        axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[kernel.ndim]
        state[f"{name}.weight"] = kernel.transpose(axes)
        if "bias" in leaves:
            state[f"{name}.bias"] = leaves["bias"]
    flat = params["dense"]["kernel"]
    channels = params[max(name for name in params if name.startswith("conv"))]["kernel"].shape[-1]
    side = round((len(flat) / channels) ** 0.5)
    rows = flat.reshape(side, side, channels, -1).transpose(3, 2, 0, 1)
    state["dense.weight"] = rows.reshape(flat.shape[::-1])
    for name, leaves in variables.get("batch_stats", {}).items():
        state[f"{name}.running_mean"], state[f"{name}.running_var"] = leaves["mean"], leaves["var"]
        state[f"{name}.num_batches_tracked"] = np.array(0)
    return state


def load(module: Any, variables: Mapping[str, Any]) -> Any:
    """Returns `module` with ferjax's weights."""
    state = torch_layout(variables).items()
    module.load_state_dict({k: torch.tensor(np.ascontiguousarray(v)) for k, v in state})
    return module


def assert_close(actual: Any, tensor: Any) -> None:
    expected = tensor.detach().numpy()
    assert np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max() <= 1e-5


def images(side: int, channels: int) -> tuple[np.ndarray, Any]:
    """Returns the same images twice: NHWC for ferjax, NCHW for torch."""
    x = np.random.default_rng(1).random((BATCH, side, side, channels), np.float32)
    return x, torch.tensor(x.transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize(
    ("name", "fields", "side", "channels", "build"),
    [
        ("cnn3", {}, 48, 1, lambda: networks.depth_cnn(3)),
        ("cnn6", {}, 48, 1, lambda: networks.depth_cnn(6)),
        ("base_cnn", {}, 28, 1, networks.base_cnn),
        *(
            ("awei", {"jumper": j}, 64, 3, lambda j=j: networks.awei(j, 64))
            for j in ("none", "input", "conv1", "staged", "double")
        ),
    ],
)
def test_evaluation_logits(
    name: str,
    fields: dict[str, Any],
    side: int,
    channels: int,
    build: Callable[[], Any],
    random_variables: Callable[..., Any],
) -> None:
    model = create_model(name, 7, **fields)
    variables = random_variables(model, side, channels)
    jax_images, torch_images = images(side, channels)
    module = load(build(), variables).eval()
    logits = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, jax_images)
    assert_close(logits, module(torch_images))


def logits_and_gradients(
    name: str, variables: Any, x: np.ndarray, **fields: Any
) -> tuple[Any, Any, Any]:
    """Returns logits, new batch statistics and the gradient of mean(logits²), in training mode."""
    model = create_model(name, 7, dropout=0.0, **fields)

    def loss_fn(params: Any) -> Any:
        run = {**variables, "params": params}
        logits, updates = model.apply(run, x, train=True, mutable=["batch_stats"])
        return (jnp.asarray(logits) ** 2).mean(), (logits, updates)

    # Under jit, as in training: XLA's fusions have lost gradients before (see ops/pool.py).
    gradients, (logits, updates) = jax.jit(jax.grad(loss_fn, has_aux=True))(variables["params"])
    return logits, updates.get("batch_stats", {}), jax.tree.map(np.asarray, gradients)


def assert_gradients_close(gradients: Any, module: Any) -> None:
    """Compares the gradient of every parameter, in torch's layout."""
    expected = {name: p.grad for name, p in module.named_parameters()}
    found = {k: v for k, v in torch_layout({"params": gradients}).items() if k in expected}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        expected_gradient = expected[name].numpy()
        error = np.abs(gradient - expected_gradient).max() / np.abs(expected_gradient).max()
        assert error <= 1e-4, f"{name}: {error:.1e}"


@pytest.mark.parametrize("depth", [3, 6])
def test_training_logits_gradients_and_running_statistics(
    depth: int, random_variables: Callable[..., Any]
) -> None:
    variables = random_variables(create_model(f"cnn{depth}", 7), 48, 1)
    jax_images, torch_images = images(48, 1)
    module = load(networks.depth_cnn(depth), variables).train()
    logits, stats, gradients = logits_and_gradients(f"cnn{depth}", variables, jax_images)
    output = module(torch_images)
    (output**2).mean().backward()
    assert_close(logits, output)
    assert_gradients_close(gradients, module)
    sides = (48, 24, 12, 6, 3, 3)
    for block in range(1, depth + 1):
        before, after = variables["batch_stats"][f"bn{block}"], stats[f"bn{block}"]
        norm = getattr(module, f"bn{block}")
        assert_close(after["mean"], norm.running_mean)
        # Flax stores the biased variance of the batch, torch n / (n - 1) times that.
        n = BATCH * sides[block - 1] ** 2
        unbiased = (after["var"] - 0.9 * before["var"]) * n / (n - 1)
        assert_close(0.9 * jnp.asarray(before["var"]) + unbiased, norm.running_var)


@pytest.mark.parametrize(
    ("name", "fields", "side", "build"),
    [
        ("base_cnn", {}, 28, networks.base_cnn),
        ("awei", {"jumper": "input"}, 64, lambda: networks.awei("input", 64)),
        ("awei", {"jumper": "staged"}, 64, lambda: networks.awei("staged", 64)),
    ],
)
def test_gradients(
    name: str,
    fields: dict[str, Any],
    side: int,
    build: Callable[[], Any],
    random_variables: Callable[..., Any],
) -> None:
    channels = 3 if name == "awei" else 1
    variables = random_variables(create_model(name, 7, **fields), side, channels)
    jax_images, torch_images = images(side, channels)
    module = load(build(), variables)
    _, _, gradients = logits_and_gradients(name, variables, jax_images, **fields)
    (module(torch_images) ** 2).mean().backward()
    assert_gradients_close(gradients, module)
