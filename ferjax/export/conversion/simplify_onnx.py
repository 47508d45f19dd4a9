"""Two simplifications of an ONNX graph that onnxruntime does not make."""

import importlib
from typing import Any

import numpy as np

_TO_CHANNELS_FIRST = [0, 3, 1, 2]
# Operations of the normalisation, with one constant operand.
_WITH_CONSTANT = ("Add", "Div", "Mul", "Sub")


def transpose_bytes(model: Any) -> None:
    """Moves the transpose of the images before their normalisation, in place.

    Constants for each channel are then broadcast over whole planes: broadcasting over a last axis
    of three takes onnxruntime twenty times as long. Besides, the transpose moves bytes instead of
    floats.

    Args:
      model: onnx.ModelProto whose constants are initializers.
    """
    numpy_helper = importlib.import_module("onnx.numpy_helper")
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    reads = [name for node in graph.node for name in node.input]
    for output in [node.output[0] for node in graph.node if node.op_type == "Transpose"]:
        transpose = producers[output]
        if list(transpose.attribute[0].ints) != _TO_CHANNELS_FIRST:
            continue
        while True:
            above = producers.get(transpose.input[0])
            if above is None or reads.count(above.output[0]) != 1:
                break
            constant_inputs = [name for name in above.input if name in constants]
            moved = next((name for name in above.input if name not in constants), None)
            if above.op_type in _WITH_CONSTANT and len(constant_inputs) == 1:
                values = numpy_helper.to_array(constants[constant_inputs[0]])
                if values.ndim not in (0, 4) or values.shape[:-1] not in ((), (1, 1, 1)):
                    break
                if values.ndim:
                    name = f"{constant_inputs[0]}_first{len(graph.initializer)}"
                    channels_first = np.ascontiguousarray(values.transpose(_TO_CHANNELS_FIRST))
                    graph.initializer.append(numpy_helper.from_array(channels_first, name))
                    above.input[list(above.input).index(constant_inputs[0])] = name
            elif above.op_type != "Cast" or moved is None:
                break
            # The operation above the transpose moves below it: x → above → transpose → y becomes
            # x → transpose → above → y.
            position = list(above.input).index(moved)
            source, between, result = above.input[position], above.output[0], transpose.output[0]
            transpose.input[0], transpose.output[0] = source, between
            above.input[position], above.output[0] = between, result
            producers |= {between: transpose, result: above}
            nodes = list(graph.node)
            low, high = nodes.index(above), nodes.index(transpose)
            nodes.insert(low, nodes.pop(high))
            del graph.node[:]
            graph.node.extend(nodes)
            transpose = next(node for node in graph.node if between in node.output)
            producers = {name: node for node in graph.node for name in node.output}
    # The inferred shapes no longer fit: the same names now belong to other values.
    del graph.value_info[:]


def pools_with_padding(model: Any) -> None:
    """Replaces a Pad with -inf before a max pool by the pool's attribute `pads`, in place.

    Args:
      model: onnx.ModelProto whose constants are initializers.
    """
    onnx = importlib.import_module("onnx")
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    reads = [name for node in graph.node for name in node.input]
    for pool in [node for node in graph.node if node.op_type == "MaxPool"]:
        pad = producers.get(pool.input[0])
        if pad is None or pad.op_type != "Pad" or reads.count(pad.output[0]) != 1:
            continue
        if any(name not in constants for name in pad.input[1:3]) or len(pad.input) < 3:
            continue
        edges, value = (onnx.numpy_helper.to_array(constants[name]) for name in pad.input[1:3])
        if len(edges) != 8 or edges[[0, 1, 4, 5]].any() or value.item() != -np.inf:
            continue
        replaced = ("auto_pad", "pads")
        kept = [attribute for attribute in pool.attribute if attribute.name not in replaced]
        del pool.attribute[:]
        pool.attribute.extend(kept)
        pads = [int(edge) for edge in edges[[2, 3, 6, 7]]]
        pool.attribute.append(onnx.helper.make_attribute("pads", pads))
        pool.input[0] = pad.input[0]
        graph.node.remove(pad)
