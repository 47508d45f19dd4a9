"""Values of a model card: data, training, scores, calibration, intended use, limits, licence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.class_counts import counts_by_class
from ferjax.data.splits.split_record import SplitRecord, trained_on
from ferjax.evaluation.evaluated_data import EvaluatedData
from ferjax.evaluation.network_costs import describe_network
from ferjax.evaluation.training_environment import training_environment
from ferjax.evaluation.vote_agreement import vote_agreement
from ferjax.export.card_limits import limited_training, limits_of
from ferjax.report.calibration import (
    calibration_scores,
    cross_fitted,
    fit_temperature,
    softmax,
)
from ferjax.report.calibration_by_class import calibration_by_class
from ferjax.report.intervals import wilson_interval
from ferjax.report.prediction_sets import conformal_quantiles, cross_fitted_coverage
from ferjax.report.private_paths import public_command, public_config, public_text
from ferjax.report.scores import scores
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.specs import spec_to_json
from ferjax.training.metrics import Evaluation, evaluation

# Coverage of the prediction sets whose size and coverage by class the card states.
COVERAGE = 0.9
# The least number of val images for which calibration is stated.
LEAST = 20
_INTENDED = (
    "Research on facial expressions, teaching, and the comparison of methods.",
    "Initial weights for training on faces of your own.",
    "Input: one face, upright and cropped close as in the training data, in grey or RGB (not BGR).",
)
_LICENCE = {
    "code": "Apache 2.0",
    "weights": "Apache 2.0 as far as ferjax's authors hold rights; the data's terms are below",
}
_DATA_TERMS = {
    "fer2013": "FER2013 (Goodfellow et al., 2013): images gathered from web search, published for"
    " research; its authors state no licence",
    "ferplus": "images of FER2013 (gathered from web search, published for research, no licence"
    " stated); FER+ labels of Microsoft: MIT",
    "synthetic": "faces that ferjax draws: Apache 2.0",
}
_UNKNOWN_TERMS = "the terms of the training data are the publisher's; state them before sharing"


def card_values(
    *,
    run: LoadedRun,
    run_dir: Path,
    checkpoint: str,
    train_config: TrainConfig,
    data: EvaluatedData,
    record: SplitRecord | None,
    run_logits: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    speed: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Returns the values of a model card, ready for JSON.

    Args:
      run: the network.
      run_dir: its run directory.
      checkpoint: `selected` or `last`.
      train_config: config of the run.
      data: the val split that calibrated the network.
      record: the images of the splits at the start of the run; None if the run recorded none.
      run_logits: float [N, K], logits of the run's parameters as trained, computed in float32.
      logits: float [N, K], logits of the parameters that are written.
      temperature: the temperature by which the head was divided.
      speed: from `read_speed`, or None if it was not measured.
    """
    network, config_values = describe_network(run.model, run.spec), public_config(train_config)
    exported = evaluation(logits, data.split.labels)
    card_scores = _scores(run, data, record, run_logits, exported)
    train = (record.splits if record else data.bundle.splits)["train"]
    if limited := limited_training(train_config, len(train) if record else None):
        card_scores["warnings"] = [limited.removesuffix("."), *card_scores["warnings"]]
    terms = _DATA_TERMS.get(data.dataset, _UNKNOWN_TERMS)
    return {
        "model": run.meta["model"],
        "fields": run.meta["fields"],
        "classes": list(run.classes),
        "spec": spec_to_json(run.spec),
        "parameters": network["parameters"],
        "forward_flops": network.get("forward_flops"),
        "step": run.step,
        "epoch": run.epoch,
        "checkpoint": checkpoint,
        "averaged": list(run.meta.get("averaged", ())),
        "start": _start(run, train_config),
        "best": {"accuracy": card_scores["accuracy"]},
        "temperature": temperature,
        "prediction_sets": conformal_quantiles(exported.probabilities, data.split.labels),
        "training": {
            "data set": data.dataset,
            "images": counts_by_class(train.labels, run.classes),
            "labels": config_values["labels"] or "of the data set",
            "recipe": config_values["recipe"],
            "seed": config_values["seed"],
            "notes": [public_text(note, train_config) for note in run.meta["notes"]],
            "seconds": run.meta["seconds"],
            **_environment(run, run_dir),
        },
        "scores": card_scores,
        "speed": speed,
        "config": config_values,
        "licence": {**_LICENCE, "data": terms},
        "intended_use": list(_INTENDED),
        "limits": limits_of(train_config),
    }


def _environment(run: LoadedRun, run_dir: Path) -> dict[str, str]:
    """Returns commit, command line and devices of the training."""
    environment = training_environment(run_dir, run.meta)
    # Key on the card → key in the report.
    keys = {"commit": "git commit", "command": "command line", "devices": "devices"}
    facts = {key: environment.get(report_key, "not recorded") for key, report_key in keys.items()}
    return {**facts, "command": public_command(facts["command"])}


def _start(run: LoadedRun, train_config: TrainConfig) -> dict[str, Any] | None:
    """Returns the initial weights of a run, or None for random initialisation."""
    start = run.meta["start"]
    if start is None:
        return None
    return {**start, "origin": [public_text(line, train_config) for line in start["origin"]]}


def _scores(
    run: LoadedRun,
    data: EvaluatedData,
    record: SplitRecord | None,
    run_logits: np.ndarray,
    exported: Evaluation,
) -> dict[str, Any]:
    """Returns the scores of the exported parameters on val, with intervals and calibration.

    Args:
      run: the network.
      data: its val split.
      record: the images of the splits at the start of the run; None if the run recorded none.
      run_logits: float [N, K], logits of the run's parameters as trained, computed in float32.
      exported: evaluation of the exported parameters.
    """
    labels, classes, votes = data.split.labels, run.classes, data.split.votes
    probabilities = exported.probabilities
    correct = exported.predicted == labels
    # Halves of fewer images say nothing about a coverage of 90 %.
    enough = len(labels) >= LEAST
    return {
        "split": f"val of {data.dataset}: {data.bundle.sources['val']}",
        "warnings": data.warnings,
        **scores(exported.confusion, classes),
        "accuracy_interval": list(wilson_interval(int(correct.sum()), len(labels))),
        **_repeated(data, record, correct),
        "accuracy_of_the_run": evaluation(run_logits, labels).accuracy,
        "calibration": _calibration(run_logits, labels, classes) if enough else None,
        "prediction_sets": cross_fitted_coverage(probabilities, labels, COVERAGE, classes)
        if enough
        else None,
        "votes": None if votes is None else vote_agreement(probabilities, votes, classes),
    }


def _repeated(
    data: EvaluatedData, record: SplitRecord | None, correct: np.ndarray
) -> dict[str, int | float | None]:
    """Returns how many val images were trained on too, and the accuracy of the others.

    Both are None if the run did not record its images; the accuracy is None if there are no others.
    """
    if record is None:
        return {"also_in_train": None, "accuracy_without_those": None}
    repeated = trained_on(record, data.split, data.dataset, is_own=data.is_own)
    others = correct[~repeated]
    return {
        "also_in_train": int(repeated.sum()),
        "accuracy_without_those": float(others.mean()) if len(others) else None,
    }


def _calibration(
    run_logits: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Returns calibration scores of all images and by class.

    The temperature of each half of the images is fitted on the other half.
    """
    probabilities = cross_fitted(run_logits, labels, fit_temperature, softmax)
    return {
        **calibration_scores(probabilities, labels),
        "by_class": calibration_by_class(probabilities, labels, classes),
    }
