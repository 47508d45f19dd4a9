"""Weights of a recogniser in half precision: NAME.safetensors, and its model card NAME.json.

Kernels are stored as float16, everything else (biases, batch norm) as float32; both are read as
float32. The card holds the file's sha256 and all that is needed to use the network.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

import ferjax
from ferjax.config.given_files import check_no_special_file, read_json
from ferjax.errors import UserError, one_line
from ferjax.runtime.finite_arrays import not_finite
from ferjax.weights.shipped import CARD_SUFFIX, FORMAT, TENSORS_SUFFIX, no_tensors

VERSION = 1
# Keys of a card that the loader reads. The other keys are for people.
_REQUIRED_KEYS = (
    "model",
    "fields",
    "classes",
    "spec",
    "config",
    "step",
    "epoch",
    "start",
    "best",
    "training",
)
_REQUIRED_KEYS += ("prediction_sets", "sha256")
_ADVICE = "Copy both files again, or install ferjax again."


@dataclass(frozen=True)
class WeightsFile:
    """A recogniser's weights with its card.

    Attributes:
      card: the JSON values.
      variables: flat path (`params/head/kernel`) → float32 array.
    """

    card: Mapping[str, Any]
    variables: Mapping[str, np.ndarray]


def in_stored_precision(variables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays as they are stored: kernels float16, all others float32."""
    return {
        path: np.asarray(array, np.float16 if path.endswith("/kernel") else np.float32)
        for path, array in variables.items()
    }


def encode(variables: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """Returns the bytes of a safetensors file with the variables in their stored precision.

    Args:
      variables: flat path → array.
      metadata: texts for the header, which readers of the arrays ignore. The order in which the
        library writes several of them differs from call to call.

    Raises:
      UserError: a value that is not finite, or too large for half precision.
    """
    with np.errstate(over="ignore"):
        stored = in_stored_precision(variables)
    if broken := not_finite(stored):
        raise UserError(f"{broken} in half precision, whose largest number is 65,504.")
    arrays = {path: np.ascontiguousarray(array) for path, array in sorted(stored.items())}
    return save(arrays, dict(metadata) if metadata else None)


def decode(data: bytes) -> dict[str, np.ndarray]:
    """Returns flat path → float32 array from the bytes of a safetensors file."""
    return {path: array.astype(np.float32) for path, array in load(data).items()}


def card_text(card: Mapping[str, Any], data: bytes) -> str:
    """Returns the text of a card; format, version and the sha256 of the weights are added.

    Args:
      card: the JSON values.
      data: the bytes of the weights file.
    """
    stamp = {"format": FORMAT, "version": VERSION, "ferjax": ferjax.__version__}
    values = {**stamp, **card, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_card(path: Path) -> dict[str, Any]:
    """Returns the values of a model card.

    Raises:
      UserError: it cannot be read, is of another format or version, or lacks a value.
    """
    card = read_json(path, _ADVICE)
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise UserError(f"{path} is no model card of ferjax: its format is not {FORMAT!r}.")
    if card.get("version") != VERSION:
        raise UserError(
            f"{path}: version {card.get('version')!r} of the format, written by ferjax"
            f" {card.get('ferjax')}; this ferjax {ferjax.__version__} reads version {VERSION}."
            " Install the version that wrote it, or use weights of this one."
        )
    if missing := [name for name in _REQUIRED_KEYS if name not in card]:
        raise UserError(f"{path}: {', '.join(missing)} missing. {_ADVICE}")
    return card


def read_weights(card_path: Path) -> WeightsFile:
    """Returns a recogniser's weights, verified by the hash in its card.

    Args:
      card_path: path of the card; the weights file is beside it and has the same name.

    Raises:
      UserError: the card or the weights file is missing, damaged, or of another version.
    """
    card = read_card(card_path)
    path = card_path.with_suffix(TENSORS_SUFFIX)
    check_no_special_file(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: {no_tensors(path.name)}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). {_ADVICE}") from None
    if (digest := hashlib.sha256(data).hexdigest()) != card["sha256"]:
        raise UserError(
            f"{path} is damaged, or is not the file of {card_path.name}: sha256 {digest[:12]}... of"
            f" {len(data):,} bytes, {str(card['sha256'])[:12]}... of {card.get('bytes')} expected."
            f" {_ADVICE}"
        )
    try:
        variables = decode(data)
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is no safetensors file ({one_line(error)}). {_ADVICE}") from None
    if broken := not_finite(variables):
        raise UserError(f"{path}: {broken}. {_ADVICE}")
    return WeightsFile(card, variables)


def paths_of(folder: Path, name: str) -> tuple[Path, Path]:
    """Returns the paths of weights and card of a recogniser in a folder."""
    return folder / f"{name}{TENSORS_SUFFIX}", folder / f"{name}{CARD_SUFFIX}"
