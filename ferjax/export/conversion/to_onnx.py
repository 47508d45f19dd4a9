"""Converts a network to ONNX; runs in the environment `onnx`, see `run_converter`."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.export.conversion.exchange import ARRAYS, read_request, write_answer
from ferjax.export.conversion.fold_scales import fold_scales
from ferjax.export.conversion.simplify_onnx import pools_with_padding, transpose_bytes
from ferjax.export.conversion.write_onnx_model import write_onnx_model
from ferjax.images.preprocess import network_input
from ferjax.ops.choose_implementation import with_plain_implementations
from ferjax.runtime.variable_tree import unflatten
from ferjax.specs import lists_to_tuples, spec_from_json

# Names of the input, the output and the batch axis in the file.
IMAGES, PROBABILITIES, BATCH = "images", "probabilities", "batch"


def main(folder: Path) -> None:
    """Writes the ONNX file that the request describes, with the weights of its arrays.

    Keys of the request: `module`, `network` (name of the network's class in that module), `fields`,
    `spec`, `opset`, `metadata` {key: text} and `out` (path of the file).
    """
    request = read_request(folder)
    with np.load(folder / ARRAYS) as arrays:
        model = converted(request, dict(arrays))
    save(model, Path(request["out"]), request["metadata"], folder)
    write_answer(folder, {"opset": request["opset"]})


def converted(request: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    """Returns the network as an onnx.ModelProto: uint8 [batch, H, W, C] → float32 [batch, K].

    It contains preprocessing, softmax and the temperature, by which the head was divided.
    """
    to_onnx = importlib.import_module("jax2onnx").to_onnx
    network_class = getattr(importlib.import_module(request["module"]), request["network"])
    network = network_class(**lists_to_tuples(request["fields"]))
    spec, variables = spec_from_json(request["spec"]), unflatten(dict(arrays))
    (batch,) = jax.export.symbolic_shape(BATCH)
    images = jax.ShapeDtypeStruct((batch, *spec.storage, spec.channels), jnp.uint8)

    def probabilities(images: jax.Array) -> jax.Array:
        logits = network.apply(variables, network_input(images, spec), train=False)
        return jax.nn.softmax(jnp.asarray(logits)).astype(jnp.float32)

    return to_onnx(
        with_plain_implementations(probabilities, pools="linen"),
        [images],
        model_name=request["metadata"].get("name", "ferjax"),
        opset=request["opset"],
        input_names=[IMAGES],
        output_names=[PROBABILITIES],
    )


def save(model: Any, out: Path, metadata: Mapping[str, str], folder: Path) -> None:
    """Writes the model to `out`: simplified by onnxslim and onnxruntime, with metadata.

    onnxslim computes constant expressions. The first level of onnxruntime's optimisations moves the
    transposes around the convolutions together, where they cancel, and folds the remaining
    operations into the convolutions. Both leave only standard operations of ONNX.

    Args:
      model: onnx.ModelProto, from `converted`.
      out: path of the file.
      metadata: texts by key.
      folder: a folder for temporary files.
    """
    onnx, onnxruntime, onnxslim = (
        importlib.import_module(name) for name in ("onnx", "onnxruntime", "onnxslim")
    )
    slim = onnxslim.slim(model)
    fold_scales(slim)
    before, after = folder / "before.onnx", folder / "after.onnx"
    onnx.save(slim, before)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(after)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(before, options, providers=["CPUExecutionProvider"])
    finished = onnx.load(after)
    transpose_bytes(finished)
    pools_with_padding(finished)
    write_onnx_model(finished, out, metadata)
