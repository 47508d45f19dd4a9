"""File format of converted weights: `model.safetensors`, and its metadata in `model.json`.

`SHA256SUMS` holds the checksums of both files; weights of older versions have no checksums.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

import ferjax
from ferjax.config.given_files import check_no_special_file, read_json
from ferjax.errors import UserError, one_line
from ferjax.runtime.atomic_files import temporary_beside
from ferjax.runtime.checksums import find_damage, write_checksums

FORMAT, VERSION = "ferjax-weights", 1
TENSORS_FILE, SIDECAR_FILE = "model.safetensors", "model.json"
# Characters of a sidecar in which `is_saved` searches for the format, the sidecar's first value.
_SEARCHED_CHARACTERS = 1 << 20


def save_weights(
    folder: Path, tensors: Mapping[str, np.ndarray], sidecar: Mapping[str, Any]
) -> Path:
    """Writes a folder of converted weights atomically.

    Args:
      folder: the new folder; it must not exist yet, or must be empty.
      tensors: flat path (`params/head/kernel`) → float32 array.
      sidecar: JSON values for `model.json`; format, version and shapes are added.

    Returns:
      `folder`.

    Raises:
      UserError: the folder is not empty, or cannot be written.
      ValueError: an array is not float32.
    """
    folder = Path(folder)
    not_float32 = [name for name, tensor in tensors.items() if tensor.dtype != np.float32]
    if not_float32:
        raise ValueError(f"not float32: {not_float32}")
    format_values = {"format": FORMAT, "version": VERSION, "ferjax": ferjax.__version__}
    shapes = {name: list(tensor.shape) for name, tensor in sorted(tensors.items())}
    text = json.dumps({**format_values, **sidecar, "tensors": shapes}, indent=1) + "\n"
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise _exists_error(folder)
        with temporary_beside(folder) as temporary:
            temporary.mkdir(parents=True)
            contiguous = {name: np.asarray(t, order="C") for name, t in tensors.items()}
            # `save_file` of safetensors 0.8.0 lets nobody but the owner read the file.
            (temporary / TENSORS_FILE).write_bytes(save(contiguous))
            (temporary / SIDECAR_FILE).write_text(text, "utf-8")
            sums = write_checksums(temporary)
            for path in (temporary / TENSORS_FILE, temporary / SIDECAR_FILE, sums, temporary):
                _sync(path)
            os.rename(temporary, folder)
            _sync(folder.parent)
    except (OSError, SafetensorError) as error:
        if folder.is_dir() and any(folder.iterdir()):  # written by another process meanwhile
            raise _exists_error(folder) from None
        need = sum(tensor.nbytes for tensor in tensors.values())
        raise UserError(
            f"{folder}: the converted weights ({need:,} bytes) cannot be written:"
            f" {getattr(error, 'strerror', None) or error}. Check that the folder above it is"
            " writable and has space left."
        ) from None
    return folder


def load_weights(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads a folder that `save_weights` wrote.

    Args:
      path: the folder, or one of its two files.

    Returns:
      Flat path → float32 array, and the JSON values of `model.json`.

    Raises:
      UserError: no such weights, another format or version, or a damaged file.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    sidecar = _read_sidecar(folder / SIDECAR_FILE)
    file = folder / TENSORS_FILE
    check_no_special_file(file)
    try:
        tensors = load_file(file)
    except FileNotFoundError:
        raise UserError(f"{folder}: {SIDECAR_FILE} without {TENSORS_FILE}. {_ADVICE}") from None
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{file} is truncated or damaged ({one_line(error)}). {_ADVICE}") from None
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    mismatched = sorted(
        name
        for name in shapes.keys() | sidecar["tensors"].keys()
        if shapes.get(name) != sidecar["tensors"].get(name)
    )
    if mismatched:
        first = mismatched[0]
        raise UserError(
            f"{file}: {len(mismatched)} arrays are not what {SIDECAR_FILE} says, {first!r} first:"
            f" {shapes.get(first, 'missing')} found,"
            f" {sidecar['tensors'].get(first, 'none')} expected. {_ADVICE}"
        )
    check_undamaged(folder, TENSORS_FILE)
    return tensors, sidecar


def check_undamaged(path: Path, file: str = SIDECAR_FILE) -> None:
    """Raises `UserError` if a file of converted weights differs from its stored checksum."""
    folder = path if path.is_dir() else path.parent
    if damage := find_damage(folder, file):
        raise UserError(f"{folder}: {damage}. {_ADVICE}")


def is_saved(path: Path) -> bool:
    """Returns whether `path` is a folder that `save_weights` wrote, or a file in such a folder."""
    path = Path(path)
    if path.is_file() and path.name not in (TENSORS_FILE, SIDECAR_FILE):
        return False
    sidecar = (path if path.is_dir() else path.parent) / SIDECAR_FILE
    # The text is searched, not parsed: a damaged ferjax file must not be taken for another format.
    if not sidecar.is_file():
        return False
    with sidecar.open(encoding="utf-8", errors="replace") as file:
        return FORMAT in file.read(_SEARCHED_CHARACTERS)


_ADVICE = "Delete this folder and convert the weights again."


def _read_sidecar(path: Path) -> dict[str, Any]:
    """Returns the values of `model.json` after a check of format and version."""
    if not path.exists():
        raise UserError(
            f"{path.parent}: no {SIDECAR_FILE} there. Give a folder of converted weights, or a"
            " weights file of another library."
        )
    values = read_json(path, _ADVICE)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UserError(f"{path}: its format is not {FORMAT!r}; it describes something else.")
    if values.get("version") != VERSION or not isinstance(values.get("tensors"), dict):
        raise UserError(
            f"{path}: version {values.get('version')!r} of the format, written by ferjax"
            f" {values.get('ferjax')}; this ferjax reads version {VERSION}. {_ADVICE}"
        )
    return values


def _exists_error(folder: Path) -> UserError:
    return UserError(f"{folder} exists already. Nothing was written; give a new folder.")


def _sync(path: Path) -> None:
    """Flushes a file or a folder to disk (fsync), so that it is complete before a rename."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
