"""Tables of a report about the runs: experiments with their state, costs, and the data used."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from ferjax.reproduce.claim_table import Measure
from ferjax.reproduce.judging.estimates import NotMeasured, Results, estimate
from ferjax.reproduce.judging.metrics import METRICS
from ferjax.reproduce.paper_table import Paper
from ferjax.reproduce.reporting import texts

# Metrics and epochs of the headline numbers.
_HEADLINES = (("accuracy", "selected"), ("macro_f1", "selected"), ("accuracy", "last"))


def experiments_of(
    paper: Paper, results: Results, missing: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Returns a row for each experiment: what it is for, its state, its headline numbers."""
    rows = []
    for experiment in paper.experiments:
        runs = results.get(experiment.name, ())
        facts = runs[0].facts if runs else {}
        rows.append(
            {
                "name": experiment.name,
                "role": experiment.role,
                "why": experiment.why,
                "state": _state(len(runs), missing.get(experiment.name)),
                "departs": list(facts.get("departs", experiment.departs)),
                "dataset": facts.get("dataset", ""),
                "protocol": facts.get("config", {}).get("protocol") or "",
                "weights": _weights(facts),
                "command": facts.get("command", ""),
                "numbers": [
                    _number(results, Measure(experiment.name, metric, "test", epoch))
                    for metric, epoch in _HEADLINES
                ],
            }
        )
    listed = {row["name"] for row in rows}
    rows += [
        {
            "name": name,
            "role": "",
            "why": "",
            "state": why,
            "departs": [],
            "dataset": "",
            "protocol": "",
            "weights": "",
            "command": "",
            "numbers": ["" for _ in _HEADLINES],
        }
        for name, why in missing.items()
        if name not in listed
    ]
    return rows


def _state(runs: int, why: str | None) -> str:
    """Returns the number of runs in words, and why there are no runs or not all runs."""
    if not runs:
        return why or "not run yet"
    text = f"{runs} run{'s' * (runs != 1)}"
    return f"{text}; {why}" if why else text


def _weights(facts: Mapping[str, Any]) -> str:
    """Returns the initial weights of a run, with the digest of their file but without its path."""
    origin = (facts.get("protocol") or {}).get("weights' origin") or ()
    lines = [origin] if isinstance(origin, str) else [str(line) for line in origin[:2]]
    words = [word for line in lines for word in (*line.split(" "), ";")][:-1]
    words_without_paths = [
        word if "://" in word or "/" not in word else Path(word).name for word in words
    ]
    return " ".join(words_without_paths).replace(" ;", ";")


def _number(results: Results, measure: Measure) -> str:
    try:
        ours = estimate(results, measure)
    except NotMeasured:
        return ""
    text = texts.estimate_text(METRICS[measure.metric], ours)
    return text if ours.split == measure.split else f"{text} on {ours.split}"


def costs_of(results: Results) -> list[dict[str, Any]]:
    """Returns a row for each experiment: minutes per run, images/s, parameters, device."""
    rows = []
    for name, runs in results.items():
        minutes = [_minutes(run.facts) for run in runs]
        speeds = [s for run in runs if (s := run.facts.get("costs", {}).get("images_per_second"))]
        facts = runs[0].facts
        rows.append(
            {
                "experiment": name,
                "runs": len(runs),
                "minutes": round(fmean(minutes), 2),
                "total_minutes": round(sum(minutes), 2),
                "images_per_second": round(fmean(speeds), 1) if speeds else None,
                "parameters": facts.get("parameters"),
                "devices": facts.get("environment", {}).get("devices", ""),
            }
        )
    return rows


def _minutes(facts: Mapping[str, Any]) -> float:
    return float(facts.get("environment", {}).get("training wall time, minutes", 0.0))


def data_of(results: Results) -> list[dict[str, Any]]:
    """Returns a row for each different split that runs used, with the digest of its images.

    Val and test of protocols that select on test hold the same images, and have a row each.
    """
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name, runs in results.items():
        for split, split_record in runs[0].splits.items():
            dataset, digest = runs[0].facts.get("dataset", ""), str(split_record["digest"])
            row = rows.setdefault(
                (dataset, split, digest),
                {
                    "dataset": dataset,
                    "split": split,
                    "images": split_record["images"],
                    "source": split_record["source"],
                    "digest": digest,
                    "experiments": [],
                },
            )
            row["experiments"].append(name)
    return list(rows.values())
