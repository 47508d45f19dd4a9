"""TensorFlow.js files: weights in every stored form, graphs and face-api's network by hand."""

import base64
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.bench.recognisers.face_api_network import face_api_logits
from ferjax.bench.recognisers.peer_packages import PackageFiles
from ferjax.bench.recognisers.tfjs_graph import run_graph
from ferjax.bench.recognisers.tfjs_weights import read_json, read_weights
from ferjax.errors import UserError


def files(**content: bytes) -> PackageFiles:
    return PackageFiles(Path("peer.tgz"), content)


def test_weights_in_every_stored_form_and_over_two_shards() -> None:
    plain = np.arange(6, dtype="<f4").reshape(2, 3)
    data = (
        plain.tobytes()
        + np.array([0, 128, 255], "u1").tobytes()
        + np.array([1000], "<u2").tobytes()
        + np.array([0.5, -2], "<f2").tobytes()
        + np.array([1, 2], "<i4").tobytes()
    )
    weights = [
        {"name": "plain", "shape": [2, 3], "dtype": "float32"},
        {
            "name": "bytes",
            "shape": [3],
            "dtype": "float32",
            "quantization": {"dtype": "uint8", "scale": 0.01, "min": -1.0},
        },
        {
            "name": "words",
            "shape": [1],
            "dtype": "float32",
            "quantization": {"dtype": "uint16", "scale": 0.002, "min": 1},
        },
        {
            "name": "half",
            "shape": [2],
            "dtype": "float32",
            "quantization": {"dtype": "float16"},
        },
        {"name": "axes", "shape": [2], "dtype": "int32"},
    ]
    manifest = [{"paths": ["a", "b"], "weights": weights}]
    # A shard may end within a weight.
    found = read_weights(files(a=data[:13], b=data[13:]), manifest)
    np.testing.assert_array_equal(found["plain"], plain)
    np.testing.assert_allclose(found["bytes"], [-1, 0.28, 1.55], rtol=1e-6)
    np.testing.assert_allclose(found["words"], [3], rtol=1e-6)
    np.testing.assert_array_equal(found["half"], np.float32([0.5, -2]))
    assert {found[name].dtype for name in ("bytes", "words", "half")} == {np.dtype(np.float32)}
    assert found["axes"].tolist() == [1, 2]


@pytest.mark.parametrize("change", [-1, 1])
def test_shards_of_another_length_are_damaged(change: int) -> None:
    manifest = [{"paths": ["a"], "weights": [{"name": "w", "shape": [2], "dtype": "float32"}]}]
    words = f"peer.tgz: a is damaged: {8 + change} bytes, expected 8"
    with pytest.raises(UserError, match=words):
        read_weights(files(a=bytes(8 + change)), manifest)


def test_unknown_type_missing_shard_and_broken_json() -> None:
    weight = {"name": "w", "shape": [1], "dtype": "complex64"}
    with pytest.raises(UserError, match="weight w is complex64; known: float32"):
        read_weights(files(a=b""), [{"paths": ["a"], "weights": [weight]}])
    with pytest.raises(UserError, match=r"peer\.tgz lacks b; found a"):
        read_weights(files(a=b""), [{"paths": ["b"], "weights": []}])
    with pytest.raises(UserError, match=r"peer\.tgz: a is damaged: no JSON"):
        read_json(files(a=b'{"x": '), "a")


