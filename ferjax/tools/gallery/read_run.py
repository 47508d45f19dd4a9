"""Reads one run directory for the gallery; any error in it becomes the reason in the row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ferjax.config.baseline_config import MARK
from ferjax.config.format_versions import KEY, check_format
from ferjax.config.given_files import read_json_object
from ferjax.errors import UserError
from ferjax.report.environment import training_process
from ferjax.tools.gallery.entry import Entry, SplitScores
from ferjax.tools.gallery.report_values import (
    count,
    count_matrix,
    day_of,
    number,
    number_or_none,
    object_of,
    texts,
)
from ferjax.tools.gallery.run_folders import REPORT
from ferjax.training.run_directory.config_and_lock import CONFIG_FILE, is_training
from ferjax.training.run_directory.metrics_jsonl import METRICS_FILE, read_lines
from ferjax.training.run_directory.splits_file import SPLITS_FILE

# Errors while reading a file that no version of ferjax has written in this form.
DAMAGED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)

# How the page names these files.
_CONTENT = {
    METRICS_FILE: "the file of its accuracies by epoch",
    REPORT: "the file of its report's numbers",
}


def read_run(folder: Path) -> Entry:
    """Returns the row of a run directory. It never fails: `reason` states what is wrong."""
    entry = Entry(folder, page=report_page(folder), date=day_written(folder))
    file = METRICS_FILE
    try:
        config = read_object(folder / CONFIG_FILE)
        entry = replace(entry, **_from_config(config or {}))
        lines = read_lines(folder)
        entry = replace(entry, **_curves(lines))
        file = REPORT
        report = read_object(folder / REPORT)
        if report is None:
            return replace(entry, reason=_why_unfinished(folder, config or {}, lines))
        entry = replace(entry, **_from_splits(read_object(folder / SPLITS_FILE) or {}))
        return replace(entry, **_from_report(report, entry))
    except (UserError, OSError) as error:
        return replace(entry, reason=str(error))
    except DAMAGED as error:
        cause = f"{type(error).__name__}: {error}"
        reason = f"{_CONTENT[file]}, {folder / file}, is not as ferjax writes it ({cause})."
        advice = f" launch.evaluate --workdir={folder} writes it anew." if file == REPORT else ""
        return replace(entry, reason=reason + advice)


def read_object(path: Path) -> dict[str, Any] | None:
    """Returns the JSON object in a file, or None where there is no file.

    Raises:
      UserError: the file cannot be read, is no JSON object, or is of a later version.
    """
    if not path.is_file():
        return None
    values = read_json_object(path, "Copy the run again.")
    check_format(values, str(path))
    return values


def report_page(folder: Path) -> Path | None:
    """Returns the HTML report of a run, else the Markdown of an earlier version, else None."""
    pages = (folder / name for name in ("report.html", "report.md"))
    return next((page for page in pages if page.is_file()), None)


def day_written(folder: Path) -> str:
    """Returns the day of a run whose report does not state when training ended.

    It is the day on which the report, else the metrics, else the config was last written here.
    """
    for name in (REPORT, METRICS_FILE, CONFIG_FILE):
        try:
            seconds = (folder / name).stat().st_mtime
        except OSError:
            continue
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    return ""


def _from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of the row that the config of a run states."""
    stamps = []
    if config.get("smoke") or config.get("limit"):
        stamps.append("smoke or limited")
    if protocol := config.get("protocol"):
        stamps.append(f"protocol {protocol}")
    if (tta := config.get("tta", "none")) != "none":
        stamps.append(f"+{tta} in its report")
    for flag in ("pretrained", "teacher", "labels"):
        if value := config.get(flag):
            names = value if isinstance(value, list) else [value]
            stamps.append(f"{flag}: {', '.join(Path(str(name)).name for name in names)}")
    return {
        "network": str(config.get("model") or ""),
        "dataset": str(config.get("dataset") or ""),
        "recipe": str(config.get("recipe") or ""),
        "seed": str(config.get("seed", "")),
        "stamps": tuple(stamps),
    }


