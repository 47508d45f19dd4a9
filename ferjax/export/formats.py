"""The formats of `launch.export`, by name."""

from functools import partial

from ferjax.export.browser_format import require_browser, write_browser
from ferjax.export.exported_file import Format
from ferjax.export.onnx_format import require_onnx, require_openvino, write_onnx, write_openvino
from ferjax.export.pytorch_format import (
    fits_pytorch,
    fits_torchvision,
    require_torch,
    write_pytorch,
    write_torchvision,
)
from ferjax.export.safetensors_format import write_safetensors
from ferjax.export.stablehlo_format import require_flatbuffers, write_stablehlo
from ferjax.export.tflite_format import require_tflite, write_tflite

# Name → format, in the order in which the formats of one command are written.
FORMATS: dict[str, Format] = {
    "safetensors": Format(write_safetensors, ("{name}.safetensors",)),
    "stablehlo": Format(
        write_stablehlo, ("{name}.stablehlo",), ("use_stablehlo.py",), require_flatbuffers
    ),
    "pytorch": Format(
        write_pytorch,
        ("{module}_network.py", "{module}_network.safetensors"),
        ("use_pytorch.py",),
        require_torch,
        fits_pytorch,
    ),
    "torchvision": Format(
        write_torchvision,
        ("{module}_torchvision.py", "{module}_torchvision.safetensors"),
        ("use_pytorch.py",),
        partial(require_torch, "torchvision"),
        fits_torchvision,
    ),
    "onnx": Format(
        write_onnx,
        ("{name}.onnx", "{name}-int8.onnx"),
        ("use_onnx.py",),
        require_onnx,
        calibrated=("{name}-int8.onnx",),
    ),
    "openvino": Format(write_openvino, ("{name}.onnx",), ("use_openvino.py",), require_openvino),
    "tflite": Format(
        write_tflite,
        ("{name}.tflite", "{name}-float16.tflite", "{name}-int8.tflite"),
        ("use_tflite.py",),
        require_tflite,
        calibrated=("{name}-int8.tflite",),
    ),
    "browser": Format(write_browser, ("{name}-browser",), ("use_onnx.py",), require_browser),
}
