"""Maps of a layer and their gradients, against closed forms and against PyTorch."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from ferjax.explain.activation_gradients import activations_and_gradients
from ferjax.explain.cam import grad_cam, grad_cam_plus_plus, layer_cam
from ferjax.explain.layers import layer_maps
from ferjax.models.registry import create_model
from ferjax.specs import InputSpec

SPEC = InputSpec((6, 6), 6, 1, (0.0,), (1.0,))
IMAGES = np.random.default_rng(0).standard_normal((3, 6, 6, 1)).astype(np.float32)
TARGETS = np.array([0, 2, 1], np.int32)


class Toy(nn.Module):
    """Convolution, ReLU, global mean, dense: the network for which CAM was first defined."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.relu(nn.Conv(4, (1, 1), name="conv")(x))
        return nn.Dense(3, name="head")(x.mean((1, 2)))


def of_layer(
    model: nn.Module, variables: Any, spec: InputSpec, layer: str, images: Any, targets: Any
) -> tuple[np.ndarray, np.ndarray]:
    @jax.jit
    def both(variables: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        return activations_and_gradients(
            lambda: jnp.asarray(model.apply(variables, images, train=False)),
            layer_maps(model, spec)[layer],
            targets,
        )

    activations, gradients = both(variables, images)
    return np.asarray(activations), np.asarray(gradients)


def test_gradient_of_a_mean_and_a_dense_layer_is_its_weight_where_relu_is_open() -> None:
    variables = Toy().init(jax.random.key(1), IMAGES, train=False)
    found = of_layer(Toy(), variables, SPEC, "conv", IMAGES, TARGETS)
    params: Any = jax.tree.map(np.asarray, variables["params"])
    before = IMAGES @ params["conv"]["kernel"][0, 0] + params["conv"]["bias"]
    weights = params["head"]["kernel"].T[TARGETS][:, None, None]
    np.testing.assert_allclose(found[0], np.maximum(before, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], np.where(before > 0, weights / 36, 0), atol=1e-6)


def test_an_image_has_the_same_gradient_alone(random_variables: Callable[..., Any]) -> None:
    spec = InputSpec((32, 32), 32, 3, (0.5,) * 3, (0.25,) * 3)
    images = np.random.default_rng(1).random((3, 32, 32, 3), np.float32)
    model = create_model("resnet18", 3, stem="small")
    variables = random_variables(model, 32, 3)
    together = of_layer(model, variables, spec, "stage3_block1", images, TARGETS)
    alone = of_layer(model, variables, spec, "stage3_block1", images[1:2], TARGETS[1:2])
    for batch, single in zip(together, alone, strict=True):
        np.testing.assert_allclose(batch[1], single[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("jumper", ["none", "input", "conv1", "staged", "double"])
def test_gradients_pass_every_jumper_of_awei(
    jumper: str, random_variables: Callable[..., Any]
) -> None:
    # A derivative along one direction of the layer's output, by a difference of two logits.
    spec = InputSpec((64, 64), 64, 3, (0.5,) * 3, (0.25,) * 3)
    model = create_model("awei", 3, jumper=jumper)
    variables = random_variables(model, 64, 3)
    images = np.random.default_rng(1).random((1, 64, 64, 3), np.float32)
    _, gradients = of_layer(model, variables, spec, "conv3", images, np.array([1]))

    def logit(step: float) -> float:
        changed: Any = jax.tree.map(np.array, variables)
        changed["params"]["conv3"]["bias"][:] += step * direction
        logits: Any = model.apply(changed, images, train=False)
        return float(logits[0, 1])

    direction = np.sign(gradients.sum((0, 1, 2)))
    slope = (logit(1e-3) - logit(-1e-3)) / 2e-3
    np.testing.assert_allclose(slope, np.abs(gradients.sum((0, 1, 2))).sum(), rtol=0.05)


@pytest.mark.parity
def test_maps_are_those_of_pytorchs_autograd(random_variables: Callable[..., Any]) -> None:
    torch = pytest.importorskip("torch")
    spec = InputSpec((24, 24), 24, 1, (0.5,), (0.25,))
    model = create_model("cnn3", 3)
    variables = random_variables(model, 24, 1)
    images = np.random.default_rng(1).standard_normal((3, 24, 24, 1)).astype(np.float32)
    activations, gradients = of_layer(model, variables, spec, "bn2", images, TARGETS)

    values = jax.tree.map(lambda leaf: torch.tensor(np.asarray(leaf)), dict(variables))
    params, stats = values["params"], values["batch_stats"]
    functional = torch.nn.functional
    x: Any = torch.tensor(images).permute(0, 3, 1, 2)
    held: Any = None
    for block in (1, 2, 3):
        x = functional.conv2d(x, params[f"conv{block}"]["kernel"].permute(3, 2, 0, 1), padding=1)
        norm, own = params[f"bn{block}"], stats[f"bn{block}"]
        x = functional.batch_norm(x, own["mean"], own["var"], norm["scale"], norm["bias"], eps=1e-5)
        x = functional.relu(x)
        if block == 2:
            held = x
            held.requires_grad_() if held.is_leaf else held.retain_grad()
        x = functional.max_pool2d(x, 2)
    x = x.permute(0, 2, 3, 1).flatten(1)
    x = functional.relu(x @ params["dense"]["kernel"] + params["dense"]["bias"])
    logits = x @ params["head"]["kernel"] + params["head"]["bias"]
    logits[torch.arange(3), torch.tensor(TARGETS).long()].sum().backward()
    a = held.detach().permute(0, 2, 3, 1).numpy()
    g = held.grad.permute(0, 2, 3, 1).numpy() * (a > 0)
    np.testing.assert_allclose(activations, a, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(gradients, g, rtol=1e-3, atol=1e-4)
    for formula in (grad_cam, grad_cam_plus_plus, layer_cam):
        ours, theirs = np.asarray(formula(activations, gradients)), np.asarray(formula(a, g))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * theirs.max())
