"""Reads predictions_<split>.csv: images by name, their labels, predictions and probabilities."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ferjax.config.given_files import bounded_lines, check_text_file
from ferjax.errors import UserError
from ferjax.report.headline import headline_scores
from ferjax.report.spreadsheet_text import as_before

_FIXED_COLUMNS = ["file", "label", "predicted"]
# Probabilities are written with six decimals.
_ROUNDING = 2e-6


@dataclass(frozen=True)
class Predictions:
    """What a network predicted for images.

    Attributes:
      ids: N different names of images.
      labels: int [N], true classes.
      probabilities: float64 [N, K], rows sum to 1; the highest is that of the predicted class.
      classes: K names.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]

    @property
    def predicted(self) -> np.ndarray:
        """Returns int [N], the predicted classes."""
        return self.probabilities.argmax(1)

    def scores(self) -> dict[str, float | None]:
        """Returns `headline_scores`."""
        return headline_scores(self.probabilities, self.labels, self.classes)


def read_predictions(path: Path) -> Predictions:
    """Returns the predictions of a file that `write_predictions_csv` wrote.

    Raises:
      UserError: the file has another form, a class has no column, the predicted class of a row is
        not its most probable class, or an image occurs twice.
    """
    expected = "expected what launch.evaluate writes: file, label, predicted, then the classes"
    check_text_file(path, "Write it again with launch.evaluate.")
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = (
                [as_before(cell) for cell in row] for row in csv.reader(bounded_lines(file))
            )
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: not a readable table ({error}); {expected}") from None
    if header[:3] != _FIXED_COLUMNS or len(header) < 4:
        raise UserError(f"{path}: columns {', '.join(header)}; {expected}")
    classes, class_index = tuple(header[3:]), {name: k for k, name in enumerate(header[3:])}
    try:
        ids = tuple(row[0] for row in rows)
        true, predicted = (np.array([class_index[row[k]] for row in rows], int) for k in (1, 2))
        probabilities = np.array([row[3:] for row in rows], np.float64)
    except (KeyError, IndexError, ValueError) as error:
        raise UserError(f"{path}: {error} is no class, or a row is not complete.") from None
    if not len(rows) or probabilities.shape != (len(rows), len(classes)):
        raise UserError(f"{path}: no rows, or rows of different lengths; {expected}")
    seen: set[str] = set()
    if repeated := [name for name in ids if name in seen or seen.add(name)]:
        raise UserError(f"{path}: {len(repeated):,} images are there twice, {repeated[0]} first.")
    if not np.isfinite(probabilities).all():
        raise UserError(
            f"{path}: a probability is none. The file was changed: write it again with"
            " launch.evaluate."
        )
    row_numbers, highest = np.arange(len(rows)), probabilities.max(1)
    wrong = np.flatnonzero(highest - probabilities[row_numbers, predicted] > _ROUNDING)
    if len(wrong) or (probabilities < 0).any():
        name = ids[int(wrong[0])] if len(wrong) else "a row"
        raise UserError(
            f"{path}: {name} is not predicted as its most probable class, or a probability is none."
            " The file was changed: write it again with launch.evaluate."
        )
    # Where classes are equal after rounding, the predicted one must remain the most probable.
    probabilities[row_numbers, predicted] = highest + 1e-9
    return Predictions(ids, true, probabilities / probabilities.sum(1, keepdims=True), classes)


def pooled(parts: Sequence[Predictions], where: Path) -> Predictions:
    """Returns the predictions of all folds of a run together; each image is in one fold.

    Raises:
      UserError: folds of different classes, or an image that two of them predicted.
    """
    (first, *others) = parts
    for other in others:
        if other.classes != first.classes:
            raise UserError(f"{where}: its folds have different classes.")
    ids = tuple(name for part in parts for name in part.ids)
    if len(set(ids)) < len(ids):
        raise UserError(f"{where}: an image is in the predictions of two folds.")
    labels, probabilities = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("labels", "probabilities")
    )
    return Predictions(ids, labels, probabilities, first.classes)


def in_order(predictions: Predictions, ids: Sequence[str], classes: Sequence[str]) -> Predictions:
    """Returns the predictions of some of the images, with images and classes in a given order."""
    row_of = {name: row for row, name in enumerate(predictions.ids)}
    rows = np.array([row_of[name] for name in ids], int)
    columns = [predictions.classes.index(name) for name in classes]
    position = np.argsort(columns)  # old class → new class
    return replace(
        predictions,
        ids=tuple(ids),
        labels=position[predictions.labels[rows]],
        probabilities=predictions.probabilities[rows][:, columns],
        classes=tuple(classes),
    )
