"""Predictions of image files and pixel csvs, and the csv table that they are written to."""

import contextlib
import csv
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ferjax.data.decoding.image_file import read_unresized
from ferjax.data.reading.class_folders import image_files, visible_files
from ferjax.data.reading.pixel_csv import read_pixels
from ferjax.errors import UserError
from ferjax.predict.predictor import Predictor, padded_size
from ferjax.report.prediction_sets import prediction_sets
from ferjax.runtime.atomic_files import temporary_beside

# An image: its file; the pixels of a csv's row, or the error of a row that is broken.
_Source = Path | np.ndarray | UserError
# (file, probabilities [K], or the error of a file that cannot be read).
Row = tuple[str, np.ndarray | UserError]


def predict_files(predictor: Predictor, paths: Sequence[Path]) -> list[tuple[str, np.ndarray]]:
    """Returns (file, probabilities [K]) for every image named or below a named folder.

    A csv file with a column `pixels`, as fer2013.csv, has an image `file.csv:row` in each row, from
    1; its labels are not read.

    Raises:
      UserError: a path that does not exist, a folder without images, or a file that is no image.
    """
    rows = _rows(predictor, paths, _read)
    return [(file, found) for file, found in rows if isinstance(found, np.ndarray)]


def predict_readable_files(predictor: Predictor, paths: Sequence[Path]) -> list[Row]:
    """Returns what `predict_files` does, with its error for an image that cannot be read.

    Raises:
      UserError: a path that does not exist, a folder without images, or no image that can be read.
    """

    def read(source: _Source) -> np.ndarray | UserError:
        try:
            return _read(source)
        except UserError as error:
            return error

    rows = _rows(predictor, paths, read)
    errors = [found for _, found in rows if isinstance(found, UserError)]
    if errors and len(errors) == len(rows):
        raise UserError(f"none of the {len(rows):,} images could be read; the first: {errors[0]}")
    return rows


def _read(source: _Source) -> np.ndarray:
    if isinstance(source, UserError):
        raise source
    return read_unresized(source) if isinstance(source, Path) else source


def _sources(path: Path) -> list[tuple[str, _Source]]:
    """Returns the name and the source of every image of a file, folder or pixel csv."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return [(str(file), file) for file in image_files(path)]
    rows: list[tuple[str, _Source]] = [
        (f"{path}:{row}", image) for row, image in enumerate(read_pixels(path), start=1)
    ]
    if not rows:
        raise UserError(f"{path}: a header and no rows; expected a face in each row.")
    return rows


def _rows(
    predictor: Predictor, paths: Sequence[Path], read: Callable[[_Source], np.ndarray | UserError]
) -> list[Row]:
    """Returns a row for every image named, below a named folder, or in a named csv file."""
    files = [source for path in paths for source in _sources(path)]
    # The last of several batches is as large as the others, so that nothing is compiled for it.
    size = padded_size(len(files), predictor.batch_size)
    rows: list[Row] = []
    for start in range(0, len(files), size):
        chunk = files[start : start + size]
        found = [read(source) for _, source in chunk]
        images = [image for image in found if isinstance(image, np.ndarray)]
        probabilities = iter(predictor.padded_batch(images, size) if images else ())
        rows += [
            (name, next(probabilities) if isinstance(image, np.ndarray) else image)
            for (name, _), image in zip(chunk, found, strict=True)
        ]
    return rows


def left_out(rows: Sequence[Row], paths: Sequence[Path]) -> list[str]:
    """Returns lines that say which files have no probabilities, and why.

    Args:
      rows: from `predict_readable_files`.
      paths: the same files and folders.
    """
    lines = [f"{error}; its row is empty" for _, error in rows if isinstance(error, UserError)]
    predicted = {file for file, _ in rows}
    for folder in (path for path in paths if path.is_dir()):
        files = [file for file in visible_files(folder) if str(file) not in predicted]
        if files:
            first = files[0].relative_to(folder)
            lines.append(f"{folder}: files that are no images: {len(files):,}, first {first}")
    return lines


@contextlib.contextmanager
def open_table(out: Path | None) -> Iterator[Callable[[str], object]]:
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


def table(rows: Sequence[Row], classes: Sequence[str], set_threshold: float | None = None) -> str:
    """Returns CSV: `file`, `emotion` (the most probable), and a probability for every class.

    The cells of a file that could not be read are empty.

    Args:
      rows: from `predict_readable_files`.
      classes: names of the probabilities.
      set_threshold: from `Predictor.set_threshold`: a last column `set` has the emotions of each
        prediction set, the most probable first, separated by spaces.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    header = ["file", "emotion", *classes] + ([] if set_threshold is None else ["set"])
    writer.writerow(header)
    for name, row in rows:
        cells = [""] * (len(header) - 1)
        if isinstance(row, np.ndarray):
            cells = [classes[int(row.argmax())], *(f"{p:.6f}" for p in row)]
            if set_threshold is not None:
                inside = prediction_sets(row[None], set_threshold)[0]
                cells.append(" ".join(classes[int(k)] for k in np.argsort(-row) if inside[k]))
        writer.writerow([name, *cells])
    return text.getvalue()


def write_predictions(rows: Sequence[Row], classes: Sequence[str], out: Path | None) -> None:
    """Writes the `table` of predictions.

    Args:
      rows: from `predict_files` or `predict_readable_files`.
      classes: names of the probabilities.
      out: the file, or None for standard output.

    Raises:
      UserError: the file exists already, or cannot be written.
    """
    with open_table(out) as write:
        write(table(rows, classes))
