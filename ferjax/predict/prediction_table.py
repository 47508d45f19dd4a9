"""Predictions of image files, and the csv table that they are written to."""

import contextlib
import csv
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ferjax.data.decoding.image_file import image_header, read_image
from ferjax.data.reading.class_folders import image_files
from ferjax.data.splits.bad_images import ON_BAD_IMAGE
from ferjax.errors import UserError, unknown_name
from ferjax.predict.predictor import Predictor, padded_size
from ferjax.runtime.atomic_files import temporary_beside

# (file, probabilities [K], or the error of a file that cannot be read).
Row = tuple[str, np.ndarray | UserError]


def predict_files(
    predictor: Predictor, paths: Sequence[Path], on_bad_image: str = "error"
) -> list[Row]:
    """Returns (file, probabilities [K]) for every image named or below a named folder.

    Args:
      predictor: from `load_predictor`.
      paths: image files, and folders.
      on_bad_image: `error`, or `skip` to give an unreadable image its `UserError` instead of
        probabilities, unless all of them are unreadable.

    Raises:
      UserError: a path that does not exist, a folder without images, or a file that is no image.
    """
    if on_bad_image not in ON_BAD_IMAGE:
        raise unknown_name("choice for bad images:", on_bad_image, ON_BAD_IMAGE)
    files = [file for path in paths for file in image_files(path)]
    # The last of several batches is as large as the others, so that nothing is compiled for it.
    rows_of_batch = padded_size(len(files), predictor.batch_size)
    rows: list[Row] = []
    for start in range(0, len(files), predictor.batch_size):
        names = files[start : start + predictor.batch_size]
        found = [_read(file, on_bad_image) for file in names]
        images = [image for image in found if isinstance(image, np.ndarray)]
        probabilities = iter(predictor.padded_batch(images, rows_of_batch) if images else ())
        rows += [
            (str(file), image if isinstance(image, UserError) else next(probabilities))
            for file, image in zip(names, found, strict=True)
        ]
    errors = [row for _, row in rows if isinstance(row, UserError)]
    if errors and len(errors) == len(rows):
        raise UserError(f"none of the {len(rows):,} images could be read; the first: {errors[0]}")
    return rows


def _read(file: Path, on_bad_image: str) -> np.ndarray | UserError:
    """Returns uint8 [H, W, C], or the error if it is not to be raised."""
    try:
        return read_image(file, None, image_header(file)[2])
    except UserError as error:
        if on_bad_image == "error":
            raise
        return error


def left_out(rows: Sequence[Row], paths: Sequence[Path]) -> list[str]:
    """Returns lines that say which files have no probabilities, and why.

    Args:
      rows: from `predict_files`, with `on_bad_image="skip"`.
      paths: the same files and folders.
    """
    lines = [f"{error}; its row is empty" for _, error in rows if isinstance(error, UserError)]
    predicted = {file for file, _ in rows}
    for folder in (path for path in paths if path.is_dir()):
        files = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
        visible = [f for f in files if not any(part.startswith(".") for part in f.parts)]
        if others := [file for file in visible if str(folder / file) not in predicted]:
            lines.append(f"{folder}: files that are no images: {len(others):,}, first {others[0]}")
    return lines


@contextlib.contextmanager
def open_table(out: Path | None) -> Iterator[Callable[[str], None]]:
    """Yields a function (text) that writes the table; the file appears complete, or not at all.

    Args:
      out: the file, or None for standard output. Names of files that are not Unicode keep their
        bytes.

    Raises:
      UserError: at once, before the work of the block, if the file exists or cannot be written.
    """
    if out is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
        yield sys.stdout.write
        return
    if os.path.lexists(out):
        raise UserError(f"--out={out} exists already; give another name.")
    with contextlib.ExitStack() as stack:
        with _write_errors(out):
            temporary = stack.enter_context(temporary_beside(out))
            temporary.touch()

        def write(text: str) -> None:
            with _write_errors(out):
                temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
                os.replace(temporary, out)

        yield write


@contextlib.contextmanager
def _write_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"--out={out} cannot be written: {error.strerror}.") from None


def table(rows: Sequence[Row], classes: Sequence[str]) -> str:
    """Returns CSV: `file`, `emotion` (the most probable), and a probability for every class.

    The cells of a file that could not be read are empty.

    Args:
      rows: from `predict_files`.
      classes: names of the probabilities.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["file", "emotion", *classes])
    for name, row in rows:
        cells = [""] * (1 + len(classes))
        if isinstance(row, np.ndarray):
            cells = [classes[int(row.argmax())], *(f"{p:.6f}" for p in row)]
        writer.writerow([name, *cells])
    return text.getvalue()


def write_predictions(rows: Sequence[Row], classes: Sequence[str], out: Path | None) -> None:
    """Writes the `table` of predictions.

    Args:
      rows: from `predict_files`.
      classes: names of the probabilities.
      out: the file, or None for standard output.

    Raises:
      UserError: the file exists already, or cannot be written.
    """
    with open_table(out) as write:
        write(table(rows, classes))
