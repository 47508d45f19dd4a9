"""Arrays of ONNX files under the names of Keras and PyTorch: by operations first, then by names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.convert.onnx_names import as_in_library
from ferjax.convert.readers.open_file import open_source
from ferjax.convert.readers.source_file import Source
from ferjax.convert.recognise_network import recognise
from ferjax.convert.rules.match_and_convert import Leaf
from ferjax.errors import UserError

Write = Callable[..., bytes]
Nodes = list[tuple[str, str, list[str], list[str], dict[str, Any]]]

DEPTHS = (2, 2, 3, 3, 3)
# Names of the convolutions by stage and place, as exporters of Keras 3, Keras 2 and PyTorch do.
KERAS3 = "functional_1/block{}_conv{}_1/convolution/ReadVariableOp:0"
KERAS2 = "vgg16/block{}_conv{}/Conv2D/ReadVariableOp:0"
NAMELESS = "const_{}_{}"
TORCH_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
TORCH = [f"features.{index}" for index in TORCH_INDICES]
KERAS = [f"block{s}_conv{i}" for s, n in enumerate(DEPTHS, start=1) for i in range(1, n + 1)]
PLAIN = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1), "strides": (1, 1)}
POOL = {"kernel_shape": (2, 2), "strides": (2, 2)}


def vgg_graph(
    template: str, activation: str = "Relu", attributes: Mapping[str, Any] = PLAIN
) -> tuple[dict[str, np.ndarray], Nodes]:
    """Returns a trunk like that of VGG16, of four filters a convolution, and its operations."""
    rng, value = np.random.default_rng(0), "image"
    tensors: dict[str, np.ndarray] = {"axes": np.array([0, 3, 1, 2])}
    nodes: Nodes = [("Transpose", "t", [value], ["nchw"], {"perm": (0, 3, 1, 2)})]
    value, channels = "nchw", 3
    for i, name in enumerate(KERAS):
        stage, place = (int(text) for text in (name[5], name[-1]))
        kernel = template.format(stage, place)
        if template == "torch":
            kernel = f"model.{TORCH[i]}.weight"
        bias = kernel.replace("weight", "bias") if template == "torch" else f"{kernel}_bias"
        tensors[kernel] = rng.standard_normal((4, channels, 3, 3), np.float32)
        tensors[bias] = rng.standard_normal(4, np.float32)
        nodes.append(("Conv", "", [value, kernel, bias], [f"c{i}"], dict(attributes)))
        nodes.append((activation, "", [f"c{i}"], [f"r{i}"], {}))
        value, channels = f"r{i}", 4
        if place == DEPTHS[stage - 1]:
            nodes.append(("MaxPool", "", [value], [f"p{stage}"], dict(POOL)))
            value = f"p{stage}"
    return tensors, nodes


def dense(names: list[str], first: str, *, inputs_first: bool) -> tuple[dict[str, Any], Nodes]:
    """Returns dense layers of five numbers: MatMul and Add, or Gemm with a transposed kernel."""
    rng, value, tensors = np.random.default_rng(1), first, {}
    nodes: Nodes = []
    for i, name in enumerate(names):
        kernel, bias = f"{name}.weight", f"{name}.bias"
        tensors[kernel] = rng.standard_normal((5, 5), np.float32)
        tensors[bias] = rng.standard_normal(5, np.float32)
        if inputs_first:
            nodes.append(("MatMul", f"net/{name}/MatMul", [value, kernel], [f"m{i}"], {}))
            nodes.append(("Add", "", [f"m{i}", bias], [f"d{i}"], {}))
        else:
            nodes.append(("Gemm", "", [value, kernel, bias], [f"d{i}"], {"transB": 1}))
        value = f"d{i}"
    return tensors, nodes


@pytest.fixture
def opened(onnx_bytes: Write, tmp_path: Path) -> Callable[..., Source]:
    """Returns a function (parts of a network) → the opened file."""

    def write(*parts: tuple[dict[str, Any], Nodes]) -> Source:
        tensors = {name: array for part, _ in parts for name, array in part.items()}
        path = tmp_path / "network.onnx"
        path.write_bytes(onnx_bytes(tensors, [node for _, nodes in parts for node in nodes]))
        return open_source(path)

    return write


@pytest.mark.parametrize("template", [KERAS3, KERAS2])
def test_keras_names_and_layouts(template: str, opened: Callable[..., Source]) -> None:
    tensors, nodes = vgg_graph(template)
    own = dense(["dense", "dense_1"], "p5", inputs_first=True)
    source = as_in_library(opened((tensors, nodes), own))
    assert [*source.leaves] == [f"{name}/{i}" for name in KERAS for i in (0, 1)]
    assert source.leaves["block1_conv1/0"] == Leaf((3, 3, 3, 4), "float32")
    for stage, place in ((1, 1), (3, 2), (5, 3)):
        kernel = tensors[template.format(stage, place)]
        read = source.read(f"block{stage}_conv{place}/0")
        np.testing.assert_array_equal(read, np.moveaxis(kernel, (0, 1), (3, 2)))
        bias = tensors[template.format(stage, place) + "_bias"]
        np.testing.assert_array_equal(source.read(f"block{stage}_conv{place}/1"), bias)
    # The axes of the transpose are no weights, and the network's own dense layers are not VGG's.
    (note,) = source.notes
    assert note == "left out, the file's own classifier: 4 arrays, dense.weight 5x5 first"
    assert source.metadata["onnx_output"] == "p5"
    # The trunk is VGG16's but for the widths.
    with pytest.raises(UserError, match=r"none of vgg16.*\(2, 2, 3, 3, 3\)"):
        recognise(source)


@pytest.mark.parametrize("inputs_first", [False, True])
def test_published_classifiers(inputs_first: bool, opened: Callable[..., Source]) -> None:
    names = ["fc1", "fc2", "predictions"]
    part, nodes = dense(names, "p5", inputs_first=inputs_first)
    source = as_in_library(opened(vgg_graph(KERAS3), (part, nodes)))
    expected = part["fc2.weight"] if inputs_first else part["fc2.weight"].T
    np.testing.assert_array_equal(source.read("fc2/0"), expected)
    assert source.metadata["onnx_output"] == "d2"

    names = [f"classifier.{i}" for i in (0, 3, 6)]
    part, nodes = dense(names, "p5", inputs_first=inputs_first)
    source = as_in_library(opened(vgg_graph("torch"), (part, nodes)))
    assert [*source.leaves] == [
        f"{name}.{kind}" for name in (*TORCH, *names) for kind in ("weight", "bias")
    ]
    expected = part["classifier.3.weight"].T if inputs_first else part["classifier.3.weight"]
    np.testing.assert_array_equal(source.read("classifier.3.weight"), expected)
    assert not source.notes


def test_names_that_tell_nothing_need_the_kind(opened: Callable[..., Source]) -> None:
    tensors, nodes = vgg_graph(NAMELESS)
    source = opened((tensors, nodes))
    with pytest.raises(UserError) as caught:
        as_in_library(source)
    message = str(caught.value)
    assert "computes the 13 convolutions of VGG, but its names (const_1_1, const_1_2" in message
    assert "--kind=keras or --kind=torchvision" in message
    keras, torch = (as_in_library(source, kind) for kind in ("keras", "timm"))
    kernel = tensors["const_4_2"]
    np.testing.assert_array_equal(keras.read("block4_conv2/0"), kernel.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(torch.read("features.19.weight"), kernel)


def test_names_in_another_order_than_the_operations_tell_nothing(
    opened: Callable[..., Source],
) -> None:
    tensors, nodes = vgg_graph(KERAS3)
    exchanged = {"block1_conv2_1": "block2_conv2_1", "block2_conv2_1": "block1_conv2_1"}

    def rename(text: str) -> str:
        name = next((name for name in exchanged if name in text), None)
        return text.replace(name, exchanged[name]) if name else text

    renamed = [(o, n, [rename(text) for text in i], u, a) for o, n, i, u, a in nodes]
    with pytest.raises(UserError, match="do not tell the library"):
        as_in_library(opened(({rename(k): v for k, v in tensors.items()}, renamed)))


@pytest.mark.parametrize(
    "changes",
    [
        dict(activation="Sigmoid"),
        dict(attributes={**PLAIN, "strides": (2, 2)}),
        dict(attributes={**PLAIN, "pads": (0, 0, 0, 0)}),
        dict(attributes={**PLAIN, "dilations": (2, 2)}),
    ],
)
def test_other_operations_are_not_vgg(
    changes: dict[str, Any], opened: Callable[..., Source]
) -> None:
    source = as_in_library(opened(vgg_graph(KERAS3, **changes)))
    with pytest.raises(UserError, match="matches no supported network"):
        recognise(source)


def test_folded_batch_norms_are_named(opened: Callable[..., Source]) -> None:
    kernel, bias = np.zeros((64, 3, 7, 7), np.float32), np.zeros(64, np.float32)
    nodes: Nodes = [("Conv", "", ["image", "onnx::Conv_1", "onnx::Conv_2"], ["c"], {})]
    source = as_in_library(opened(({"onnx::Conv_1": kernel, "onnx::Conv_2": bias}, nodes)))
    with pytest.raises(UserError, match="exporters fold those of a resnet or efficientnet"):
        recognise(source)


def test_kernels_in_eight_bits_are_refused(opened: Callable[..., Source]) -> None:
    tensors, nodes = vgg_graph(KERAS3)
    tensors = {name: array.astype(np.int8) for name, array in tensors.items()}
    source = as_in_library(opened((tensors, nodes)))
    assert source.leaves["block1_conv1/0"].dtype == "int8"  # which the conversion refuses


def test_a_circle_of_operations_ends(opened: Callable[..., Source]) -> None:
    tensors, nodes = vgg_graph(KERAS3)
    source = opened((tensors, [*nodes, ("Identity", "", ["r1"], ["r1"], {})]))
    assert len(as_in_library(source).leaves) == 26


def test_a_state_dict_keeps_its_names(opened: Callable[..., Source]) -> None:
    """PyTorch exports a network whose batch norms are kept under the names of its state dict."""
    tensors: dict[str, np.ndarray] = {"model.conv1.weight": np.zeros((8, 3, 7, 7), np.float32)}
    norm = [f"model.bn1.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    tensors |= {name: np.ones(8, np.float32) for name in norm}
    tensors |= {"model.fc.weight": np.arange(40, dtype=np.float32).reshape(8, 5)}
    tensors |= {"model.fc.bias": np.zeros(5, np.float32), "shape": np.array([1, -1])}
    nodes: Nodes = [
        ("Conv", "", ["image", "model.conv1.weight"], ["c"], {}),
        ("BatchNormalization", "", ["c", *norm], ["b"], {}),
        ("Reshape", "", ["b", "shape"], ["flat"], {}),
        ("Gemm", "", ["flat", "model.fc.weight", "model.fc.bias"], ["logits"], {}),
    ]
    source = as_in_library(opened((tensors, nodes)))
    assert [*source.leaves] == [
        name.removeprefix("model.") for name in tensors if name.startswith("model.")
    ]
    np.testing.assert_array_equal(source.read("fc.weight"), tensors["model.fc.weight"].T)
    assert source.notes == ("prefix 'model.' taken off every key",)