def node(name: str, op: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def window(*values: int) -> dict[str, Any]:
    return {"list": {"i": [str(v) for v in values]}}


SAME, VALID = {"s": text("SAME")}, {"s": text("VALID")}


def fused(*names: str) -> dict[str, Any]:
    return {"list": {"s": [text(name) for name in names]}}


def test_a_graph_by_hand() -> None:
    one, two = window(1, 1, 1, 1), window(1, 2, 2, 1)
    nodes = [
        node("x", "Placeholder"),
        *(node(name, "Const") for name in ("kernel", "bias", "own", "axes")),
        node(
            "conv", "_FusedConv2D", "x", "kernel", "bias:0",
            strides=one, padding=VALID, fused_ops=fused("BiasAdd", "Relu"),
        ),
        node("own_conv", "DepthwiseConv2dNative", "conv", "own", strides=one, padding=SAME),
        node("pool", "MaxPool", "own_conv", ksize=two, strides=two, padding=SAME),
        node("sum", "AddV2", "pool", "pool"),
        node("mean", "Mean", "sum", "axes"),
        node("softmax", "Softmax", "mean"),
        node("out", "Identity", "softmax", "^conv"),
    ]  # fmt: skip
    weights = {
        # The two outputs are twice the pixel, and its negative, which a bias of 3 keeps above 0.
        "kernel": np.float32([[[[2, -1]]]]),
        "bias": np.float32([0, 3]),
        # Each channel's own: the pixel itself, and its right neighbour.
        "own": np.float32(
            [[[[0], [0]]] * 3, [[[0], [0]], [[1], [0]], [[0], [1]]], [[[0], [0]]] * 3]
        ),
        "axes": np.int32([1, 2]),
    }
    image = np.float32([[1, 2, 0], [0, 1, 2], [4, 0, 1]])[None, ..., None]
    # Channel 0, 2x: maxima of 2x2 squares, the last row and column alone: 4 4 8 2.
    # Channel 1, 3-x of the right neighbour (beyond it 0): 1 3 0 / 2 1 0 / 3 2 0 → 3 0 3 0.
    mean = np.array([(4 + 4 + 8 + 2) / 4, (3 + 0 + 3 + 0) / 4]) * 2
    expected = np.exp(mean) / np.exp(mean).sum()
    found = jax.jit(lambda x: run_graph(nodes, weights, x))(jnp.asarray(image))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_unknown_operations_are_named() -> None:
    x = jnp.zeros((1, 1, 1, 1))
    with pytest.raises(ValueError, match="node y is Swish; known: _FusedConv2D"):
        run_graph([node("x", "Placeholder"), node("y", "Swish", "x")], {}, x)
    attributes = dict(strides=window(1, 1, 1, 1), padding=SAME, fused_ops=fused("BiasAdd", "Prelu"))
    nodes = [
        node("x", "Placeholder"),
        node("k", "Const"),
        node("y", "_FusedConv2D", "x", "k", "k", **attributes),
    ]
    with pytest.raises(ValueError, match="a convolution has Prelu"):
        run_graph(nodes, {"k": np.ones((1, 1, 1, 1), np.float32)}, x)


def test_face_api_network_in_numpy(face_api_weights: dict[str, np.ndarray]) -> None:
    weights = face_api_weights
    images = np.random.default_rng(1).integers(0, 256, (2, 112, 112, 1)).astype(np.float32)

    def patches(x: np.ndarray, stride: int) -> np.ndarray:
        # TensorFlow's SAME: with stride 2 on an even side, the zeros are below and to the right.
        before = 1 if stride == 1 else 0
        padded = np.pad(x, ((0, 0), (before, 1), (before, 1), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
        return views[:, ::stride, ::stride]  # [N, H, W, C, 3, 3]

    def layer(x: np.ndarray, name: str, stride: int) -> np.ndarray:
        if f"{name}/filters" in weights:
            out = np.einsum("nhwcij,ijcd->nhwd", patches(x, stride), weights[f"{name}/filters"])
        else:
            own = weights[f"{name}/depthwise_filter"][..., 0]
            out = np.einsum("nhwcij,ijc->nhwc", patches(x, stride), own)
            out = out @ weights[f"{name}/pointwise_filter"][0, 0]
        return out + weights[f"{name}/bias"]

    x = (np.repeat(images, 3, -1) - [122.782, 117.001, 104.298]) / 255
    for block in range(4):
        first = np.maximum(layer(x, f"dense{block}/conv0", 2), 0)
        second = layer(first, f"dense{block}/conv1", 1)
        third = layer(np.maximum(first + second, 0), f"dense{block}/conv2", 1)
        fourth = layer(np.maximum(first + second + third, 0), f"dense{block}/conv3", 1)
        x = np.maximum(first + second + third + fourth, 0)
    assert x.shape == (2, 7, 7, 256)
    expected = x.mean((1, 2)) @ weights["fc/weights"] + weights["fc/bias"]
    found = jax.jit(lambda x: face_api_logits(weights, x))(jnp.asarray(images))
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_manifest_of_face_api_is_json() -> None:
    assert read_json(files(m=json.dumps([{"paths": []}]).encode()), "m") == [{"paths": []}]
