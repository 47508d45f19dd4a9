"""Folds batch norms of an ONNX graph into the convolutions before them."""

import importlib
from typing import Any

import numpy as np

_TO_CHANNELS_LAST = [0, 2, 3, 1]


def fold_scales(model: Any) -> None:
    """Multiplies kernels by the scale that follows, and makes the shift a bias, in place.

    The pattern is Conv → Transpose to channels last → Mul by [1, 1, 1, F] → Add of [1, 1, 1, F],
    into which a convolution and a batch norm in evaluation mode are converted. onnxruntime folds
    most of them too. But if it keeps the transpose, as before a global mean, it keeps both
    operations.

    Args:
      model: onnx.ModelProto whose constants are initializers.
    """
    numpy_helper = importlib.import_module("onnx.numpy_helper")
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def only_reader(node: Any, operation: str) -> Any | None:
        """Returns the only node that reads the output, if it has this operation, else None."""
        nodes = readers.get(node.output[0], [])
        return nodes[0] if len(nodes) == 1 and nodes[0].op_type == operation else None

    def constant_of(node: Any, count: int) -> np.ndarray | None:
        """Returns float [F] of the constant operand [1, 1, 1, F], or None."""
        names = [name for name in node.input if name in constants]
        values = numpy_helper.to_array(constants[names[0]]) if len(names) == 1 else None
        if values is None or values.shape[-1:] != (count,) or values.size != count:
            return None
        return values.reshape(-1)

    removed: list[Any] = []
    for conv in [node for node in graph.node if node.op_type == "Conv" and len(node.input) == 2]:
        kernel_name = conv.input[1]
        if kernel_name not in constants or len(readers[kernel_name]) != 1:
            continue
        kernel = numpy_helper.to_array(constants[kernel_name])
        transpose = only_reader(conv, "Transpose")
        if transpose is None or list(transpose.attribute[0].ints) != _TO_CHANNELS_LAST:
            continue
        multiplication = only_reader(transpose, "Mul")
        addition = multiplication and only_reader(multiplication, "Add")
        scale = constant_of(multiplication, len(kernel)) if multiplication else None
        shift = constant_of(addition, len(kernel)) if addition else None
        if addition is None or scale is None or shift is None:
            continue
        scaled = (kernel * scale.reshape(-1, 1, 1, 1)).astype(kernel.dtype)
        constants[kernel_name].CopyFrom(numpy_helper.from_array(scaled, kernel_name))
        bias = numpy_helper.from_array(shift.astype(kernel.dtype), f"{kernel_name}_bias")
        graph.initializer.append(bias)
        conv.input.append(bias.name)
        transpose.output[0] = addition.output[0]
        removed += [multiplication, addition]
    for node in removed:
        graph.node.remove(node)
