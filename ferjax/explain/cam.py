"""Class activation maps: Grad-CAM, Grad-CAM++ and LayerCAM of activations and their gradients.

Pure functions of two arrays, float [B, h, w, C]: the map of a layer, and the gradient of the
explained logit with respect to it. Each returns float32 [B, h, w], 0 or more: the evidence for the
emotion at each place. Only ratios of values within one image have a meaning.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Maps = jax.Array | np.ndarray


def grad_cam(activations: Maps, gradients: Maps) -> jax.Array:
    """Returns relu(sum over channels of mean gradient times activation).

    References:
      Selvaraju et al., Grad-CAM: visual explanations from deep networks via gradient-based
      localization, 2017, equations 1 and 2.
    """
    weights = jnp.asarray(gradients, jnp.float32).mean((1, 2))
    return _weighted_sum(jnp.asarray(activations, jnp.float32), weights)


def grad_cam_plus_plus(activations: Maps, gradients: Maps) -> jax.Array:
    """Returns Grad-CAM's sum, with weights from positive gradients that are weighted by place.

    The weight of a place is g² / (2 g² + g³ times the sum of the channel's activations), which is
    the paper's closed form for the exponential of the logit. It is 0 where the denominator is 0.

    References:
      Chattopadhyay et al., Grad-CAM++: generalized gradient-based visual explanations for deep
      convolutional networks, 2018, equations 5 and 19.
    """
    activations = jnp.asarray(activations, jnp.float32)
    gradients = jnp.asarray(gradients, jnp.float32)
    squares = gradients**2
    total = activations.sum((1, 2), keepdims=True)
    denominator = 2 * squares + total * gradients * squares
    shares = jnp.where(denominator == 0, 0, squares / jnp.where(denominator == 0, 1, denominator))
    weights = (shares * jax.nn.relu(gradients)).sum((1, 2))
    return _weighted_sum(activations, weights)


def layer_cam(activations: Maps, gradients: Maps) -> jax.Array:
    """Returns relu(sum over channels of positive gradient times activation) at each place.

    Gradients are not averaged over the map, so that early layers with large maps can be explained
    too.

    References:
      Jiang et al., LayerCAM: exploring hierarchical class activation maps for localization, 2021,
      equations 5 to 7.
    """
    positive = jax.nn.relu(jnp.asarray(gradients, jnp.float32))
    return jax.nn.relu((positive * jnp.asarray(activations, jnp.float32)).sum(-1))


def _weighted_sum(activations: jax.Array, weights: jax.Array) -> jax.Array:
    """Returns relu of the weighted sum over channels: float [B, h, w, C], [B, C] → [B, h, w]."""
    # HIGHEST: a GPU's default TF32 product would round activations to 10 bits.
    total = jnp.einsum("bhwc,bc->bhw", activations, weights, precision=lax.Precision.HIGHEST)
    return jax.nn.relu(total)
