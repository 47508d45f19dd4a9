"""Writes predictions_<split>.csv: the prediction for each image, for significance tests."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ferjax.data.splits.split import Split
from ferjax.errors import printable
from ferjax.report.spreadsheet_text import without_formula
from ferjax.runtime.atomic_files import write_atomically
from ferjax.training.metrics import Evaluation

COLUMNS = "file or row, true class, predicted class, probability of every class"


def write_predictions_csv(
    result: Evaluation, split: Split, classes: Sequence[str], directory: Path
) -> str:
    r"""Writes a row for each image of a split, in its order; returns the file's name.

    The columns are `file` (the image's id: a path, or `file.csv:row`), `label`, `predicted`, and a
    probability for each class. Fields are quoted where csv needs it; bytes of a file name that are
    not UTF-8 are written as `\xff`, and an apostrophe stands before a name that a spreadsheet would
    compute as a formula.

    Args:
      result: the evaluation of these images.
      split: the images.
      classes: K names.
      directory: the folder of the file.

    Raises:
      UserError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    class_cells = [without_formula(name) for name in classes]
    writer.writerow(["file", "label", "predicted", *class_cells])
    rows = zip(split.ids, result.labels, result.predicted, result.probabilities, strict=True)
    for name, label, predicted, row in rows:
        numbers = (f"{probability:.6f}" for probability in row)
        writer.writerow(
            [without_formula(printable(name)), class_cells[label], class_cells[predicted], *numbers]
        )
    file = f"predictions_{split.name}.csv"
    write_atomically(directory / file, text.getvalue().encode())
    return file
