"""Forward pass of face-api's expression network, from its weights by name.

The network has four blocks of four 3x3 convolutions. The first convolution of a block halves the
side of the map, and a ReLU follows it. Each further convolution takes the ReLU of the sum of all
results of the block so far. The output of the block is the ReLU of the sum of all four results. All
convolutions except the very first are depthwise separable (one kernel per channel, then 1x1, then
the bias). Images of 112 pixels end in a 7x7 map; its average goes through a dense layer, which
gives the logits.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.bench.recognisers.tfjs_layers import add_bias, conv, depthwise

SIDE = 112
# Means of red, green and blue, subtracted before the division by 255.
MEAN = (122.782, 117.001, 104.298)
_BLOCKS, _CONVOLUTIONS = 4, 4


def face_api_logits(weights: Mapping[str, np.ndarray], images: jax.Array) -> jax.Array:
    """Returns logits [N, K] of grey images, float [N, 112, 112, 1], values 0 to 255.

    Args:
      weights: name → array, float32.
      images: grey faces.

    Raises:
      KeyError: a weight is missing.
    """
    x = add_bias(jnp.repeat(images, 3, axis=-1), -jnp.array(MEAN)) / 255
    for block in range(_BLOCKS):
        total = jax.nn.relu(_convolution(weights, f"dense{block}/conv0", x, 2))
        for i in range(1, _CONVOLUTIONS):
            total = total + _convolution(weights, f"dense{block}/conv{i}", jax.nn.relu(total), 1)
        x = jax.nn.relu(total)
    return x.mean((1, 2)) @ weights["fc/weights"] + weights["fc/bias"][None]


def _convolution(
    weights: Mapping[str, np.ndarray], name: str, x: jax.Array, stride: int
) -> jax.Array:
    strides = (stride, stride)
    if f"{name}/filters" in weights:
        x = conv(x, weights[f"{name}/filters"], strides, "SAME")
    else:
        x = depthwise(x, weights[f"{name}/depthwise_filter"], strides, "SAME")
        x = conv(x, weights[f"{name}/pointwise_filter"], (1, 1), "VALID")
    return add_bias(x, weights[f"{name}/bias"])
