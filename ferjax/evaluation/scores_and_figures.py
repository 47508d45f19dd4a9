"""Scores, confusion matrix and most confident mistakes of one evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.splits.split import Split
from ferjax.report.figures.confusion_matrix import draw_confusion
from ferjax.report.figures.image_grids import draw_mistakes
from ferjax.report.scores import scores
from ferjax.training.metrics import Evaluation

_MISTAKES = 24


def epoch_scores(result: Evaluation, classes: Sequence[str], epoch: int) -> dict[str, Any]:
    """Returns a report's scores of an evaluation of the parameters of an epoch."""
    return {**scores(result.confusion, classes), "epoch": epoch, "loss": result.loss}


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
