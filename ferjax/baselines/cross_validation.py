"""Chooses C and gamma by cross-validation on the training images alone; goes on after a kill."""

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
# Gamma as a multiple of 1 / mean squared distance of the training images, and C of the linear
# kernel of 1 / mean squared length, so that the scale of the features does not matter.
_GAMMAS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
_C_OF_LINEAR = (0.05, 0.2, 0.8, 3.2)


@dataclass(frozen=True)
class Parts:
    """How the training images are divided.

    Attributes:
      held_out: int positions of each part; disjoint, together all.
      words: how they were made, for the report.
    """

    held_out: tuple[np.ndarray, ...]
    words: str


def cut_parts(train: Split, count: int, seed: int) -> Parts:
    """Divides the training images, by subject where the data name them, else by class.

    There are fewer parts than `count` where there are fewer people or images.

    Raises:
      UserError: one person or one image only, or every part has a class alone.
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
    """Returns the grid of hyper-parameters.

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
    """Returns the best candidate, and a row {`c`, `gamma`, `accuracy`} for each.

    The best has the highest share of images that machines trained on the other parts predict right;
    of equal ones the first, with the smallest gamma and C. Rows are written to a file of the run
    directory as they come; those that it holds are not computed again.

    Args:
      config: of the baseline.
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
    done = _read(journal)
    rows = []
    shown = None if config.progress else True
    with tqdm(total=len(grid), desc="C and gamma", disable=shown, leave=False) as bar:
        for candidate in grid:
            row = done.get(candidate)
            if row is None:
                found = held_out_decisions(candidate, values, train, classes, parts, config.seed)
                hits = found.argmax(1) == train.labels
                row = {"c": candidate.c, "gamma": candidate.gamma, "accuracy": float(hits.mean())}
                _append(journal, row)
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
    """Returns decision values float64 [N, K] of each image by a machine that has not seen it.

    Args:
      candidate: the hyper-parameters.
      values: squared distances float [N, N] of the training images, or features [N, D].
      train: the training images.
      classes: K.
      parts: from `cut_parts`; each part's images are judged by a machine of all others.
      seed: of the machine.
    """
    found = np.zeros((len(train), classes))
    for part in parts.held_out:
        others = np.setdiff1d(np.arange(len(train)), part)

        def inputs(rows: np.ndarray, others: np.ndarray = others) -> np.ndarray:
            of_rows = values[rows] if candidate.gamma is None else values[np.ix_(rows, others)]
            return kernel_inputs(of_rows, candidate)

        labels = train.labels[others]
        decide = train_machine(inputs(others), labels, candidate, classes, seed)
        found[part] = decide(inputs(part))
    return found


def _read(journal: Path) -> dict[Candidate, dict[str, Any]]:
    """Returns the rows in a journal, without the torn line that a kill can leave."""
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


def _append(journal: Path, row: dict[str, Any]) -> None:
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
