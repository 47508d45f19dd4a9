"""StableHLO by `jax.export`: one file for any batch size on CPU, GPU and TPU; needs only jax."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export

from ferjax.errors import UserError
from ferjax.export.conversion.attached_files import attach
from ferjax.export.exported_file import ExportedFile, FormatOptions, module_name
from ferjax.export.exported_network import (
    CARD_FILE,
    ExportedNetwork,
    card_json,
    probabilities_function,
)
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.optional_packages import require_package
from ferjax.runtime.variable_tree import flatten

PLATFORMS = ("cpu", "cuda", "tpu")
# The promise in jax's documentation of `jax.export`.
_WINDOW = "jax promises to run it with versions up to six months newer and three weeks older."
# Flags of jax for the places of source code that a program names: of a call stack the innermost
# place alone, because the others depend on the calling program; of a file its name without folders.
_PLACES = {
    "jax_include_full_tracebacks_in_locations": False,
    "jax_hlo_source_file_canonicalization_regex": r".*[/\\]",
}
# Size limit of flatbuffers, the format in which the program is stored together with its weights.
_MOST_BYTES = 1 << 31


def require_flatbuffers() -> None:
    """Raises `UserError` if flatbuffers is missing: jax needs it and does not install it."""
    require_package("flatbuffers", "stablehlo", "--format=stablehlo")


def named_probabilities(
    network: ExportedNetwork,
) -> Callable[[jax.Array], dict[str, jax.Array]]:
    """Returns the function uint8 [B, H, W, C] → {emotion: float32 [B]}."""
    function = probabilities_function(network)

    def probabilities(images: jax.Array) -> dict[str, jax.Array]:
        columns = function(images)
        return {name: columns[:, k] for k, name in enumerate(network.classes)}

    # jax shows this name in its errors.
    probabilities.__name__ = module_name(network.name)
    return probabilities


@contextlib.contextmanager
def _without_caller() -> Iterator[None]:
    """Within the block, programs name nothing of the calling program and of this machine."""
    before = {flag: getattr(jax.config, flag) for flag in _PLACES}
    try:
        for flag, value in _PLACES.items():
            jax.config.update(flag, value)
        yield
    finally:
        for flag, value in before.items():
            jax.config.update(flag, value)


def export_stablehlo(
    network: ExportedNetwork, platforms: Sequence[str] = PLATFORMS
) -> export.Exported:
    """Returns the exported program, whose batch size is symbolic.

    The program multiplies in float32 on every platform: by default a GPU rounds to TF32 and a TPU
    to bfloat16, which changes probabilities by more than 1e-5.
    """
    (batch,) = export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, *network.input_shape), jnp.uint8)
    program = jax.jit(named_probabilities(network))
    with jax.default_matmul_precision("highest"), _without_caller():
        return export.export(program, platforms=platforms)(images)


def write_stablehlo(
    network: ExportedNetwork, folder: Path, options: FormatOptions
) -> list[ExportedFile]:
    """Writes NAME.stablehlo; the model card is appended as ferjax_card.json in a zip archive.

    jax reads the program from the start of the file, at the offsets that stand there, and does not
    look at what follows it.

    Raises:
      UserError: more weights than the format can hold.
    """
    size = sum(array.nbytes for array in flatten(network.variables).values())
    if size >= _MOST_BYTES:
        raise UserError(
            f"--format=stablehlo: the weights of {network.name} take {size:,} bytes in float32, and"
            f" the format holds at most {_MOST_BYTES:,}. Use another format."
        )
    exported = export_stablehlo(network)
    path = write_atomically(folder / f"{network.name}.stablehlo", bytes(exported.serialize()))
    attach(path, {CARD_FILE: card_json(network)})
    version = exported.calling_convention_version
    facts = {
        "runs with": f"jax {jax.__version__}",
        "calling_convention": version,
        "platforms": list(PLATFORMS),
        "note": f"{path.name}: written by jax {jax.__version__}, calling convention {version}."
        f" {_WINDOW}",
    }
    return [ExportedFile(path, "float32", "use_stablehlo.py", facts=facts)]
