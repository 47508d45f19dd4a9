"""Model card of an exported network: data, training, scores, calibration, intended use, limits."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferjax.data.splits.class_counts import counts_by_class
from ferjax.evaluation.evaluated_data import EvaluatedData
from ferjax.evaluation.vote_agreement import vote_agreement
from ferjax.report.calibration import cross_fitted_calibration, softmax
from ferjax.report.environment import git_commit
from ferjax.report.intervals import wilson_interval
from ferjax.report.pages.markdown_tables import decimal, escape, key_value_table, percentage, table
from ferjax.report.prediction_sets import conformal_quantiles, cross_fitted_coverage
from ferjax.report.scores import scores
from ferjax.runs.load_run import LoadedRun
from ferjax.specs import spec_to_json
from ferjax.training.metrics import evaluation

# Coverage of the prediction sets whose size and coverage by class the card states.
COVERAGE = 0.9
_INTENDED = (
    "Research on facial expressions, teaching, and the comparison of methods.",
    "Initial weights for training on faces of your own.",
    "Input: one face, upright and cropped close as in the training data, in grey or RGB (not BGR).",
)
_NOT_FOR = (
    "It names the expression that people see in a picture, not what the person feels.",
    "Not for decisions about people: hiring, work, education, insurance, police, border, credit,"
    " health.",
    "The EU AI Act (Regulation 2024/1689, Article 5(1)(f)) prohibits inferring emotions at work and"
    " in education, but for medical and safety reasons; elsewhere such systems are high-risk (Annex"
    " III), and people must be told (Article 50(3)).",
    "An image that shows no face gets probabilities too: they mean nothing.",
    "The training faces were collected on the web: age, skin colour, culture, pose and light are"
    " not balanced, and errors differ between groups of people. They were not measured here.",
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
}
_UNKNOWN_TERMS = "the terms of the training data are the publisher's; state them before sharing"


def card_values(
    *,
    config_values: Mapping[str, Any],
    run: LoadedRun,
    data: EvaluatedData,
    before: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    network: Mapping[str, Any],
    speed: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Returns the values of a model card, ready for JSON.

    Args:
      config_values: config of the run as JSON values.
      run: the network.
      data: the val split that calibrated it.
      before: float [N, K], logits of the run's own parameters.
      logits: float [N, K], those of the parameters that are written.
      temperature: by which the head was divided.
      network: from `describe_network`.
      speed: from `read_speed`, or None where it was not measured.
    """
    labels, classes = data.split.labels, run.classes
    own, written = evaluation(before, labels), evaluation(logits, labels)
    hits = int((written.predicted == labels).sum())
    probabilities = softmax(logits)
    votes = data.split.votes
    agreement = None if votes is None else vote_agreement(probabilities, votes, classes)
    return {
        "model": run.meta["model"],
        "fields": run.meta["fields"],
        "classes": list(classes),
        "spec": spec_to_json(run.spec),
        "parameters": network["parameters"],
        "forward_flops": network.get("forward_flops"),
        "step": run.step,
        "epoch": run.epoch,
        "best": {"accuracy": written.accuracy},
        "temperature": temperature,
        "prediction_sets": conformal_quantiles(probabilities, labels),
        "training": {
            "data set": data.dataset,
            "images": counts_by_class(data.bundle.splits["train"], data.bundle.classes),
            "labels": config_values["labels"] or "of the data set",
            "recipe": config_values["recipe"],
            "commit": git_commit(),
            "seconds": run.meta["seconds"],
        },
        "scores": {
            "split": f"val of {data.dataset}: {data.bundle.sources['val']}",
            **scores(written.confusion, classes),
            "accuracy_interval": list(wilson_interval(hits, len(labels))),
            "accuracy_of_the_run": own.accuracy,
            "calibration": cross_fitted_calibration(before, labels),
            "votes": agreement,
            "prediction_sets": cross_fitted_coverage(probabilities, labels, COVERAGE, classes),
        },
        "speed": speed,
        "config": dict(config_values),
        "licence": {**_LICENCE, "data": _DATA_TERMS.get(data.dataset, _UNKNOWN_TERMS)},
        "intended_use": list(_INTENDED),
        "limits": list(_NOT_FOR),
    }


