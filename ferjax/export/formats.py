"""The formats of `launch.export`, by name."""

from ferjax.export.exported_file import Format
from ferjax.export.safetensors_format import write_safetensors
from ferjax.export.stablehlo_format import require_flatbuffers, write_stablehlo

# Name → format, in the order in which the formats of one command are written.
FORMATS: dict[str, Format] = {
    "safetensors": Format(write_safetensors, ("{name}.safetensors",)),
    "stablehlo": Format(
        write_stablehlo, ("{name}.stablehlo",), ("use_stablehlo.py",), require_flatbuffers
    ),
}
