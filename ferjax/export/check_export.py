"""Checks exported files in fresh processes without ferjax, against ferjax's own predictor."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ferjax.errors import UserError
from ferjax.export.exported_file import CheckFaces, ExportedFile
from ferjax.export.fresh_process import run_usage
from ferjax.predict.predictor import Predictor
from ferjax.report.scores import scores
from ferjax.runtime.progress_lines import say
from ferjax.training.metrics import Evaluation

# The sizes of batches that are timed.
BATCHES = (1, 64)


def check_files(
    files: Sequence[ExportedFile],
    predictor: Predictor,
    weights: Path,
    faces: CheckFaces,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Returns the rows of the table of exports: ferjax itself first, then every file.

    Args:
      files: the exported files; the usage scripts are beside them.
      predictor: the predictor of the same network.
      weights: the weights file of that network.
      faces: the faces on which the files are compared.
      progress: whether to print a line for each file.

    Raises:
      UserError: a script fails, or a file differs from ferjax by more than it may.
    """
    # In full float32, as exports compute; on a CPU it is the default.
    with jax.default_matmul_precision("highest"):
        expected = predictor.probabilities(list(faces.images))
        milliseconds = {str(n): _milliseconds(predictor, faces.images, n) for n in BATCHES}
    ferjax_row = {
        "file": weights.name,
        "runs with": "ferjax",
        "precision": "float32",
        "bytes": weights.stat().st_size,
        "largest_difference": None,
        "agreement": None,
        **_scores(expected, faces.labels, predictor.classes),
        "milliseconds": milliseconds,
    }
    rows = [ferjax_row]
    with tempfile.TemporaryDirectory() as folder:
        faces_file = Path(folder) / "faces.npy"
        np.save(faces_file, faces.images)
        for file in files:
            say(f"checking {file.path.name}", progress)
            rows.append(_row(file, faces_file, expected, predictor.classes, faces.labels))
    return rows


def _row(
    file: ExportedFile,
    faces: Path,
    expected: np.ndarray,
    classes: Sequence[str],
    labels: np.ndarray | None,
) -> dict[str, Any]:
    """Returns the row of a file; raises `UserError` if the file violates a bound."""
    script = file.path.parent / file.usage
    results = run_usage(script, file.network or file.path, faces, time=True, python=file.python)
    columns = results["probabilities"]
    if set(columns) != set(classes):
        raise UserError(f"{file.path.name} names {', '.join(columns)}, not {', '.join(classes)}.")
    probabilities = np.array([columns[name] for name in classes], np.float64).T
    difference = float(np.abs(probabilities - expected).max())
    agreement = float((probabilities.argmax(-1) == expected.argmax(-1)).mean())
    check_bounds(file, difference, agreement)
    return {
        "file": file.path.name,
        "runs with": "",
        "precision": file.precision,
        "bytes": sum(_size(path) for path in (file.path, *file.beside)),
        **file.facts,
        "largest_difference": difference,
        "agreement": agreement,
        **_scores(probabilities, labels, classes),
        "milliseconds": results["milliseconds"],
    }


def check_bounds(file: ExportedFile, difference: float, agreement: float) -> None:
    """Raises `UserError` if an export differs from ferjax by more than its format may.

    Args:
      file: the exported file, which states the bounds.
      difference: the largest difference of a probability.
      agreement: share of faces for which the export names the same emotion as ferjax.
    """
    bound = file.largest_difference
    # Written so that NaN fails.
    if bound is not None and not difference <= bound:
        raise UserError(
            f"{file.path.name} is not exported: its probabilities differ from ferjax's by up to"
            f" {difference:.1e}, {bound:.0e} allowed. Please report it with the network's card."
        )
    if not agreement >= file.least_agreement:
        raise UserError(
            f"{file.path.name} is not exported: it names another emotion than ferjax for"
            f" {1 - agreement:.1%} of the faces, {1 - file.least_agreement:.1%} allowed. Use a"
            " format of higher precision."
        )


def _scores(
    probabilities: np.ndarray, labels: np.ndarray | None, classes: Sequence[str]
) -> dict[str, float | None]:
    """Returns accuracy and macro F1 for labels int [N]; both are None if there are no labels."""
    if labels is None:
        return {"accuracy": None, "macro_f1": None}
    evaluation = Evaluation(np.asarray(labels, np.int64), probabilities, 0.0)
    values = scores(evaluation.confusion, classes)
    return {"accuracy": values["accuracy"], "macro_f1": values["macro"]["f1"]}


def _milliseconds(predictor: Predictor, faces: np.ndarray, size: int) -> float:
    """Returns the median time of a call with `size` faces, measured as the usage scripts do."""
    batch = list(np.resize(faces, (size, *faces.shape[1:])))
    times: list[float] = []
    while len(times) < 7 or (sum(times) < 0.5 and len(times) < 200):
        start = time.perf_counter()
        predictor.probabilities(batch)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[2:])


def _size(path: Path) -> int:
    """Returns the size of a file, or of all files in a folder, in bytes."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)