def card_markdown(name: str, card: Mapping[str, Any]) -> str:
    """Returns a model card as a Markdown page."""
    training, found = card["training"], card["scores"]
    calibration, sets = found["calibration"], found["prediction_sets"]
    low, high = found["accuracy_interval"]
    facts = {
        "network": f"{card['model']}, {card['parameters']:,} parameters",
        "classes": ", ".join(card["classes"]),
        "trained on": f"train of {training['data set']}: "
        + ", ".join(f"{emotion} {count:,}" for emotion, count in training["images"].items()),
        "labels": training["labels"],
        "recipe": training["recipe"],
        "epochs": card["epoch"],
        "minutes": f"{training['seconds'] / 60:.0f}",
        "commit": training["commit"],
    }
    measured = {
        "split": found["split"],
        "accuracy": f"{percentage(found['accuracy'])} (95 %: {percentage(low)} to"
        f" {percentage(high)}; the run itself {percentage(found['accuracy_of_the_run'])})",
        "mean-class accuracy": percentage(found["mean_class_accuracy"]),
        "macro F1": percentage(found["macro"]["f1"]),
        "expected calibration error": decimal(calibration["expected_calibration_error"]),
        "Brier score": decimal(calibration["brier_score"]),
        "negative log-likelihood": decimal(calibration["negative_log_likelihood"]),
        "temperature": decimal(card["temperature"], 3),
        f"coverage of sets at {percentage(sets['asked'], 0)}": percentage(sets["coverage"]),
        "mean size of these sets": decimal(sets["mean_set_size"], 2),
    }
    if agreement := found["votes"]:
        measured |= {
            "KL divergence from the votes": decimal(agreement["kl_divergence"]),
            "agrees with the majority of nine annotators": percentage(
                agreement["network_with_majority_of_others"]
            ),
            "a tenth annotator agrees with them": percentage(
                agreement["annotator_with_majority_of_others"]
            ),
        }
    rows = [
        [
            escape(row["class"]),
            percentage(row["recall"]),
            percentage(row["precision"]),
            percentage(sets["by_class"][row["class"]]),
            f"{row['support']:,}",
        ]
        for row in found["per_class"]
    ]
    confusion = [
        [escape(name), *map(str, counts)]
        for name, counts in zip(card["classes"], found["confusion"], strict=True)
    ]
    parts = [
        f"# {escape(name)}",
        key_value_table(facts, ("model", "")),
        "## Scores",
        key_value_table(measured, ("measure", "")),
        "Calibration and coverage were measured on each half of the images with what was fitted on"
        " the other half.",
        table(["emotion", "recall", "precision", "in its set", "images"], rows),
        "Confusion matrix (rows: true, columns: predicted)",
        table(["", *map(escape, card["classes"])], confusion),
        *_speed(card["speed"]),
        "## Intended use",
        _bullets(card["intended_use"]),
        "## What it must not be used for, and limits",
        _bullets(card["limits"]),
        "## Licence",
        key_value_table(card["licence"], ("of", "")),
    ]
    return "\n\n".join(parts) + "\n"


def _speed(speed: Mapping[str, Any] | None) -> list[str]:
    """Returns the section on speed, of all recognisers that were measured in one run."""
    if not speed:
        return []
    rows = [
        [
            escape(row["recogniser"]),
            escape(row["preprocessing"]),
            f"{row['faces_per_core_second']:,}",
            f"{row['milliseconds_for_one']:.2f}",
        ]
        for row in speed["rows"]
    ]
    header = ["recogniser", "preprocessing", "faces per core-second", "ms for one face"]
    return ["## Speed, beside others in the same run", table(header, rows, 2)]


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
