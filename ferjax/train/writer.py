"""metrics.jsonl: one JSON object a line, appended as a run goes."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.files import write_atomically
from ferjax.processes import is_first
from ferjax.train.metrics import Evaluation, recall_by_class
from ferjax.train.steps import Sums

METRICS_FILE = "metrics.jsonl"


def train_line(
    epoch: int, step: int, sums: Sums, learning_rate: float, images_per_second: float
) -> dict[str, Any]:
    """Returns the line of a training epoch: averages over its augmented batches."""
    return {
        "step": step,
        "epoch": epoch,
        "split": "train",
        "loss": float(sums.loss) / float(sums.weight),
        "accuracy": int(sums.correct) / int(sums.count),
        "learning_rate": learning_rate,
        "images_per_second": round(images_per_second, 1),
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


def append_line(run_dir: Path, line: Mapping[str, Any]) -> None:
    """Appends one object to RUN/metrics.jsonl and flushes it to disk; process 0 alone writes."""
    if not is_first():
        return
    with open(run_dir / METRICS_FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(run_dir: Path) -> list[dict[str, Any]]:
    """Returns the objects of RUN/metrics.jsonl; none where there is no file.

    A last line that a kill left unfinished is left out.
    """
    path = run_dir / METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def cut_back(run_dir: Path, step: int) -> None:
    """Drops the lines after `step`, so that a resumed run writes them again."""
    if not is_first():
        return
    kept = [line for line in read_lines(run_dir) if line["step"] <= step]
    text = "".join(json.dumps(line) + "\n" for line in kept)
    write_atomically(run_dir / METRICS_FILE, text.encode())
