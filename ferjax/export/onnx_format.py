"""ONNX by jax2onnx: float32 and static int8, for onnxruntime, OpenVINO and browsers."""

import dataclasses
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from flax import linen as nn

from ferjax.export.conversion.environments import converter_python
from ferjax.export.conversion.run_converter import run_converter
from ferjax.export.exported_file import (
    LEAST_AGREEMENT_OF_INT8,
    ExportedFile,
    FormatOptions,
    calibrated_on,
)
from ferjax.export.exported_network import CARD_KEY, ExportedNetwork, card_json
from ferjax.runtime.optional_packages import require_package
from ferjax.runtime.progress_lines import say
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import spec_to_json

# The oldest version of ONNX's operations that all networks convert to: older runtimes read it.
OPSET = 17


def require_onnx() -> None:
    """Makes the converter's environment; raises `UserError` if that fails."""
    converter_python("onnx")


def require_openvino() -> None:
    """Raises `UserError` if OpenVINO is missing, with which the file is checked."""
    purpose = "--format=openvino: to check the ONNX file it"
    require_package("openvino", "openvino", purpose)
    require_onnx()


def onnx_file(network: ExportedNetwork, path: Path, progress: bool = True) -> Path:
    """Writes the network as an ONNX file, if the file does not exist yet; returns its path.

    Input `images` uint8 [batch, H, W, C], output `probabilities` float32 [batch, K]. The metadata
    have `classes` (a JSON list, in the order of the columns) and the model card.

    Raises:
      UserError: jax2onnx cannot convert the network.
    """
    if path.exists():
        return path
    network_class = type(network.model)
    request = {
        "module": network_class.__module__,
        "network": network_class.__qualname__,
        "fields": own_fields(network.model),
        "spec": spec_to_json(network.spec),
        "opset": OPSET,
        "metadata": {
            "name": network.name,
            "classes": json.dumps(network.classes),
            CARD_KEY: card_json(network),
        },
        "out": str(path.absolute()),
    }
    say(f"converting {network.card['model']} with jax2onnx", progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        python = converter_python("onnx", progress)
        run_converter(python, "to_onnx", request, flatten(network.variables), Path(folder))
    return path


def own_fields(model: nn.Module) -> dict[str, Any]:
    """Returns the fields of a module that differ from the defaults of its class, as JSON values."""
    return {
        field.name: getattr(model, field.name)
        for field in dataclasses.fields(model)
        if field.name not in ("parent", "name") and getattr(model, field.name) != field.default
    }


def write_onnx(
    network: ExportedNetwork, folder: Path, options: FormatOptions
) -> list[ExportedFile]:
    """Writes NAME.onnx, and NAME-int8.onnx if there are real faces to calibrate it on."""
    path = onnx_file(network, folder / f"{network.name}.onnx", options.progress)
    python = converter_python("onnx", options.progress)
    file = partial(ExportedFile, usage="use_onnx.py", python=str(python))
    facts = {"runs with": "onnxruntime", "opset": OPSET}
    note = f"{path.name}: ONNX opset {OPSET}, any batch size."
    files = [file(path, "float32", facts={**facts, "note": note})]
    if not options.calibration.real:
        return files
    int8_path = folder / f"{network.name}-int8.onnx"
    request = {"source": str(path.absolute()), "out": str(int8_path.absolute())}
    arrays = {"images": options.calibration.images}
    with tempfile.TemporaryDirectory() as temporary:
        run_converter(python, "quantize_onnx", request, arrays, Path(temporary))
    note = f"{int8_path.name}: static int8 (QDQ), {calibrated_on(options)}."
    int8_file = file(
        int8_path,
        "int8",
        largest_difference=None,
        least_agreement=LEAST_AGREEMENT_OF_INT8,
        facts={**facts, "note": note},
    )
    return [*files, int8_file]


def write_openvino(
    network: ExportedNetwork, folder: Path, options: FormatOptions
) -> list[ExportedFile]:
    """Writes NAME.onnx for OpenVINO, if the file does not exist yet."""
    path = onnx_file(network, folder / f"{network.name}.onnx", options.progress)
    note = (
        f"{path.name} in OpenVINO: ask for INFERENCE_PRECISION_HINT f32, as use_openvino.py does;"
        " its default is bfloat16 where the processor has it, and changes probabilities by up to"
        " 0.1."
    )
    facts = {"runs with": "OpenVINO", "note": note}
    return [ExportedFile(path, "float32", "use_openvino.py", facts=facts, python=sys.executable)]
