"""The compiled programs that explanations call: a network's logits, and gradients of one logit."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ferjax.explain.activation_gradients import activations_and_gradients, logits_of_targets
from ferjax.explain.layers import LayerMap
from ferjax.explain.methods import Explained
from ferjax.images.preprocess import network_input
from ferjax.runtime.programs.compiler_options import compiled, compiled_forward
from ferjax.runtime.sharding import data_mesh
from ferjax.specs import InputSpec

# (variables, targets int [B], explained layer or None) → the functions that a method calls.
ExplainedOf = Callable[[Mapping[str, Any], np.ndarray, LayerMap | None], Explained]


def compile_programs(model: nn.Module, spec: InputSpec) -> ExplainedOf:
    """Returns the functions of a network that methods call, as compiled programs.

    The programs contain the preprocessing: pixels are faces as the host sends them, uint8 or
    float32 [B, H, W, C], 0 to 255. Batch norm runs in evaluation mode. A program is compiled when
    it is first called with a batch of its size.

    Args:
      model: the network.
      spec: how images become its input.
    """
    mesh = data_mesh(jax.local_devices()[:1])
    layer_programs: dict[str, Callable[..., tuple[jax.Array, jax.Array]]] = {}

    def logits(variables: Any, pixels: jax.Array) -> jax.Array:
        inputs = network_input(pixels, spec)
        return jnp.asarray(model.apply(variables, inputs, train=False)).astype(jnp.float32)

    def gradient(variables: Any, pixels: jax.Array, targets: jax.Array) -> jax.Array:
        def sum_of_logits(pixels: jax.Array) -> jax.Array:
            return logits_of_targets(logits(variables, pixels), targets).sum()

        return jax.grad(sum_of_logits)(pixels)

    compiled_logits = compiled_forward(logits)
    compiled_gradient = compiled(gradient, mesh)

    def program_of(layer: LayerMap) -> Callable[..., tuple[jax.Array, jax.Array]]:
        def activations(
            variables: Any, pixels: jax.Array, targets: jax.Array
        ) -> tuple[jax.Array, jax.Array]:
            return activations_and_gradients(lambda: logits(variables, pixels), layer, targets)

        if layer.name not in layer_programs:
            layer_programs[layer.name] = compiled(activations, mesh)
        return layer_programs[layer.name]

    def explained_of(
        variables: Mapping[str, Any], targets: np.ndarray, layer: LayerMap | None
    ) -> Explained:
        targets = np.asarray(targets, np.int32)

        def activations_of(pixels: np.ndarray) -> tuple[jax.Array, jax.Array]:
            if layer is None:
                raise ValueError("class activation maps need a layer")
            return program_of(layer)(variables, pixels, targets)

        return Explained(
            lambda pixels: np.asarray(compiled_logits(variables, pixels)),
            targets,
            lambda pixels: np.asarray(compiled_gradient(variables, pixels, targets)),
            activations_of,
        )

    return explained_of
