"""The converted format: `model.safetensors` beside `model.json`, which says what it is."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

import ferjax
from ferjax.errors import UserError

FORMAT, VERSION = "ferjax-weights", 1
TENSORS_FILE, SIDECAR_FILE = "model.safetensors", "model.json"


def save_weights(
    folder: Path, tensors: Mapping[str, np.ndarray], sidecar: Mapping[str, Any]
) -> Path:
    """Writes a folder of converted weights: whole, or not at all.

    Args:
      folder: where; must not exist, or be empty.
      tensors: flat path, `params/head/kernel`, → float32 array.
      sidecar: JSON values that say what the weights are; format, version and shapes are added.

    Returns:
      `folder`.

    Raises:
      UserError: the folder holds something, or cannot be written.
    """
    folder = Path(folder)
    wrong = [name for name, tensor in tensors.items() if tensor.dtype != np.float32]
    if wrong:
        raise ValueError(f"not float32: {wrong}")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    head = {"format": FORMAT, "version": VERSION, "ferjax": ferjax.__version__}
    shapes = {name: list(tensor.shape) for name, tensor in sorted(tensors.items())}
    text = json.dumps({**head, **sidecar, "tensors": shapes}, indent=1) + "\n"
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise _taken(folder)
        try:
            temporary.mkdir(parents=True)
            contiguous = {name: np.asarray(t, order="C") for name, t in tensors.items()}
            save_file(contiguous, temporary / TENSORS_FILE)
            (temporary / SIDECAR_FILE).write_text(text, "utf-8")
            for path in (temporary / TENSORS_FILE, temporary / SIDECAR_FILE, temporary):
                _sync(path)
            os.rename(temporary, folder)
            _sync(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        if folder.is_dir() and any(folder.iterdir()):  # another process was first
            raise _taken(folder) from None
        need = sum(tensor.nbytes for tensor in tensors.values())
        raise UserError(
            f"{folder}: the converted weights ({need:,} bytes) cannot be written:"
            f" {getattr(error, 'strerror', None) or error}. Check that the folder above it is"
            " writable and has space left."
        ) from None
    return folder


def load_weights(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads what `save_weights` wrote.

    Args:
      path: the folder, or one of its two files.

    Returns:
      Flat path → float32 array, and the sidecar's JSON values.

    Raises:
      UserError: no such weights, another format or version, a truncated or a foreign file.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    sidecar = _read_sidecar(folder / SIDECAR_FILE)
    file = folder / TENSORS_FILE
    try:
        tensors = load_file(file)
    except FileNotFoundError:
        raise UserError(f"{folder}: {SIDECAR_FILE} without {TENSORS_FILE}. {_AGAIN}") from None
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file} is truncated or damaged ({error}). {_AGAIN}") from None
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(
        name
        for name in shapes.keys() | sidecar["tensors"].keys()
        if shapes.get(name) != sidecar["tensors"].get(name)
    )
    if wrong:
        raise UserError(
            f"{file}: {len(wrong)} arrays are not what {SIDECAR_FILE} says, {wrong[0]!r} first:"
            f" {shapes.get(wrong[0], 'missing')} found,"
            f" {sidecar['tensors'].get(wrong[0], 'none')} expected. {_AGAIN}"
        )
    return tensors, sidecar


def is_saved(path: Path) -> bool:
    """Returns whether `path` is a folder, or a file of one, that `save_weights` wrote."""
    path = Path(path)
    if path.is_file() and path.name not in (TENSORS_FILE, SIDECAR_FILE):
        return False
    sidecar = (path if path.is_dir() else path.parent) / SIDECAR_FILE
    # Its first bytes are looked for, not parsed: a damaged one of ours must not pass for foreign.
    return sidecar.is_file() and FORMAT in sidecar.read_text("utf-8", errors="replace")


_AGAIN = "Delete this folder and convert the weights again."


def _read_sidecar(path: Path) -> dict[str, Any]:
    """Returns the sidecar's values after checking that they are of this format and version."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path.parent}: no {SIDECAR_FILE} there. Give a folder of converted weights, or the"
            " foreign file itself."
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}). {_AGAIN}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UserError(f"{path}: its format is not {FORMAT!r}; it describes something else.")
    if values.get("version") != VERSION or not isinstance(values.get("tensors"), dict):
        raise UserError(
            f"{path}: version {values.get('version')!r} of the format, written by ferjax"
            f" {values.get('ferjax')}; this ferjax reads version {VERSION}. {_AGAIN}"
        )
    return values


def _taken(folder: Path) -> UserError:
    return UserError(f"{folder} exists already. Nothing was written; give a new folder.")


def _sync(path: Path) -> None:
    """Has the system write a file or a folder to the disk now, so that a rename may rely on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
