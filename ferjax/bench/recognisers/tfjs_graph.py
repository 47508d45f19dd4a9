"""Runs the frozen graph of a TensorFlow.js model: the operations of a convolutional classifier."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ferjax.bench.recognisers.tfjs_layers import add_bias, conv, depthwise


def run_graph(
    nodes: Sequence[dict[str, Any]], weights: Mapping[str, np.ndarray], images: jax.Array
) -> jax.Array:
    """Returns the output of the graph's last node; the images are its only placeholder.

    Args:
      nodes: `modelTopology.node` of model.json; an input comes before the nodes that read it.
      weights: name of a constant → its value.
      images: float [N, H, W, C].

    Raises:
      KeyError: a constant is missing.
      ValueError: an unknown operation, in a node or fused into a convolution.
    """
    values: dict[str, Any] = {}
    for node in nodes:
        name, op = node["name"], node["op"]
        if op in ("Const", "Placeholder"):
            values[name] = images if op == "Placeholder" else weights[name]
            continue
        if op not in _OPERATIONS:
            raise ValueError(f"node {name} is {op}; known: {', '.join(_OPERATIONS)}")
        # `name:0` is the first output of a node; `^name` only states an order of execution.
        inputs = [values[i.removesuffix(":0")] for i in node["input"] if not i.startswith("^")]
        values[name] = _OPERATIONS[op](node.get("attr", {}), *inputs)
    return values[nodes[-1]["name"]]


def _decode_text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def _window(attributes: dict[str, Any], key: str) -> tuple[int, ...]:
    return tuple(map(int, attributes[key]["list"]["i"]))


def _fused_conv(
    attributes: dict[str, Any], x: jax.Array, kernel: jax.Array, *biases: jax.Array
) -> jax.Array:
    strides, padding = _window(attributes, "strides")[1:3], _decode_text(attributes["padding"]["s"])
    x = conv(x, kernel, strides, padding)
    for fused in map(_decode_text, attributes["fused_ops"]["list"]["s"]):
        if fused not in ("BiasAdd", "Relu"):
            raise ValueError(f"a convolution has {fused}; known: BiasAdd, Relu")
        x = add_bias(x, biases[0]) if fused == "BiasAdd" else jax.nn.relu(x)
    return x


def _depthwise(attributes: dict[str, Any], x: jax.Array, kernel: jax.Array) -> jax.Array:
    return depthwise(
        x, kernel, _window(attributes, "strides")[1:3], _decode_text(attributes["padding"]["s"])
    )


def _max_pool(attributes: dict[str, Any], x: jax.Array) -> jax.Array:
    windows = _window(attributes, "ksize"), _window(attributes, "strides")
    return lax.reduce_window(
        x, -jnp.inf, lax.max, *windows, _decode_text(attributes["padding"]["s"])
    )


def _mean(attributes: dict[str, Any], x: jax.Array, axes: jax.Array) -> jax.Array:
    return x.mean(tuple(np.asarray(axes).tolist()))


_OPERATIONS: dict[str, Callable[..., jax.Array]] = {
    "_FusedConv2D": _fused_conv,
    "DepthwiseConv2dNative": _depthwise,
    "MaxPool": _max_pool,
    "AddV2": lambda attributes, a, b: a + b,
    "Relu": lambda attributes, x: jax.nn.relu(x),
    "Mean": _mean,
    "Softmax": lambda attributes, x: jax.nn.softmax(x),
    "Identity": lambda attributes, x: x,
}
