"""metrics.jsonl: one JSON object a line, appended during training, read back and cut back."""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.config.given_files import check_no_special_file, fitting_values, parse_json
from ferjax.errors import UserError
from ferjax.runtime.append_lines import drop_torn_line
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.processes import is_first
from ferjax.training.metrics import Evaluation, recall_by_class
from ferjax.training.train_step import EpochSums

METRICS_FILE = "metrics.jsonl"


def train_line(
    epoch: int,
    step: int,
    sums: EpochSums,
    learning_rate: float,
    speed: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the line of a training epoch: averages over its augmented batches.

    Args:
      epoch: that has ended, from 1.
      step: of the run.
      sums: of the epoch.
      learning_rate: of its last step.
      speed: more fields: how fast that was, what the time went to, memory.
    """
    return {
        "step": step,
        "epoch": epoch,
        "split": "train",
        "loss": float(sums.loss) / float(sums.weight),
        "accuracy": int(sums.correct) / int(sums.count),
        "learning_rate": learning_rate,
        **speed,
    }


def eval_line(
    epoch: int,
    step: int,
    result: Evaluation,
    split: str,
    classes: Sequence[str],
    raw: Evaluation | None = None,
) -> dict[str, Any]:
    """Returns the line of an evaluation, with the recall of every emotion by name.

    Where it is of averaged parameters, `raw` holds the same of those that were averaged.
    """
    place = {"step": step, "epoch": epoch, "split": split}
    return {**place, **_scores(result, classes), **({"raw": _scores(raw, classes)} if raw else {})}


def _scores(result: Evaluation, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "loss": result.loss,
        "accuracy": result.accuracy,
        "recall": recall_by_class(result.confusion, classes),
    }


def append_lines(run_dir: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Appends objects to RUN/metrics.jsonl and flushes them to disk: all of them or none.

    Raises:
      OSError: the disk is full, or not to be written.
    """
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    # A run is killed in the middle of a line: without an end, the next one would continue it.
    drop_torn_line(run_dir / METRICS_FILE)
    with open(run_dir / METRICS_FILE, "ab", buffering=0) as file:
        size = file.tell()
        try:
            # A disk that fills up takes a part of it, without an error.
            if file.write(text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def read_lines(run_dir: Path) -> list[dict[str, Any]]:
    """Returns the objects of RUN/metrics.jsonl; none where there is no file.

    A last line that a kill left unfinished is left out.

    Raises:
      UserError: another line is damaged.
    """
    path = run_dir / METRICS_FILE
    if not path.exists():
        return []
    check_no_special_file(path)
    lines = path.read_bytes().splitlines(keepends=True)
    return [_read_line(path, k, line) for k, line in enumerate(lines, 1) if line.endswith(b"\n")]


def _read_line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    where, advice = (
        f"{path}, line {number}",
        "Delete this line, and the run opens again without it.",
    )
    values = parse_json(line, where, advice)
    if not isinstance(values, dict):
        raise UserError(f"{where}: no JSON object. {advice}")
    return values


def cut_back(run_dir: Path, step: int) -> None:
    """Drops the lines after `step`, so that a resumed run writes them again."""
    if not is_first():
        return
    with fitting_values(run_dir / METRICS_FILE, "Delete the line that has no step."):
        kept = [line for line in read_lines(run_dir) if line["step"] <= step]
    text = "".join(json.dumps(line) + "\n" for line in kept)
    write_atomically(run_dir / METRICS_FILE, text.encode())
