"""Writes an ONNX model with its metadata, readable by as old a runtime as its operations allow."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Version of the file format of the first onnxruntime that has opset 17; the library writes its own.
_IR_VERSION = 8


def write_onnx_model(model: Any, out: Path, metadata: Mapping[str, str]) -> None:
    """Checks an onnx.ModelProto and writes it, without constants and domains that nothing uses."""
    onnx = importlib.import_module("onnx")
    read = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in read]:
        model.graph.initializer.remove(tensor)
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.ir_version = _IR_VERSION
    model.producer_name = "ferjax"
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, out)
