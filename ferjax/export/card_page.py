"""A model card as a Markdown page."""

from collections.abc import Mapping
from typing import Any

from ferjax.export.model_card import LEAST
from ferjax.report.pages.calibration_sections import CALIBRATION_HEADER, CALIBRATION_NOTE
from ferjax.report.pages.markdown_tables import decimal, escape, key_value_table, percentage, table

_NO_CLASSES = (
    "The calibration error of each emotion is not stated: an earlier version of ferjax wrote this"
    " card. The cards of new exports of runs state it."
)


def card_page(name: str, card: Mapping[str, Any]) -> str:
    """Returns a model card as a Markdown page."""
    training, scores = card["training"], card["scores"]
    calibration, sets = scores["calibration"], scores["prediction_sets"]
    facts = {
        "network": network_text(card),
        "classes": ", ".join(card["classes"]),
        "trained on": f"train of {training['data set']}: "
        + ", ".join(f"{emotion} {count:,}" for emotion, count in training["images"].items()),
        "labels": training["labels"],
        "recipe": training["recipe"],
        "epoch": f"{card['checkpoint']}, {card['epoch']}",
        "seed": training["seed"],
        "minutes": f"{training['seconds'] / 60:.0f} on {training['devices']}",
        "command": training["command"],
        "commit": training["commit"],
    }
    measured = {
        "split": scores["split"],
        "accuracy": accuracy_text(scores, f"; {_run_accuracy(card)}"),
        "images that are in train too": _repeated_text(scores),
        "balanced accuracy": percentage(scores["mean_class_accuracy"]),
        "macro F1": percentage(scores["macro"]["f1"]),
        "temperature": decimal(card["temperature"], 3),
    }
    if calibration and sets:
        measured |= {
            "expected calibration error": decimal(calibration["expected_calibration_error"]),
            "Brier score": decimal(calibration["brier_score"]),
            "negative log-likelihood": decimal(calibration["negative_log_likelihood"]),
            **coverage_line(sets),
            "mean size of these sets": decimal(sets["mean_set_size"], 2),
        }
    if agreement := scores["votes"]:
        measured |= {
            "KL divergence from the votes": decimal(agreement["kl_divergence"]),
            "agrees with the majority of nine annotators": percentage(
                agreement["network_with_majority_of_others"]
            ),
            "a tenth annotator agrees with them": percentage(
                agreement["annotator_with_majority_of_others"]
            ),
        }
    # Cards of earlier versions state no calibration by emotion.
    by_class = {row["class"]: row for row in (calibration or {}).get("by_class", ())}
    rows = [
        [
            escape(row["class"]),
            percentage(row["recall"]),
            percentage(row["precision"]),
            percentage(sets["by_class"][row["class"]] if sets else None),
            *(_calibration_cells(by_class[row["class"]]) if by_class else ()),
            f"{row['support']:,}",
        ]
        for row in scores["per_class"]
    ]
    header = ["emotion", "recall", "precision", "in its set"]
    header += CALIBRATION_HEADER if by_class else []
    confusion = [
        [escape(name), *map(str, counts)]
        for name, counts in zip(card["classes"], scores["confusion"], strict=True)
    ]
    parts = [
        f"# {escape(name)}",
        key_value_table(facts, ("model", "")),
        "## Scores",
        key_value_table(measured, ("measure", "")),
        "Calibration and coverage were measured on each half of the images with what was fitted on"
        " the other half."
        if sets
        else f"Val has fewer than {LEAST} images, too few to state calibration and coverage.",
        *(f"Warning: {escape(warning)}." for warning in scores["warnings"]),
        table([*header, "images"], rows),
        *([CALIBRATION_NOTE] if by_class else [_NO_CLASSES] if calibration else []),
        "Confusion matrix (rows: true, columns: predicted)",
        table(["", *map(escape, card["classes"])], confusion),
        *_speed(card["speed"]),
        *_exports(card.get("exports")),
        "## Intended use",
        _bullets(card["intended_use"]),
        "## What it must not be used for, and limits",
        _bullets(card["limits"]),
        "## Licence",
        key_value_table(card["licence"], ("of", "")),
    ]
    return "\n\n".join(parts) + "\n"


def _run_accuracy(card: Mapping[str, Any]) -> str:
    """Returns the accuracy of the parameters before they were rounded, in words."""
    # It was computed in float32 too, and can differ from the accuracy in the report of the run.
    computed = ", in float32," if card["config"].get("precision", "f32") != "f32" else ""
    return f"the run itself{computed} {percentage(card['scores']['accuracy_of_the_run'])}"


def _repeated_text(scores: Mapping[str, Any]) -> str:
    """Returns the number of val images that are in train too, and the accuracy without them."""
    if scores["also_in_train"] is None:
        return "not recorded by the run"
    accuracy = percentage(scores["accuracy_without_those"])
    return f"{scores['also_in_train']:,}; without these {accuracy}"


def _calibration_cells(row: Mapping[str, Any]) -> list[str]:
    errors = (row["classwise_error"], row["top_label_error"])
    return [*map(decimal, errors), f"{row['predicted']:,}"]


def network_text(card: Mapping[str, Any]) -> str:
    """Returns the name of a card's network and its number of parameters."""
    return f"{card['model']}, {card['parameters']:,} parameters"


def accuracy_text(scores: Mapping[str, Any], addition: str = "") -> str:
    """Returns the accuracy of a card's scores with its interval, followed by an addition."""
    low, high = map(percentage, scores["accuracy_interval"])
    return f"{percentage(scores['accuracy'])} (95 %: {low} to {high}{addition})"


def coverage_line(sets: Mapping[str, Any]) -> dict[str, str]:
    """Returns {name: value} of the coverage: how often prediction sets hold the true emotion."""
    return {f"coverage of sets at {percentage(sets['asked'], 0)}": percentage(sets["coverage"])}


def _speed(speed: Mapping[str, Any] | None) -> list[str]:
    """Returns the section on speed, with all recognisers that were measured in the same run."""
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


def _exports(exports: Mapping[str, Any] | None) -> list[str]:
    """Returns the section on exported files, with ferjax's own results from the same run."""
    if not exports:
        return []
    header = ["file", "precision", "MB", "largest difference", "same emotion"]
    header += ["accuracy", "macro F1"]
    rows = [
        [
            escape(row["file"]) + (f" ({row['runs with']})" if row["runs with"] else ""),
            row["precision"],
            f"{row['bytes'] / 1e6:.2f}",
            _number(row["largest_difference"], ".1e"),
            percentage(row["agreement"]),
            percentage(row["accuracy"]),
            percentage(row.get("macro_f1")),
            *(_number((row["milliseconds"] or {}).get(size), ".2f") for size in ("1", "64")),
        ]
        for row in exports["rows"]
    ]
    notes = [escape(row["note"]) for row in exports["rows"] if row.get("note")]
    return [
        "## Exported files",
        f"Each was run in a fresh process without ferjax on {escape(exports['faces'])}, and"
        " compared with ferjax: probabilities, emotions, and the time of one face and of 64.",
        table([*header, "ms for one", "ms for 64"], rows, 2),
        *([_bullets(notes)] if notes else []),
    ]


def _number(value: float | None, format_spec: str) -> str:
    return "–" if value is None else format(value, format_spec)


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
