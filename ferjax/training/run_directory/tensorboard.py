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
    """Returns a function that writes the numbers of a line to RUN/tensorboard, a new folder.

    The lines of metrics.jsonl are written first. Lines after the step from which a resumed run
    continues have been removed there, so that every step appears once.

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
