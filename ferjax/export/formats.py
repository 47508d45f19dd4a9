"""The formats of `launch.export`, by name."""

from functools import partial

from ferjax.export.exported_file import Format
from ferjax.export.pytorch_format import require_torch, write_pytorch, write_torchvision
from ferjax.export.safetensors_format import write_safetensors
from ferjax.export.stablehlo_format import require_flatbuffers, write_stablehlo

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
    ),
    "torchvision": Format(
        write_torchvision,
        ("{module}_torchvision.py", "{module}_torchvision.safetensors"),
        ("use_pytorch.py",),
        partial(require_torch, "torchvision"),
    ),
}
