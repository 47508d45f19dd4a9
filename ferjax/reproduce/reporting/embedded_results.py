"""Stored results inside a page: one JSON block from which every number can be computed again.

float16 probabilities and uint8 labels are compressed by zlib (the high bytes of all numbers before
the low ones, which compresses better) and written in base64; labels that several runs share are
written once. A block that is read may come from anybody: no more bytes are unpacked than expected.
"""

import base64
import dataclasses
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.reproduce.run_result import Predictions, RunResult, misfit

FORMAT = 1
# Limits above those of any page that is written, and below those that would fill the memory: all
# numbers together, images of a split, classes, bytes of curves and facts.
_MOST_VALUES = 50_000_000
_MOST_IMAGES = 100_000
_MOST_CLASSES = 32
_MOST_META = 64_000_000
_DAMAGES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def results_to_json(results: Mapping[str, Sequence[RunResult]]) -> dict[str, Any]:
    """Returns results as JSON values.

    Args:
      results: experiment → its finished runs.
    """
    arrays: dict[str, str] = {}
    runs, rows = [], []

    for run in (run for group in results.values() for run in group):
        fields = {f.name: getattr(run, f.name) for f in dataclasses.fields(run)}
        predictions_by_key = fields.pop("predictions")
        for (split, epoch), predictions in predictions_by_key.items():
            values = predictions.probabilities.astype("<f2")
            high_low = values.view(np.uint8).reshape(-1, 2)[:, ::-1]
            rows.append(
                {
                    "run": len(runs),
                    "split": split,
                    "epoch": epoch,
                    "labels": put_once(arrays, predictions.labels.tobytes()),
                    "shape": list(predictions.probabilities.shape),
                    "probabilities": put_once(arrays, np.ascontiguousarray(high_low.T).tobytes()),
                }
            )
        runs.append(fields)
    meta = packed(json.dumps(runs, separators=(",", ":")).encode())
    return {"format": FORMAT, "runs": meta, "arrays": arrays, "predictions": rows}


def results_from_json(block: Mapping[str, Any]) -> dict[str, list[RunResult]]:
    """Returns the results that `results_to_json` wrote.

    Raises:
      UserError: the block is damaged, or was written by another version.
    """
    try:
        if block["format"] != FORMAT:
            raise ValueError(f"format {block['format']!r}, this version reads {FORMAT}")
        runs = json.loads(unpacked(block["runs"], _MOST_META))
        arrays = block["arrays"]
        predictions_by_run: list[dict[tuple[str, int], Predictions]] = [{} for _ in runs]
        total = 0
        for row in block["predictions"]:
            count, classes = map(int, row["shape"])
            total += count * classes
            if not (0 < count <= _MOST_IMAGES and 0 < classes <= _MOST_CLASSES):
                raise ValueError(f"predictions of shape {row['shape']}")
            if total > _MOST_VALUES:
                raise ValueError("too many predictions")
            labels = np.frombuffer(unpacked(arrays[row["labels"]], count), np.uint8)
            data = unpacked(arrays[row["probabilities"]], 2 * count * classes)
            planes = np.frombuffer(data, np.uint8).reshape(2, -1)
            values = np.ascontiguousarray(planes.T[:, ::-1]).view("<f2").reshape(count, classes)
            if len(labels) != count or (labels >= classes).any() or not np.isfinite(values).all():
                raise ValueError("labels and probabilities that do not fit")
            key = str(row["split"]), int(row["epoch"])
            predictions_by_run[int(row["run"])][key] = Predictions(
                values.astype(np.float16), labels
            )
        results: dict[str, list[RunResult]] = {}
        for fields, predictions in zip(runs, predictions_by_run, strict=True):
            fields |= {"classes": tuple(fields["classes"]), "curves": tuple(fields["curves"])}
            result = RunResult(predictions=predictions, **fields)
            if problem := misfit(result):
                raise ValueError(problem)
            results.setdefault(result.experiment, []).append(result)
        return results
    except _DAMAGES as error:
        raise UserError(f"the data inside the page are damaged ({error}).") from None


def put_once(arrays: dict[str, str], content: bytes) -> str:
    """Returns the key of the content in `arrays`; adds the content if it is not there."""
    key = hashlib.sha256(content).hexdigest()[:16]
    if key not in arrays:
        arrays[key] = packed(content)
    return key


def packed(content: bytes) -> str:
    """Returns compressed bytes as text."""
    return base64.b64encode(zlib.compress(content, 9)).decode()


def unpacked(text: str, size: int) -> bytes:
    """Returns the bytes of a text from `packed`; unpacks no more than `size` bytes.

    Raises:
      ValueError: the text is damaged, or holds more bytes.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(base64.b64decode(text, validate=True), size)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not stream.eof:
        raise ValueError("more data than expected")
    return content
