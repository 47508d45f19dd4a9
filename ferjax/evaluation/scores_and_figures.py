"""Scores, confusion matrix, reliability and most confident mistakes of one evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.splits.split import Split
from ferjax.evaluation.vote_agreement import vote_agreement
from ferjax.report.calibration import calibration_scores, reliability_bins
from ferjax.report.figures.confusion_matrix import draw_confusion
from ferjax.report.figures.image_grids import draw_mistakes
from ferjax.report.figures.reliability import draw_reliability
from ferjax.report.intervals import wilson_interval
from ferjax.report.scores import scores
from ferjax.training.metrics import Evaluation

_MISTAKES = 24


def epoch_scores(
    result: Evaluation, classes: Sequence[str], epoch: int, votes: np.ndarray | None = None
) -> dict[str, Any]:
    """Returns a report's scores of an evaluation of the parameters of an epoch.

    Args:
      result: the evaluation.
      classes: K names.
      epoch: of the parameters.
      votes: int [N, 10], `Split.votes` of the images, or None where nobody voted.
    """
    hits = int((result.predicted == result.labels).sum())
    agreement = {}
    if votes is not None:
        agreement = {"votes": vote_agreement(result.probabilities, votes, classes)}
    return {
        **scores(result.confusion, classes),
        "accuracy_interval": list(wilson_interval(hits, len(result.labels))),
        "epoch": epoch,
        "loss": result.loss,
        "calibration": calibration_scores(result.probabilities, result.labels),
        **agreement,
    }


def confusion_figure(
    result: Evaluation,
    classes: Sequence[str],
    directory: Path,
    split: str,
    title: str,
    epoch: str = "selected",
) -> dict[str, str]:
    """Draws the confusion matrix on a split; returns its file and caption."""
    file = f"confusion_{split}.png"
    draw_confusion(result.confusion, classes, directory / file, f"{title}: {split}")
    return {"file": file, "caption": f"Confusion matrix on {split}, {epoch} epoch"}


def reliability_figure(
    result: Evaluation, directory: Path, split: str, title: str, epoch: str = "selected"
) -> dict[str, str]:
    """Draws confidence against accuracy on a split; returns the figure's file and caption."""
    file = f"reliability_{split}.png"
    bins = reliability_bins(result.probabilities, result.labels)
    draw_reliability(bins, directory / file, f"{title}: {split}")
    return {"file": file, "caption": f"Confidence and accuracy on {split}, {epoch} epoch"}


def mistakes_figure(
    result: Evaluation, split: Split, classes: Sequence[str], directory: Path, title: str
) -> dict[str, str]:
    """Draws the images that are wrong with the highest probability; returns file and caption."""
    confidence = result.probabilities.max(-1)
    wrong = np.flatnonzero(result.predicted != result.labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MISTAKES]
    draw_mistakes(
        split.read(worst),
        result.labels[worst],
        result.predicted[worst],
        confidence[worst],
        [split.ids[i] for i in map(int, worst)],
        classes,
        directory / "mistakes.png",
        f"{title}: most confident errors on {split.name}",
    )
    return {"file": "mistakes.png", "caption": f"Most confident errors on {split.name}"}
