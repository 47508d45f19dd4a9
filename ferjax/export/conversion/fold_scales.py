"""Folds batch norms of an ONNX graph into the convolutions before them."""

import importlib
from typing import Any

import numpy as np

_TO_CHANNELS_LAST = [0, 2, 3, 1]


def fold_scales(model: Any) -> None:
    """Multiplies kernels by the scale that follows, and adds the shift as a bias, in place.

    The pattern is Conv → Transpose to channels last → Mul by [1, 1, 1, F] → Add of [1, 1, 1, F], as
    a convolution and a batch norm in evaluation mode convert. onnxruntime folds most of them too,
    but where its transpose stays, as before a global mean, both operations stay.

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

    def only_reader(node: Any, kind: str) -> Any | None:
        found = readers.get(node.output[0], [])
        return found[0] if len(found) == 1 and found[0].op_type == kind else None

    def constant_of(node: Any, count: int) -> np.ndarray | None:
        """Returns float [F] of the constant operand [1, 1, 1, F], or None."""
        names = [name for name in node.input if name in constants]
        values = numpy_helper.to_array(constants[names[0]]) if len(names) == 1 else None
        last = values is not None and values.shape[-1:] == (count,) and values.size == count
        return values.reshape(-1) if values is not None and last else None

    removed: list[Any] = []
    for conv in [node for node in graph.node if node.op_type == "Conv" and len(node.input) == 2]:
        kernel_name = conv.input[1]
        if kernel_name not in constants or len(readers[kernel_name]) != 1:
            continue
        kernel = numpy_helper.to_array(constants[kernel_name])
        transpose = only_reader(conv, "Transpose")
        if transpose is None or list(transpose.attribute[0].ints) != _TO_CHANNELS_LAST:
            continue
        scaling = only_reader(transpose, "Mul")
        adding = scaling and only_reader(scaling, "Add")
        scale = constant_of(scaling, len(kernel)) if scaling else None
        shift = constant_of(adding, len(kernel)) if adding else None
        if adding is None or scale is None or shift is None:
            continue
        scaled = (kernel * scale.reshape(-1, 1, 1, 1)).astype(kernel.dtype)
        constants[kernel_name].CopyFrom(numpy_helper.from_array(scaled, kernel_name))
        bias = numpy_helper.from_array(shift.astype(kernel.dtype), f"{kernel_name}_bias")
        graph.initializer.append(bias)
        conv.input.append(bias.name)
        transpose.output[0] = adding.output[0]
        removed += [scaling, adding]
    for node in removed:
        graph.node.remove(node)
