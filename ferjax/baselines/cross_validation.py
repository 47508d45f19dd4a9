"""Selects C and gamma by cross-validation on the training images; resumes after a kill."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.baselines.support_vector_machine import Candidate, kernel_inputs, train_machine
from ferjax.config.baseline_config import BaselineConfig
from ferjax.config.given_files import check_no_special_file, fitting_values, parse_json
from ferjax.data.splits.folds import k_folds, subject_folds
from ferjax.data.splits.split import Split
from ferjax.errors import DiskError, UserError
from ferjax.runtime.append_lines import drop_torn_line
from ferjax.runtime.progress_bar import tqdm

JOURNAL = "cross_validation.jsonl"
_C_OF_RBF = (1.0, 4.0, 16.0)
# Gamma is a multiple of 1 / mean squared distance of the training images, C of the linear kernel a
# multiple of 1 / mean squared length, so that the scale of the features does not matter.
_GAMMAS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
_C_OF_LINEAR = (0.05, 0.2, 0.8, 3.2)


@dataclass(frozen=True)
class Parts:
    """The parts of the training images for the cross-validation.

    Attributes:
      held_out: int positions of each part; the parts are disjoint and hold all images.
      words: how the images were divided, for the report.
    """

    held_out: tuple[np.ndarray, ...]
    words: str


def cut_parts(train: Split, count: int, seed: int) -> Parts:
    """Divides the training images by subject if the data name the subjects, else by class.

    There are fewer parts than `count` if there are fewer people or images.

    Raises:
      UserError: only one person, or the images outside a part show fewer than two classes.
    """
    if train.subjects is not None:
        people = len(np.unique(train.subjects))
        if people < 2:
            raise UserError(
                "all training images are of one person; C is chosen on people that a machine has"
                " not seen, which takes two or more."
            )
        parts, words = subject_folds(train.subjects, min(count, people)), "no person in two parts"
    else:
        parts, words = k_folds(train.labels, min(count, len(train)), seed), "stratified by class"
    for part in parts:
        if len(np.unique(np.delete(train.labels, part))) < 2:
            raise UserError(
                f"{len(train):,} training images are too few: without one of the"
                f" {len(parts)} parts of the cross-validation they show one class only."
                " Give more images."
            )
    return Parts(tuple(parts), f"{len(parts)} parts of train, {words}")


def candidates_for(kernel: str, values: np.ndarray) -> list[Candidate]:
    """Returns the grid of hyper-parameters to try.

    Args:
      kernel: `rbf` or `linear`.
      values: squared distances float [N, N] of the training images, or features.
    """
    if kernel == "linear":
        length = float((np.asarray(values, np.float64) ** 2).sum(1).mean()) or 1.0
        return [Candidate(c / length, None) for c in _C_OF_LINEAR]
    mean = float(values.mean()) or 1.0
    return [Candidate(c, gamma / mean) for gamma in _GAMMAS for c in _C_OF_RBF]


def cross_validate(
    config: BaselineConfig,
    values: np.ndarray,
    train: Split,
    classes: int,
    parts: Parts,
    run_dir: Path,
) -> tuple[Candidate, list[dict[str, Any]]]:
    """Returns the best candidate, and a row {`c`, `gamma`, `accuracy`} for each candidate.

    The accuracy is the share of images that are predicted right by a machine that was trained on
    the other parts. Of equally good candidates the first is the best, with the smallest gamma and
    C. Each row is written to a file of the run directory at once; rows in it are not computed
    again.

    Args:
      config: the config of the baseline.
      values: squared distances float [N, N] of the training images, or features [N, D].
      train: the training images.
      classes: K.
      parts: from `cut_parts`.
      run_dir: the run directory.

    Raises:
      UserError: the file cannot be written.
    """
    journal = run_dir / JOURNAL
    grid = candidates_for(config.kernel, values)
    finished_rows = _read_journal(journal)
    rows = []
    disabled = None if config.progress else True
    with tqdm(total=len(grid), desc="C and gamma", disable=disabled, leave=False) as bar:
        for candidate in grid:
            row = finished_rows.get(candidate)
            if row is None:
                decisions = held_out_decisions(
                    candidate, values, train, classes, parts, config.seed
                )
                hits = decisions.argmax(1) == train.labels
                row = {"c": candidate.c, "gamma": candidate.gamma, "accuracy": float(hits.mean())}
                _append_to_journal(journal, row)
            rows.append(row)
            bar.update()
    accuracies = [row["accuracy"] for row in rows]
    return grid[int(np.argmax(accuracies))], rows


def held_out_decisions(
    candidate: Candidate,
    values: np.ndarray,
    train: Split,
    classes: int,
    parts: Parts,
    seed: int,
) -> np.ndarray:
    """Returns decision values float64 [N, K], each by a machine that has not seen the image.

    Args:
      candidate: the hyper-parameters.
      values: squared distances float [N, N] of the training images, or features [N, D].
      train: the training images.
      classes: K.
      parts: from `cut_parts`; the machine for the images of a part is trained on all other parts.
      seed: random seed of the machines.
    """
    decisions = np.zeros((len(train), classes))
    for part in parts.held_out:
        train_rows = np.setdiff1d(np.arange(len(train)), part)

        def inputs(rows: np.ndarray, train_rows: np.ndarray = train_rows) -> np.ndarray:
            row_values = (
                values[rows] if candidate.gamma is None else values[np.ix_(rows, train_rows)]
            )
            return kernel_inputs(row_values, candidate)

        labels = train.labels[train_rows]
        decide = train_machine(inputs(train_rows), labels, candidate, classes, seed)
        decisions[part] = decide(inputs(part))
    return decisions


def _read_journal(journal: Path) -> dict[Candidate, dict[str, Any]]:
    """Returns candidate → row of a journal; an incomplete last line, left by a kill, is removed."""
    if not journal.is_file():
        return {}
    try:
        drop_torn_line(journal)
    except OSError as error:
        raise _unwritable(journal, error) from None
    advice = "Remove it: the same command computes it again."
    check_no_special_file(journal)
    rows = [parse_json(line, journal, advice) for line in journal.read_bytes().splitlines()]
    with fitting_values(journal, advice):
        return {Candidate(row["c"], row["gamma"]): row for row in rows}


def _append_to_journal(journal: Path, row: dict[str, Any]) -> None:
    """Writes a row at the end of a journal."""
    try:
        with open(journal, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise _unwritable(journal, error) from None


def _unwritable(journal: Path, error: OSError) -> DiskError:
    return DiskError(
        f"cannot write {journal}: {error.strerror}. Make room there, or make it writable; the same"
        " command goes on."
    )


def describe_rows(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Returns a line for each candidate of a search, for the report."""
    return [
        f"C {row['c']:.4g}"
        + ("" if row["gamma"] is None else f", gamma {row['gamma']:.4g}")
        + f": {100 * row['accuracy']:.2f} %"
        for row in rows
    ]
