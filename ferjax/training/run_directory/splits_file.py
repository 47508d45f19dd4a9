"""splits.json and splits.csv.gz of a run directory: the images that the run learned from."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.format_versions import FORMAT, KEY, check_format
from ferjax.config.given_files import check_no_special_file, read_json_object
from ferjax.data.splits.split_record import RecordedSplit, SplitRecord
from ferjax.errors import UserError
from ferjax.runtime.atomic_files import write_atomically

SPLITS_FILE, IMAGES_FILE = "splits.json", "splits.csv.gz"
# Errors that a damaged summary or table raises: in its values, its text or its compression.
_DAMAGED = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, OverflowError)
_DAMAGED += (StopIteration, csv.Error, zlib.error)
_ADVICE = "It says what the run learned from: copy it again, or move it away to go on without."
_COLUMNS = ("split", "class", "content", "target", "image")


def write_split_record(run_dir: Path, record: SplitRecord) -> None:
    """Writes the record of a run: a summary with digests, and a table with a row for each image.

    The columns of the table are split, class, content and target (hashes of 16 hexadecimal digits,
    empty if unknown or if the label is hard) and image; `pandas.read_csv` reads it.

    Raises:
      UserError: the folder cannot be written.
    """
    summary = {
        KEY: FORMAT,
        "dataset": record.dataset,
        "classes": list(record.classes),
        "splits": {name: _summary(part, record.classes) for name, part in record.splits.items()},
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for name, part in record.splits.items():
        hashes = (
            [f"{number:016x}" if number else "" for number in numbers.tolist()]
            for numbers in (part.contents, part.targets)
        )
        names = [record.classes[label] for label in part.labels.tolist()]
        for emotion, content, target, image in zip(names, *hashes, part.ids, strict=True):
            writer.writerow((name, emotion, content, target, image))
    # The file contains no time, so the same images give the same bytes.
    table = gzip.compress(text.getvalue().encode("utf-8", "surrogateescape"), 6, mtime=0)
    write_atomically(run_dir / IMAGES_FILE, table)
    # Written last: if a reader finds the summary, the table exists too.
    text_of_summary = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    write_atomically(run_dir / SPLITS_FILE, text_of_summary.encode())


def _summary(part: RecordedSplit, classes: tuple[str, ...]) -> dict[str, Any]:
    counts = np.bincount(part.labels, minlength=len(classes)).tolist()
    return {
        "images": len(part),
        "classes": dict(zip(classes, counts, strict=True)),
        "source": part.source,
        "digest": part.digest,
    }


def read_split_record(run_dir: Path) -> SplitRecord | None:
    """Returns the record of the images that a run learned from, or None if there is none.

    Raises:
      UserError: the two files are damaged, do not belong together, or are of a later version.
    """
    path = run_dir / SPLITS_FILE
    if not path.is_file():
        return None
    try:
        summary = read_json_object(path, _ADVICE)
        check_format(summary, str(path))
        classes = tuple(summary["classes"])
        check_no_special_file(run_dir / IMAGES_FILE)
        rows = _read_table(run_dir / IMAGES_FILE, summary["splits"], classes)
        if any(part.digest != summary["splits"][name]["digest"] for name, part in rows.items()):
            raise ValueError("the digests differ")
        return SplitRecord(summary["dataset"], classes, rows)
    except _DAMAGED as error:
        raise UserError(
            f"{path} and {IMAGES_FILE} beside it are damaged or not of one run ({error}). They say"
            " what the run learned from: copy both again, or move both away to go on without."
        ) from None


def _read_table(
    path: Path, summaries: Mapping[str, Mapping[str, Any]], classes: tuple[str, ...]
) -> dict[str, RecordedSplit]:
    label_of = {name: label for label, name in enumerate(classes)}
    columns: dict[str, tuple[list[str], list[int], list[int], list[int]]] = {
        name: ([], [], [], []) for name in summaries
    }
    with gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for split, emotion, content, target, image in reader:
            # Checked because a small compressed file may contain any number of rows.
            if len(columns[split][0]) == summaries[split]["images"]:
                raise ValueError(f"more images of {split} than the summary has")
            ids, labels, contents, targets = columns[split]
            ids.append(image)
            labels.append(label_of[emotion])
            contents.append(int(content or "0", 16))
            targets.append(int(target or "0", 16))
    return {
        name: RecordedSplit(
            tuple(ids),
            np.array(labels, np.int32),
            np.array(contents, np.uint64),
            np.array(targets, np.uint64),
            summaries[name]["source"],
        )
        for name, (ids, labels, contents, targets) in columns.items()
    }
