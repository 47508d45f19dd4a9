"""Reader of TensorFlow.js weights: a manifest of names and shapes, and binary shards."""

import json
import math
from typing import Any

import numpy as np

from ferjax.bench.recognisers.peer_packages import PackageFiles
from ferjax.errors import UserError

# Type in the manifest → NumPy's type: little-endian on every machine.
_DTYPES = {
    "float32": "<f4",
    "int32": "<i4",
    "float16": "<f2",
    "uint16": "<u2",
    "uint8": "u1",
    "bool": "?",
}


def read_json(files: PackageFiles, name: str) -> Any:
    """Returns the values of a JSON file; raises `UserError` if it is damaged or missing."""
    try:
        return json.loads(files[name])
    except ValueError as error:
        raise UserError(f"{files.where}: {name} is damaged: no JSON ({error}).") from None


def read_weights(files: PackageFiles, manifest: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Returns name → array, with quantised weights expanded to float32.

    The shards of a group of weights are one stream of bytes. A weight with `quantization` is stored
    as uint8 or uint16, with value = stored * scale + min, or as float16.

    Args:
      files: holds the shards.
      manifest: groups of `paths` and `weights`, as in model.json or a file of its own.

    Raises:
      UserError: a shard is missing, too short or too long, or a type is unknown.
    """
    weights = {}
    for group in manifest:
        data, start = b"".join(files[path] for path in group["paths"]), 0
        for weight in group["weights"]:
            quantised = weight.get("quantization")
            kind = (quantised or weight)["dtype"]
            if kind not in _DTYPES:
                known = ", ".join(_DTYPES)
                raise UserError(
                    f"{files.where}: weight {weight['name']} is {kind}; known: {known}."
                )
            dtype, count = np.dtype(_DTYPES[kind]), math.prod(weight["shape"])
            stop = start + count * dtype.itemsize
            if stop <= len(data):
                values = np.frombuffer(data, dtype, count, start).reshape(weight["shape"])
                weights[weight["name"]] = _expanded(values, quantised)
            start = stop
        if start != len(data):
            raise UserError(
                f"{files.where}: {', '.join(group['paths'])} is damaged: {len(data):,} bytes,"
                f" expected {start:,}."
            )
    return weights


def _expanded(values: np.ndarray, quantised: dict[str, Any] | None) -> np.ndarray:
    if quantised is None:
        return values
    expanded = values.astype(np.float32)
    if "scale" in quantised:
        expanded = expanded * np.float32(quantised["scale"]) + np.float32(quantised["min"])
    return expanded
