"""Stores the result of each finished run in OUT/predictions, as .npz without pickled objects."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.baseline_config import BaselineConfig
from ferjax.config.given_files import fitting_values, parse_json
from ferjax.config.train_config import TrainConfig
from ferjax.reproduce.run_result import Predictions, RunResult
from ferjax.reproduce.running.npz_file import read_arrays
from ferjax.runtime.atomic_files import write_atomically

_META = "meta"


def write_result(path: Path, result: RunResult) -> Path:
    """Writes a result; returns the path.

    Raises:
      UserError: the file cannot be written.
    """
    fields = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    predictions_by_key = fields.pop("predictions")
    arrays = {_META: np.frombuffer(json.dumps(fields).encode(), np.uint8)}
    for (split, epoch), predictions in predictions_by_key.items():
        arrays[f"{split}/{epoch}/probabilities"] = predictions.probabilities
        arrays[f"{split}/{epoch}/labels"] = predictions.labels
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return write_atomically(path, file.getvalue())


def read_result(path: Path) -> RunResult:
    """Returns a stored result.

    Raises:
      UserError: the file is damaged.
    """
    advice = "Delete it: the same command collects it again from its run."
    arrays = read_arrays(path, advice)
    with fitting_values(path, advice):
        fields = parse_json(bytes(arrays[_META]), path, advice)
        keys = {tuple(name.split("/")[:2]) for name in arrays if name != _META}
        predictions = {
            (split, int(epoch)): Predictions(
                arrays[f"{split}/{epoch}/probabilities"], arrays[f"{split}/{epoch}/labels"]
            )
            for split, epoch in sorted(keys)
        }
        fields |= {"classes": tuple(fields["classes"]), "curves": tuple(fields["curves"])}
        return RunResult(predictions=predictions, **fields)


def settings_of(config: TrainConfig | BaselineConfig) -> dict[str, Any]:
    """Returns the settings of a run on which its results depend, as JSON values.

    Only the name of a weights file, or of another run, is kept: a report shows no path of a disk.
    """
    values = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if not field.metadata["free"]
    }
    if "/" in str(values.get("pretrained")):
        values["pretrained"] = Path(values["pretrained"]).name
    return json.loads(json.dumps(values))
