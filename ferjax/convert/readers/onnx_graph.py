"""The graph of an ONNX file: its operations, and the positions of the stored tensors in the file.

The field numbers are those of the format's `onnx.proto`. Nothing is run, and no other file is
opened: a tensor in a file beside the network ("external data") is an error.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferjax.convert.readers.protobuf_wire import Span, Wire, WireError

_MOST_AXES = 8
# TensorProto.DataType → numpy's name (it has no bfloat16) and bytes per number.
_DTYPES = {1: ("float32", 4), 2: ("uint8", 1), 3: ("int8", 1), 4: ("uint16", 2), 5: ("int16", 2)}
_DTYPES |= {6: ("int32", 4), 7: ("int64", 8), 9: ("bool", 1), 10: ("float16", 2)}
_DTYPES |= {11: ("float64", 8), 12: ("uint32", 4), 13: ("uint64", 8), 16: ("bfloat16", 2)}
# Field of TensorProto → dtype of its numbers; their bytes are stored as in `raw_data`, which is
# field 9 and may hold any dtype.
_RAW_FIELDS: dict[int, str | None] = {9: None, 4: "float32", 10: "float64"}


@dataclass(frozen=True)
class OnnxTensor:
    """A stored tensor.

    Attributes:
      shape: its shape.
      dtype: numpy's name of its type, `bfloat16`, or `of type N` for a type that is not supported.
      span: position of its little-endian numbers in the file; None if they have another form.
    """

    shape: tuple[int, ...]
    dtype: str
    span: Span | None


@dataclass(frozen=True)
class OnnxNode:
    """One operation. Its attributes are integers, floats, texts or tuples of integers."""

    operation: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class OnnxGraph:
    """The network of an ONNX file.

    Attributes:
      producer: name of the exporter, or an empty text.
      tensors: the stored tensors by name.
      nodes: the operations in the order in which they are run.
      inputs: shapes of the network's inputs by name; 0 stands for a size that is not fixed.
      outputs: names of the network's outputs.
    """

    producer: str
    tensors: Mapping[str, OnnxTensor]
    nodes: tuple[OnnxNode, ...]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]


class ExternalDataError(ValueError):
    """A tensor lies in another file; the message is its name."""


def read_graph(content: memoryview) -> OnnxGraph:
    """Returns the graph of an ONNX file.

    Raises:
      WireError: the content is damaged, or no ONNX network.
      ExternalDataError: a tensor lies in another file.
    """
    wire, producer, graphs, operator_sets = Wire(content), "", [], 0
    for number, value in wire.fields((0, len(content))):
        if number == 2:
            producer = wire.text(value)
        elif number == 7:
            graphs.append(wire.span(value))
        elif number == 8:
            operator_sets += 1
    if not operator_sets:
        # Most exporters write it last, so that its absence shows a truncated file.
        raise WireError("it does not say which operator set it uses")
    if len(graphs) != 1:
        raise WireError(f"it holds {len(graphs)} graphs, expected one")

    tensors: dict[str, OnnxTensor] = {}
    nodes, inputs, outputs = [], {}, []
    for number, value in wire.fields(graphs[0]):
        if number == 1:
            nodes.append(_node(wire, wire.span(value)))
        elif number == 5:
            name, tensor = _tensor(wire, wire.span(value))
            if name in tensors:
                raise WireError(f"two tensors are named {name!r}")
            tensors[name] = tensor
        elif number == 11:
            name, shape = _name_and_shape(wire, wire.span(value))
            inputs[name] = shape
        elif number == 12:
            outputs.append(_name_and_shape(wire, wire.span(value))[0])
    # PyTorch stores equal tensors once; the other names are outputs of Identity operations.
    for node in nodes:
        if node.operation == "Identity" and node.inputs[:1] and node.inputs[0] in tensors:
            tensors |= dict.fromkeys(node.outputs, tensors[node.inputs[0]])
    # Older exporters list the stored tensors among the inputs too.
    inputs = {name: shape for name, shape in inputs.items() if name not in tensors}
    return OnnxGraph(producer, tensors, tuple(nodes), inputs, tuple(outputs))


def _tensor(wire: Wire, span: Span) -> tuple[str, OnnxTensor]:
    """Returns the name of a TensorProto and the tensor; its bytes must fit its shape."""
    name, code, external = "", 0, False
    shape: list[int] = []
    spans_by_field: dict[int, list[Span]] = {}
    for number, value in wire.fields(span):
        if number == 1:
            shape += wire.integers(value)
        elif number == 2:
            code = wire.integer(value)
        elif number == 8:
            name = wire.text(value)
        elif number in _RAW_FIELDS:
            spans_by_field.setdefault(number, []).append(wire.span(value))
        elif number == 13 or (number == 14 and value == 1):
            external = True
    if external:
        raise ExternalDataError(name)
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        raise WireError(f"tensor {name!r} has the shape {tuple(shape[:_MOST_AXES])}")
    dtype, itemsize = _DTYPES.get(code, (f"of type {code}", 0))
    spans = [
        data_span
        for number, data_spans in spans_by_field.items()
        for data_span in data_spans
        if _RAW_FIELDS[number] in (None, dtype)
    ]
    count = math.prod(shape)
    if not itemsize or (count and not spans):
        return name, OnnxTensor(tuple(shape), dtype, None)
    stored = sum(end - start for start, end in spans)
    if stored != count * itemsize or len(spans) > 1:
        raise WireError(
            f"tensor {name!r} of {count:,} {dtype} numbers takes {count * itemsize:,} bytes, found"
            f" {stored:,} in {len(spans)} parts"
        )
    return name, OnnxTensor(tuple(shape), dtype, spans[0] if spans else (0, 0))


def _node(wire: Wire, span: Span) -> OnnxNode:
    """Returns the operation of a NodeProto."""
    inputs, outputs, texts = [], [], {3: "", 4: ""}
    attributes: dict[str, Any] = {}
    for number, value in wire.fields(span):
        if number == 1:
            inputs.append(wire.text(value))
        elif number == 2:
            outputs.append(wire.text(value))
        elif number in texts:
            texts[number] = wire.text(value)
        elif number == 5:
            name, attribute = _attribute(wire, wire.span(value))
            attributes[name] = attribute
    return OnnxNode(texts[4], texts[3], tuple(inputs), tuple(outputs), attributes)


def _attribute(wire: Wire, span: Span) -> tuple[str, Any]:
    """Returns the name and the value of an AttributeProto.

    The value is None for a tensor, a graph, and a list of anything but integers.
    """
    name, attribute = "", None
    integers: list[int] = []
    for number, value in wire.fields(span):
        if number == 1:
            name = wire.text(value)
        elif number == 2:
            attribute = wire.float32(value)
        elif number == 3:
            attribute = wire.integer(value)
        elif number == 4:
            attribute = wire.text(value)
        elif number == 8:
            integers += wire.integers(value)
    return name, tuple(integers) if integers else attribute


def _name_and_shape(wire: Wire, span: Span) -> tuple[str, tuple[int, ...]]:
    """Returns the name and the shape in a ValueInfoProto, which describes an input or output."""
    name, shape = "", []
    for number, value in wire.fields(span):
        if number == 1:
            name = wire.text(value)
        if number != 2:
            continue
        # TypeProto.tensor_type (1), its shape (2), a dimension (1), its size (1).
        for tensor in _values(wire, wire.span(value), 1):
            for dimensions in _values(wire, wire.span(tensor), 2):
                for dimension in _values(wire, wire.span(dimensions), 1):
                    sizes = [wire.integer(size) for size in _values(wire, wire.span(dimension), 1)]
                    shape.append(max([0, *sizes]))
    return name, tuple(shape)


def _values(wire: Wire, span: Span, field_number: int) -> list[Any]:
    """Returns the values of all fields with this number in a message."""
    return [value for number, value in wire.fields(span) if number == field_number]
