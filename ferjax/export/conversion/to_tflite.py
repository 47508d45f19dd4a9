"""Converts StableHLO text to TFLite in float32, float16 and int8, in the environment `tflite`."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.export.conversion.attached_files import attach
from ferjax.export.conversion.exchange import ARRAYS, read_request, write_answer

_SIGNATURE = "serving_default"


def main(folder: Path) -> None:
    """Writes the files that the request names under `outs`: {precision: path}.

    Keys of the request: `stablehlo` (path of the text), `outs`, and `attached` {file name: text}.
    The array `images` is uint8 [N, H, W, C]; int8 is calibrated on it.
    """
    request = read_request(folder)
    outs = {precision: Path(out) for precision, out in request["outs"].items()}
    float32_file = folder / "plain.tflite"
    float32_file.write_bytes(converted(Path(request["stablehlo"]).read_text("utf-8")))
    for precision, out in outs.items():
        if precision == "float32":
            content = float32_file.read_bytes()
        elif precision == "float16":
            content = in_half_precision(float32_file)
        else:
            with np.load(folder / ARRAYS) as arrays:
                content = in_eight_bits(float32_file, arrays["images"])
        out.write_bytes(content)
        attach(out, request["attached"])
    write_answer(folder, {})


def converted(text: str) -> bytes:
    """Returns the flatbuffer of a StableHLO module whose function is `main`."""
    converter = importlib.import_module("litert_converter.converter_api_ext")
    ir = importlib.import_module("litert_converter.mlir.ir")
    passmanager = importlib.import_module("litert_converter.mlir.passmanager")
    context = ir.Context()
    converter.prepare_mlir_context(context)
    with context, ir.Location.unknown():
        module = ir.Module.parse(text)
        converter.set_signature(module.operation, _SIGNATURE, ["images"], ["probabilities"])
        passes = passmanager.PassManager(context=context)
        converter.run_convert_to_tfl_passes(module, passes, converter.ConvertToTFLConfig())
        return converter.export_flatbuffer_to_bytes(module.operation)


def in_half_precision(path: Path) -> bytes:
    """Returns the file with weights in float16; the runtime computes in float32."""
    algorithm_manager, qtyping, quantizer, recipe_manager = _quantizer_modules()
    weights = qtyping.TensorQuantizationConfig(16, dtype=qtyping.TensorDataType.FLOAT)
    recipe = recipe_manager.RecipeManager()
    recipe.add_quantization_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=weights,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key=algorithm_manager.AlgorithmName.FLOAT_CASTING,
    )
    result = quantizer.Quantizer(str(path), recipe.get_quantization_recipe()).quantize()
    return bytes(result.quantized_model)


def in_eight_bits(path: Path, images: np.ndarray) -> bytes:
    """Returns the file with weights and activations in int8.

    The types of the input and of the probabilities do not change.

    Args:
      path: the float32 file.
      images: uint8 [N, H, W, C], from which the ranges of the activations are found.
    """
    algorithm_manager, qtyping, quantizer, recipe_manager = _quantizer_modules()
    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
        algorithm_key=algorithm_manager.AlgorithmName.MIN_MAX_UNIFORM_QUANT,
    )
    # Probabilities in steps of 1/256 would be of little use.
    for kind in (qtyping.TFLOperationName.SOFTMAX, qtyping.TFLOperationName.OUTPUT):
        recipe.add_quantization_config(
            regex=".*",
            operation_name=kind,
            algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
        )
    int8_quantizer = quantizer.Quantizer(str(path), recipe.get_quantization_recipe())
    samples: list[Mapping[str, Any]] = [{"images": image[None]} for image in images]
    ranges = int8_quantizer.calibrate({_SIGNATURE: samples})
    return bytes(int8_quantizer.quantize(ranges).quantized_model)


def _quantizer_modules() -> tuple[Any, Any, Any, Any]:
    names = ("algorithm_manager", "qtyping", "quantizer", "recipe_manager")
    modules = [importlib.import_module(f"ai_edge_quantizer.{name}") for name in names]
    return modules[0], modules[1], modules[2], modules[3]
