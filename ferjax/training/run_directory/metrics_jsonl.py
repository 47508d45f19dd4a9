"""metrics.jsonl: one JSON object a line; appending, reading, and removing later lines."""

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
      epoch: number of the finished epoch, from 1.
      step: step of the run.
      sums: running sums of the epoch.
      learning_rate: rate of the last step of the epoch.
      speed: more fields: images a second, seconds by kind of work, memory.
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

    If `result` is of averaged parameters, `raw` has the scores of the parameters without average.
    """
    position = {"step": step, "epoch": epoch, "split": split}
    return {
        **position,
        **_scores(result, classes),
        **({"raw": _scores(raw, classes)} if raw else {}),
    }


def _scores(result: Evaluation, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "loss": result.loss,
        "accuracy": result.accuracy,
        "recall": recall_by_class(result.confusion, classes),
    }


def append_lines(run_dir: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Appends objects to RUN/metrics.jsonl and flushes them to disk: all of them or none.

    Raises:
      OSError: the disk is full or cannot be written.
    """
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    # A killed process may leave an unfinished line, which the next line would continue.
    drop_torn_line(run_dir / METRICS_FILE)
    with open(run_dir / METRICS_FILE, "ab", buffering=0) as file:
        size = file.tell()
        try:
            # A disk that becomes full writes a part of the text without an error.
            if file.write(text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def read_lines(run_dir: Path) -> list[dict[str, Any]]:
    """Returns the objects of RUN/metrics.jsonl; an empty list if there is no file.

    If the process was killed, the last line may be unfinished; it is left out.

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
    where = f"{path}, line {number}"
    advice = "Delete this line, and the run opens again without it."
    values = parse_json(line, where, advice)
    if not isinstance(values, dict):
        raise UserError(f"{where}: no JSON object. {advice}")
    return values


def cut_back(run_dir: Path, step: int) -> None:
    """Removes the lines after `step`, because a resumed run writes them again."""
    if not is_first():
        return
    with fitting_values(run_dir / METRICS_FILE, "Delete the line that has no step."):
        kept = [line for line in read_lines(run_dir) if line["step"] <= step]
    text = "".join(json.dumps(line) + "\n" for line in kept)
    write_atomically(run_dir / METRICS_FILE, text.encode())
