"""Safetensors: the weights in half precision, which ferjax reads; the card is in the header."""

from pathlib import Path

from ferjax.export.exported_file import ExportedFile, FormatOptions
from ferjax.export.exported_network import ExportedNetwork, weights_bytes
from ferjax.runtime.atomic_files import write_atomically


def write_safetensors(
    network: ExportedNetwork, folder: Path, options: FormatOptions
) -> list[ExportedFile]:
    """Writes NAME.safetensors; returns no file, because its row of the table is that of ferjax."""
    write_atomically(folder / f"{network.name}.safetensors", weights_bytes(network))
    return []
