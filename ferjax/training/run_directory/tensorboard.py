"""The lines of metrics.jsonl as TensorBoard scalars (extra `tensorboard`)."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.runtime.optional_packages import require_package
from ferjax.training.run_directory.metrics_jsonl import read_lines

FOLDER = "tensorboard"
# (line) → None
Board = Callable[[Mapping[str, Any]], None]


def open_board(run_dir: Path) -> Board:
    """Returns what writes a line's numbers to RUN/tensorboard, which it makes anew.

    metrics.jsonl, cut back to where the run goes on, is written first: a resumed run has no step
    twice and none too many.

    Raises:
      UserError: `tensorboard` is not installed, or the folder cannot be written.
    """
    summary = require_package("tensorboard.summary", "tensorboard", "--tensorboard")
    folder = run_dir / FOLDER
    try:
        if folder.exists():
            shutil.rmtree(folder)
        writer = summary.Writer(str(folder))
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}.") from None

    def write(line: Mapping[str, Any]) -> None:
        for name, value in scalars(line):
            writer.add_scalar(name, value, line["step"])
        writer.flush()

    for line in read_lines(run_dir):
        write(line)
    return write


def scalars(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yields a line's numbers under `<split>/<name>`, nested ones under `<split>/<name>/<part>`."""
    for name, value in line.items():
        if name in ("step", "split"):
            continue
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, number in parts:
            if isinstance(number, (int, float)):
                yield "/".join(filter(None, (line["split"], name, part))), float(number)
