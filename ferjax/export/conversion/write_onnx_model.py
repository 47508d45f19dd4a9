"""Writes an ONNX model with its metadata, in the oldest file version that opset 17 allows."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# File version of the first onnxruntime with opset 17, so that old runtimes can read the file; the
# package onnx would write its own, newer version.
_IR_VERSION = 8


def write_onnx_model(model: Any, out: Path, metadata: Mapping[str, str]) -> None:
    """Checks an onnx.ModelProto and writes it, without unused constants and domains."""
    onnx = importlib.import_module("onnx")
    inputs = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in inputs]:
        model.graph.initializer.remove(tensor)
    domains = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.ir_version = _IR_VERSION
    model.producer_name = "ferjax"
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, out)
