"""The map of a layer, and the gradient of the explained logits with respect to it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from ferjax.explain.layers import LayerMap


def activations_and_gradients(
    logits_of: Callable[[], jax.Array], layer: LayerMap, targets: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns a layer's map and the gradient of each image's logit, both float32 [B, h, w, C].

    An array of zeros is added to the output of the submodule; the derivative is taken with respect
    to these zeros, so that the network itself needs no change.

    The output of a single convolution or normalisation is rectified, because the networks apply
    ReLU or SiLU to it: negative values do not reach the next layer.

    Args:
      logits_of: applies a Linen module in evaluation mode; float [B, K]. The logits of an image
        depend on that image alone.
      layer: a layer of that module, from `layer_maps`.
      targets: int [B], the explained class of each image.
    """

    def forward(offset: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        outputs: list[jax.Array] = []

        def add_offset(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            output = call(*args, **kwargs)
            is_layer = "/".join(context.module.path) == layer.name
            if context.method_name != "__call__" or not is_layer:
                return output
            outputs.append(output)
            return output if offset is None else output + offset

        with nn.intercept_methods(add_offset):
            logits = logits_of()
        return logits_of_targets(logits, targets).sum(), outputs[0]

    shape = jax.eval_shape(lambda: forward(None)[1])
    gradients, activations = jax.grad(forward, has_aux=True)(jnp.zeros(shape.shape, shape.dtype))
    activations = activations.astype(jnp.float32)
    if layer.is_single:
        activations = jax.nn.relu(activations)
    return activations, gradients.astype(jnp.float32)


def logits_of_targets(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Returns the logit of each image's target: logits [B, K], targets int [B] → float32 [B]."""
    chosen = jnp.take_along_axis(logits, targets[:, None], axis=1)
    return chosen[:, 0].astype(jnp.float32)
