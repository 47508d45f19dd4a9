"""Static quantisation of an ONNX file to eight bits; runs in the environment `onnx`."""

import importlib
from pathlib import Path

import numpy as np

from ferjax.export.conversion.exchange import ARRAYS, read_request, write_answer
from ferjax.export.conversion.write_onnx_model import write_onnx_model

# Images of one calibration batch.
_BATCH = 50
_OPERATIONS = ["Add", "Conv", "Gemm", "MatMul", "MaxPool", "Relu"]


def main(folder: Path) -> None:
    """Quantises the request's file `source` to `out`; the array `images` is uint8 [N, H, W, C].

    Activations are uint8. Kernels are int8 with a scale for each filter, of which seven bits are
    used: processors without VNNI add two products of eight-bit numbers in sixteen bits, and eight
    bits would overflow (measured: the agreement falls from 99 to 84 %). int8 activations are safe
    too, but slower than float32 on such processors. The first convolution, whose input is the
    image, stays in float32: it is cheap, and its errors would go through the whole network.
    """
    onnx = importlib.import_module("onnx")
    quantization = importlib.import_module("onnxruntime.quantization")
    request = read_request(folder)
    with np.load(folder / ARRAYS) as arrays:
        images = arrays["images"]

    class Images(quantization.CalibrationDataReader):
        """Yields batches of the calibration images."""

        def __init__(self) -> None:
            self.batches = iter(np.split(images, range(_BATCH, len(images), _BATCH)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch}

    source = onnx.load(request["source"])
    convolutions = [node.name for node in source.graph.node if node.op_type == "Conv"]
    quantization.quantize_static(
        request["source"],
        request["out"],
        Images(),
        op_types_to_quantize=_OPERATIONS,
        per_channel=True,
        reduce_range=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=convolutions[:1],
    )
    metadata = {entry.key: entry.value for entry in source.metadata_props}
    write_onnx_model(onnx.load(request["out"]), Path(request["out"]), metadata)
    write_answer(folder, {})
