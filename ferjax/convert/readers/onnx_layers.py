"""Layers of an ONNX graph (convolution, dense layer, batch norm), and the stages of VGG.

The exporter chooses the names in an ONNX file. The connections between the operations are those of
the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ferjax.convert.readers.onnx_graph import OnnxGraph, OnnxNode

# Operations that may stand between two convolutions of VGG because they change no value.
_VALUE_PRESERVING = ("Transpose", "Identity", "Dropout")
_ACTIVATIONS = ("Relu", "MaxPool")


@dataclass(frozen=True)
class OnnxLayer:
    """One layer with weights.

    Attributes:
      node: the operation: Conv, Gemm, MatMul or BatchNormalization.
      arrays: names of its stored tensors: kernel and bias, or scale, bias, mean and variance.
      inputs_first: whether a dense kernel is stored as [inputs, outputs].
      output: name of the value that it computes, after its bias.
    """

    node: OnnxNode
    arrays: tuple[str, ...]
    inputs_first: bool
    output: str


def layers_of(graph: OnnxGraph) -> tuple[OnnxLayer, ...]:
    """Returns the layers whose kernels are stored, in the order in which they are run."""
    layers = []
    readers: dict[str, list[OnnxNode]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    for node in graph.nodes:
        stored = tuple(name for name in node.inputs[1:] if name in graph.tensors)
        output = node.outputs[0] if node.outputs else ""
        attributes = node.attributes
        if node.operation in ("Conv", "BatchNormalization"):
            if stored and len(stored) == len([name for name in node.inputs[1:] if name]):
                layers.append(OnnxLayer(node, stored, False, output))
        elif node.operation == "Gemm":
            scaled = any(attributes.get(name, 1.0) != 1.0 for name in ("alpha", "beta"))
            if stored and not scaled and not attributes.get("transA"):
                layers.append(OnnxLayer(node, stored, not attributes.get("transB"), output))
        elif node.operation == "MatMul" and stored:
            # A bias belongs to the layer if nothing else reads the product.
            (following, *others) = readers.get(output, [None])
            biases = []
            if following and not others and following.operation == "Add":
                biases = [name for name in following.inputs if name in graph.tensors]
            if following and biases and len(graph.tensors[biases[0]].shape) == 1:
                layers.append(OnnxLayer(node, (*stored, *biases), True, following.outputs[0]))
            else:
                layers.append(OnnxLayer(node, stored, True, output))
    return tuple(layers)


def vgg_stages(
    graph: OnnxGraph, layers: tuple[OnnxLayer, ...]
) -> tuple[tuple[OnnxLayer, ...], ...]:
    """Returns the convolutions of a network like VGG, by stage; empty for any other network.

    Every convolution is 3x3, has a bias and keeps the size of the map. Its input is the ReLU of the
    convolution before it; at the beginning of a stage a 2x2 max pool follows that ReLU. Operations
    before the first convolution are preprocessing, on which the weights do not depend.
    """
    convolutions = {layer.output: layer for layer in layers if layer.node.operation == "Conv"}
    convolution_count = len([node for node in graph.nodes if node.operation == "Conv"])
    producers = {name: node for node in graph.nodes for name in node.outputs}
    stages: list[list[OnnxLayer]] = []
    previous = ""
    for output, layer in convolutions.items():
        source, operations = _source(layer.node.inputs[0], producers)
        pooled = operations == ("MaxPool", "Relu")
        follows_previous = source == previous and (operations == ("Relu",) or pooled)
        if not _keeps_size(layer, graph) or (stages and not follows_previous):
            return ()
        if pooled or not stages:
            stages.append([])
        stages[-1].append(layer)
        previous = output
    return tuple(map(tuple, stages)) if len(convolutions) == convolution_count else ()


def last_map(graph: OnnxGraph, layer: OnnxLayer) -> str:
    """Returns the name of a convolution's output after the ReLU and the pool that read it."""
    output = layer.output
    for node in graph.nodes:
        if node.operation in _ACTIVATIONS and node.inputs[:1] == (output,):
            output = node.outputs[0]
    return output


def _source(name: str, producers: Mapping[str, OnnxNode]) -> tuple[str, tuple[str, ...]]:
    """Returns the value from which ReLUs and pools compute `name`, and these operations.

    The operations are in reverse order: the last one comes first.
    """
    operations = []
    # At most one step for each value, because a damaged graph may contain a cycle.
    for _ in producers:
        node = producers.get(name)
        if node is None or not node.inputs:
            break
        if node.operation in _ACTIVATIONS and (node.operation == "Relu" or _halves(node)):
            operations.append(node.operation)
        elif node.operation not in _VALUE_PRESERVING:
            break
        name = node.inputs[0]
    return name, tuple(operations)


def _halves(node: OnnxNode) -> bool:
    """Returns whether a max pool has a 2x2 window, stride 2 and no padding."""
    attributes = node.attributes
    padded = any(attributes.get("pads") or ()) or attributes.get("ceil_mode")
    two_by_two = all(attributes.get(name) == (2, 2) for name in ("kernel_shape", "strides"))
    return two_by_two and not padded


def _keeps_size(layer: OnnxLayer, graph: OnnxGraph) -> bool:
    """Returns whether a convolution is 3x3, has a bias, and keeps the size of its input."""
    attributes = layer.node.attributes
    same = str(attributes.get("auto_pad", "")).startswith("SAME")
    return (
        len(layer.arrays) == 2
        and graph.tensors[layer.arrays[0]].shape[2:] == (3, 3)
        and attributes.get("group", 1) == 1
        and set(attributes.get("strides") or (1,)) == {1}
        and set(attributes.get("dilations") or (1,)) == {1}
        and (same or attributes.get("pads") == (1, 1, 1, 1))
    )
