"""What onnxruntime computes with an ONNX file: the reference for its converted weights."""

import numpy as np

from ferjax.convert.readers.onnx_graph import OnnxGraph
from ferjax.convert.readers.source_file import Source
from ferjax.errors import UserError
from ferjax.runtime.optional_packages import require_package
from ferjax.specs import InputSpec


def onnx_outputs(source: Source, spec: InputSpec, images: np.ndarray) -> np.ndarray:
    """Returns the logits of an ONNX file, or its trunk's features, averaged over the map.

    Args:
      source: the file under the names of its library, see `as_in_library`.
      spec: mean, standard deviation and channel order of the library's images.
      images: uint8 [N, S, S, 3], with the S of `input_side` where the file fixes one.

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
    wanted = source.metadata["onnx_output"] or graph.outputs[0]
    content = source.path.read_bytes()
    if wanted not in graph.outputs:
        content += _further_output(wanted)
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
        rows = [session.run([wanted], {name: x[i : i + 1]})[0] for i in range(len(x))]
    except Exception as error:  # onnxruntime has no common class for its errors
        raise UserError(
            f"--verify: onnxruntime cannot run {source.path}: {str(error).splitlines()[0]}. Leave"
            " --verify out, or export the file again."
        ) from None
    outputs = np.concatenate([np.asarray(row) for row in rows])
    return outputs.mean((2, 3)) if outputs.ndim == 4 else outputs


def input_side(source: Source, otherwise: int) -> int:
    """Returns the side of images that an ONNX file fixes; `otherwise` for any other file."""
    graph: OnnxGraph | None = source.metadata.get("onnx")
    shape = next(iter(graph.inputs.values()), ()) if graph else ()
    return max(shape[1:3] if shape[-1:] == (3,) else shape[2:4], default=0) or otherwise


def _further_output(name: str) -> bytes:
    """Returns bytes that make a value an output of the network in the file before them.

    A protobuf message that is written twice is read as one: lists are joined. So this needs no
    package to write ONNX: a network (7) with an output (12) that has a name (1).
    """
    text = _field(1, name.encode())
    return _field(7, _field(12, text))


def _field(number: int, content: bytes) -> bytes:
    """Returns a protobuf field that holds bytes."""
    size, digits = len(content), bytearray()
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((number << 3 | 2, *digits, size)) + content
