"""TFLite by litert-converter, without TensorFlow: float32, float16 and int8, one face per call."""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export

from ferjax.export.conversion.environments import converter_python
from ferjax.export.conversion.run_converter import run_converter
from ferjax.export.exported_file import (
    LEAST_AGREEMENT,
    LEAST_AGREEMENT_OF_INT8,
    TOLERANCE,
    ExportedFile,
    FormatOptions,
    calibrated_on,
)
from ferjax.export.exported_network import (
    CARD_FILE,
    ExportedNetwork,
    card_json,
    probabilities_function,
)
from ferjax.runtime.progress_lines import say

_SUFFIXES = {"float32": "", "float16": "-float16", "int8": "-int8"}
# Precision → (largest difference of a probability, least share of faces with the same emotion).
_BOUNDS = {
    "float32": (TOLERANCE, LEAST_AGREEMENT),
    "float16": (0.05, LEAST_AGREEMENT),
    "int8": (None, LEAST_AGREEMENT_OF_INT8),
}


def require_tflite() -> None:
    """Makes the converter's environment; raises `UserError` if that fails."""
    converter_python("tflite")


def write_tflite(
    network: ExportedNetwork, folder: Path, options: FormatOptions
) -> list[ExportedFile]:
    """Writes NAME.tflite, NAME-float16.tflite and, with real faces, NAME-int8.tflite.

    Input uint8 [1, H, W, C], output float32 [1, K]. For a batch of any size the converter would
    leave broadcasts between all operations, and the file would be fifteen times slower. Emotions
    and model card are appended as labels.txt and ferjax_card.json in a zip archive, where TFLite
    keeps metadata.
    """
    python = converter_python("tflite", options.progress)
    precisions = ["float32", "float16"]
    if options.calibration.real:
        precisions.append("int8")
    outs = {each: folder / f"{network.name}{_SUFFIXES[each]}.tflite" for each in precisions}
    say(f"converting {network.card['model']} with litert-converter", options.progress)
    with tempfile.TemporaryDirectory() as temporary:
        text = Path(temporary) / "network.mlir"
        text.write_text(stablehlo_text(network), "utf-8")
        request = {
            "stablehlo": str(text),
            "outs": {precision: str(out.absolute()) for precision, out in outs.items()},
            "attached": {
                "labels.txt": "".join(f"{name}\n" for name in network.classes),
                CARD_FILE: card_json(network),
            },
        }
        exchange = Path(temporary) / "exchange"
        exchange.mkdir()
        arrays = {"images": options.calibration.images}
        run_converter(python, "to_tflite", request, arrays, exchange)
    notes = {
        "float32": f"{network.name}.tflite: one face a call.",
        "float16": "float16: weights alone; what runs it computes in float32.",
        "int8": f"int8: {calibrated_on(options)}.",
    }
    return [
        ExportedFile(
            out,
            precision,
            "use_tflite.py",
            largest_difference=_BOUNDS[precision][0],
            least_agreement=_BOUNDS[precision][1],
            facts={"runs with": "LiteRT", "note": notes[precision]},
            python=str(python),
        )
        for precision, out in outs.items()
    ]


def stablehlo_text(network: ExportedNetwork) -> str:
    """Returns the network for one face as StableHLO text, with the classes as columns.

    litert-converter refuses the serialised form that jax writes, so it gets text.
    """
    function = probabilities_function(network, pools="linen_edge")
    image = jax.ShapeDtypeStruct((1, *network.input_shape), jnp.uint8)
    return export.export(jax.jit(function), platforms=["cpu"])(image).mlir_module()
