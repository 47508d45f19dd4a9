"""Scores, confusion matrix, reliability and most confident mistakes of one evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.splits.split import Split
from ferjax.evaluation.calibrated_scores import calibrated_scores
from ferjax.evaluation.vote_agreement import vote_agreement
from ferjax.report.calibration import calibration_scores, reliability_bins
from ferjax.report.calibration_by_class import calibration_by_class
from ferjax.report.figures.confusion_matrix import draw_confusion
from ferjax.report.figures.image_grids import draw_mistakes
from ferjax.report.figures.ranking_curves import draw_ranking
from ferjax.report.figures.reliability import draw_reliability
from ferjax.report.headline import headline_scores
from ferjax.report.headline_intervals import headline_intervals
from ferjax.report.intervals import wilson_interval
from ferjax.report.ranking import ranking_by_class
from ferjax.report.scores import scores
from ferjax.training.metrics import Evaluation

_MISTAKES = 24


def judged_results(
    evaluations: Mapping[str, Mapping[str, Evaluation]],
    classes: Sequence[str],
    epochs: Mapping[str, int | str],
    votes: Mapping[str, np.ndarray | None],
    fits: Mapping[tuple[str, str], Mapping[str, Any]],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Returns split → weights → scores, for a report.

    The selected weights, or the first ones where none are selected, also have the intervals of all
    headline scores and the scores after calibration, without and with test-time augmentation.

    Args:
      evaluations: split → weights → evaluation; the weights are `last`, `selected`,
        `selected+flip` or the like.
      classes: K names.
      epochs: weights → their epoch; `selected+flip` has the epoch of `selected`.
      votes: split → `Split.votes`.
      fits: (split, weights) → result of `fit_calibration`. Without an entry each half of the
        images is measured with the values fitted on the other half.
    """
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for split, kinds in evaluations.items():
        headline_kind = "selected" if "selected" in kinds else next(iter(kinds))
        results[split] = {}
        for kind, result in kinds.items():
            checkpoint = kind.partition("+")[0]
            kind_scores = epoch_scores(result, classes, epochs[checkpoint], votes[split])
            if checkpoint == headline_kind:
                bounds = headline_intervals(result.probabilities, result.labels, classes)
                kind_scores |= {
                    "intervals": {name: bound and list(bound) for name, bound in bounds.items()},
                    "calibrated": calibrated_scores(result, classes, fits.get((split, kind))),
                }
            results[split][kind] = kind_scores
    return results


def epoch_scores(
    result: Evaluation, classes: Sequence[str], epoch: int | str, votes: np.ndarray | None = None
) -> dict[str, Any]:
    """Returns a report's scores of an evaluation of the parameters of an epoch.

    Args:
      result: the evaluation.
      classes: K names.
      epoch: epoch of the parameters.
      votes: int [N, 10], `Split.votes` of the images, or None where there are none.
    """
    hits = int((result.predicted == result.labels).sum())
    agreement = {}
    if votes is not None:
        agreement = {"votes": vote_agreement(result.probabilities, votes, classes)}
    by_confusion = scores(result.confusion, classes)
    ranked = ranking_by_class(result.probabilities, result.labels, classes)
    rows = zip(by_confusion["per_class"], ranked, strict=True)
    return {
        **by_confusion,
        "per_class": [{**row, **ranking} for row, ranking in rows],
        "accuracy_interval": list(wilson_interval(hits, len(result.labels))),
        "epoch": epoch,
        "loss": result.loss,
        "headline": headline_scores(result.probabilities, result.labels, classes),
        "calibration": {
            **calibration_scores(result.probabilities, result.labels),
            "by_class": calibration_by_class(result.probabilities, result.labels, classes),
        },
        **agreement,
    }


def split_figures(
    result: Evaluation,
    classes: Sequence[str],
    directory: Path,
    split: str,
    title: str,
    epoch: str = "selected",
) -> list[dict[str, str]]:
    """Draws confusion, reliability and ranking on a split; returns their files and captions."""
    title = f"{title}: {split}"
    files = {name: f"{name}_{split}.png" for name in ("confusion", "reliability", "ranking")}
    probabilities, labels = result.probabilities, result.labels
    draw_confusion(result.confusion, classes, directory / files["confusion"], title)
    bins = reliability_bins(probabilities, labels)
    draw_reliability(bins, directory / files["reliability"], title)
    draw_ranking(probabilities, labels, classes, directory / files["ranking"], title)
    captions = {
        "confusion": f"Confusion matrix on {split}, {epoch} epoch",
        "reliability": f"Confidence and accuracy on {split}, {epoch} epoch",
        "ranking": f"ROC, precision and recall of each emotion on {split}, {epoch} epoch",
    }
    return [{"file": file, "caption": captions[name]} for name, file in files.items()]


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
