"""Runs an ONNX file with onnxruntime: its outputs are the reference for the converted weights."""

import numpy as np

from ferjax.convert.readers.onnx_graph import OnnxGraph
from ferjax.convert.readers.source_file import Source
from ferjax.errors import UserError
from ferjax.runtime.optional_packages import require_package
from ferjax.specs import InputSpec


def onnx_outputs(source: Source, spec: InputSpec, images: np.ndarray) -> np.ndarray:
    """Returns the logits of an ONNX file, or the features of its trunk, averaged over the map.

    Args:
      source: the file with the names of its library, from `as_in_library`.
      spec: mean, standard deviation and channel order of the library's images.
      images: uint8 [N, S, S, 3]; S is `input_side` if the file fixes the size.

    Returns:
      float32 [N, K].

    Raises:
      UserError: onnxruntime is not installed, or cannot run the file.
    """
    onnxruntime = require_package("onnxruntime", "onnx", "--verify of an ONNX file")
    graph: OnnxGraph = source.metadata["onnx"]
    if not graph.inputs or not graph.outputs:
        raise UserError(
            f"--verify: {source.path} has no input or no output to compare. Leave --verify out."
        )
    output = source.metadata["onnx_output"] or graph.outputs[0]
    content = source.path.read_bytes()
    if output not in graph.outputs:
        content += _additional_output(output)
    name, shape = next(iter(graph.inputs.items()))
    x = (images.astype(np.float64) / 255)[..., :: -1 if spec.order == "bgr" else 1]
    x = ((x - spec.mean) / spec.std).astype(np.float32)
    if shape[-1:] != (3,):
        x = x.transpose(0, 3, 1, 2)
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        # One by one: some files fix the size of a batch.
        rows = [session.run([output], {name: x[i : i + 1]})[0] for i in range(len(x))]
    except Exception as error:  # onnxruntime has no common class for its errors
        raise UserError(
            f"--verify: onnxruntime cannot run {source.path}: {str(error).splitlines()[0]}. Leave"
            " --verify out, or export the file again."
        ) from None
    outputs = np.concatenate([np.asarray(row) for row in rows])
    return outputs.mean((2, 3)) if outputs.ndim == 4 else outputs


def input_side(source: Source, default: int) -> int:
    """Returns the side of the images that an ONNX file fixes; `default` for any other file."""
    graph: OnnxGraph | None = source.metadata.get("onnx")
    shape = next(iter(graph.inputs.values()), ()) if graph else ()
    return max(shape[1:3] if shape[-1:] == (3,) else shape[2:4], default=0) or default


def _additional_output(name: str) -> bytes:
    """Returns bytes that make a value an output of the graph when they are appended to its file.

    Protobuf reads a message that occurs twice as one message and joins its lists. So the file can
    be extended without the package onnx: by a graph (field 7) with an output (field 12) that has a
    name (field 1).
    """
    output = _field(1, name.encode())
    return _field(7, _field(12, output))


def _field(number: int, content: bytes) -> bytes:
    """Returns a protobuf field that holds bytes."""
    size, digits = len(content), bytearray()
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((number << 3 | 2, *digits, size)) + content
