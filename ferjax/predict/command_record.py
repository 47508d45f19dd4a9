"""The facts about a command that decide what its table holds, for the table's journal."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ferjax.config.predict_and_export import PredictConfig
from ferjax.predict.inputs import Input
from ferjax.predict.predictor import Predictor


def command_record(
    config: PredictConfig, predictors: Sequence[Predictor], inputs: Sequence[Input], chunk: int
) -> dict[str, Any]:
    """Returns the facts that decide the content of the table, as JSON values."""
    digest = hashlib.sha256()
    for each in inputs:
        digest.update(f"{each.name}\0{each.status}\n".encode("utf-8", "surrogateescape"))
    # A file may be replaced by another one of the same name: its size and time are recorded too.
    files = {each.path for each in inputs if not each.status}
    if ":" in config.detector:
        files.add(Path(os.path.expanduser(config.detector.partition(":")[2])))
    for path in sorted(files):
        with suppress(OSError):
            status = path.stat()
            digest.update(
                f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace")
            )
    return {
        "inputs": digest.hexdigest(),
        "networks": [predictor.network for predictor in predictors],
        "flags": [config.faces, config.detector, config.sets, config.tta, config.batch_size, chunk],
        "annotate": config.annotate,
        "summary": config.summary,
    }