def _from_splits(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of the row that the record of the splits states."""
    splits = record.get("splits", {})
    return {
        "digests": {name: str(part["digest"]) for name, part in splits.items()},
        "images": {name: int(part["images"]) for name, part in splits.items()},
    }


def _from_report(report: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """Returns the fields of the row that the report of a run states."""
    config, results = object_of(report["config"]), object_of(report["results"])
    if not results:
        raise ValueError("no results")
    split = next(name for name in ("test", "val", *results) if name in results)
    scores = _selected(results[split])
    environment, network = (object_of(report.get(key, {})) for key in ("environment", "network"))
    parameters = network.get("parameters")
    total = _epochs(config.get("epochs"))
    format_stamp = () if KEY in report else ("of an earlier version (format 1)",)
    return {
        "network": entry.network or str(config.get("model", "")),
        "scores": {name: split_scores(kinds) for name, kinds in results.items()},
        "images": {
            **{name: count(_selected(kinds)["count"]) for name, kinds in results.items()},
            **entry.images,
        },
        "classes": texts(scores["classes"]),
        "epochs": f"{count(scores['epoch']) or '–'}" + (f" of {total}" if total else ""),
        "commit": str(training_process(environment).get("git commit", ""))[:9],
        "protocol": object_of(report.get("protocol", {})),
        "stamps": (*entry.stamps, *format_stamp),
        "warnings": texts(report.get("warnings", ())),
        "date": day_of(report.get("finished")) or entry.date,
        "minutes": number_or_none(environment.get("training wall time, minutes")),
        "parameters": None if parameters is None else count(parameters),
        "confusion": count_matrix(scores["confusion"]),
    }


def split_scores(kinds: Mapping[str, Mapping[str, Any]]) -> SplitScores:
    """Returns the scores of one split from a report's `results`."""
    scores = _selected(kinds)
    low, high = scores.get("accuracy_interval") or (None, None)
    return SplitScores(
        selected=number(scores["accuracy"]),
        last=number(kinds["last"]["accuracy"]) if "last" in kinds else None,
        interval=None if low is None or high is None else (number(low), number(high)),
        macro_f1=number_or_none(scores["macro"]["f1"]),
        calibration_error=number_or_none(
            scores.get("calibration", {}).get("expected_calibration_error")
        ),
    )


def _selected(kinds: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return kinds["selected"] if "selected" in kinds else kinds["last"]


def _curves(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the accuracies on train and val over the epochs, from the lines of metrics.jsonl."""
    curves = {}
    for split in ("train", "val"):
        points = [
            (number(line["epoch"]), line["accuracy"])
            for line in lines
            if line.get("split") == split and _is_number(line.get("accuracy"))
        ]
        curves[f"{split}_lines"] = (points,) if points else ()
    return curves


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _epochs(value: Any) -> int:
    """Returns the number of epochs of all phases; 0 where it is not known."""
    phases = value if isinstance(value, list) else [value]
    return sum(phase for phase in phases if isinstance(phase, int))


def _why_unfinished(
    folder: Path, config: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> str:
    """Returns the state of a run without a report, in words."""
    if MARK in config:
        return "not finished: the same launch.baseline command goes on with it."
    done = max((count(line["epoch"]) for line in lines), default=0)
    total = _epochs(config.get("epochs"))
    best = max((accuracy for _, accuracy in next(iter(_curves(lines)["val_lines"]), ())), default=0)
    text = f"epoch {done}" + (f" of {total}" if total else "")
    text += f", highest val accuracy so far {100 * best:.2f} %" if best else ""
    if is_training(folder):
        return f"is being trained: {text}"
    return (
        f"not finished: {text}. It has no report yet; the command of this run with --resume goes on"
        " with it."
    )
