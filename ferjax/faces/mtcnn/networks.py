"""The three networks of MTCNN as functions of their parameters: proposals, refinement, output."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import lax

# Flat path, such as `pnet/conv1/kernel` → array. Convolutions are [height, width, in, out].
Parameters = Mapping[str, jax.Array]

# Less than any activation of the first layer, so that the maximum over a window ignores it.
_OUTSIDE = -1e4


def propose(
    parameters: Parameters, images: jax.Array, rows: jax.Array, columns: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns the outputs of the first network for every 12x12 window, two pixels apart.

    Args:
      parameters: the parameters of all networks.
      images: float [N, S, S, 3], S even, values -1 to 1.
      rows: int [N], how many rows of each image are real; the others are padding.
      columns: int [N], how many columns are real.

    Returns:
      Probabilities of a face, float [N, P, P] with P = (S - 10) / 2, and offsets of the box,
      float [N, P, P, 4], in sides of the window. Only (rows - 9) // 2 rows and
      (columns - 9) // 2 columns of windows are real; the last one may reach one pixel beyond the
      image.
    """
    x = _convolution(parameters, "pnet/conv1", images)
    down, right = (
        jnp.arange(x.shape[1])[None, :, None, None],
        jnp.arange(x.shape[2])[None, None, :, None],
    )
    inside = (down < rows[:, None, None, None] - 2) & (right < columns[:, None, None, None] - 2)
    x = _max_pool(jnp.where(inside, _prelu(parameters, "pnet/prelu1", x), _OUTSIDE), 2)
    for layer in "23":
        x = _convolution(parameters, f"pnet/conv{layer}", x)
        x = _prelu(parameters, f"pnet/prelu{layer}", x)
    faces = jax.nn.softmax(_convolution(parameters, "pnet/conv4_1", x))[..., 1]
    return faces, _convolution(parameters, "pnet/conv4_2", x)


def refine(parameters: Parameters, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns probabilities float [N] and box offsets float [N, 4] of images [N, 24, 24, 3]."""
    x = images
    for layer, pool in (("1", 3), ("2", 3), ("3", 0)):
        x = _convolution(parameters, f"rnet/conv{layer}", x)
        x = _prelu(parameters, f"rnet/prelu{layer}", x)
        x = _max_pool(x, pool) if pool else x
    x = _prelu(parameters, "rnet/prelu4", _dense(parameters, "rnet/dense4", _columns_first(x)))
    faces = jax.nn.softmax(_dense(parameters, "rnet/dense5_1", x))[..., 1]
    return faces, _dense(parameters, "rnet/dense5_2", x)


def locate(parameters: Parameters, images: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns probabilities [N], box offsets [N, 4] and landmarks of images float [N, 48, 48, 3].

    Landmarks are float [N, 10]: x, then y, of the eyes, the nose and the corners of the mouth, left
    before right in the image, in sides of the box.
    """
    x = images
    for layer, pool in (("1", 3), ("2", 3), ("3", 2), ("4", 0)):
        x = _convolution(parameters, f"onet/conv{layer}", x)
        x = _prelu(parameters, f"onet/prelu{layer}", x)
        x = _max_pool(x, pool) if pool else x
    x = _prelu(parameters, "onet/prelu5", _dense(parameters, "onet/dense5", _columns_first(x)))
    faces = jax.nn.softmax(_dense(parameters, "onet/dense6_1", x))[..., 1]
    return (
        faces,
        _dense(parameters, "onet/dense6_2", x),
        _dense(parameters, "onet/dense6_3", x),
    )


def _convolution(parameters: Parameters, name: str, x: jax.Array) -> jax.Array:
    kernel, layout = parameters[f"{name}/kernel"], ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)
    return y + _for_channels(parameters[f"{name}/bias"], y)


def _dense(parameters: Parameters, name: str, x: jax.Array) -> jax.Array:
    y = x @ parameters[f"{name}/kernel"]
    return y + _for_channels(parameters[f"{name}/bias"], y)


def _prelu(parameters: Parameters, name: str, x: jax.Array) -> jax.Array:
    return jnp.where(x > 0, x, _for_channels(parameters[f"{name}/slope"], x) * x)


def _for_channels(values: jax.Array, x: jax.Array) -> jax.Array:
    """Returns values [C] with the rank of `x`, whose last axis is C."""
    return values.reshape((1,) * (x.ndim - 1) + (-1,))


def _max_pool(x: jax.Array, size: int) -> jax.Array:
    """Returns maxima of windows two pixels apart; the last window may reach beyond the image."""
    padding = [(0, -(n - size) % 2) for n in x.shape[1:3]]
    window = (1, size, size, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, (1, 2, 2, 1), [(0, 0), *padding, (0, 0)])


def _columns_first(x: jax.Array) -> jax.Array:
    """Flattens maps in the order of the original weights: columns, then rows, then channels."""
    return x.transpose(0, 2, 1, 3).reshape(len(x), -1)
