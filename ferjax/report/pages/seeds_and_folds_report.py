"""Report of several seeds or folds: mean, standard deviation, pooled confusion matrix of folds."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.data.splits.protocols.registry import stamp, stamped_summary
from ferjax.report.headline import HEADLINE
from ferjax.report.scores import scores

# Kind of series → name of a run's folder.
_FOLDERS = {"seed": "seed_{}", "fold": "fold_{:02}"}


def run_folder(kind: str, number: int) -> str:
    """Returns the folder name of one run; `kind` is `seed` or `fold`."""
    return _FOLDERS[kind].format(number)


def seeds_and_folds_report(kind: str, reports: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the common report of runs that differ in their seed or fold.

    Args:
      kind: `seed` or `fold`.
      reports: number of the seed or fold → report of the run in `run_folder(kind, number)`.

    Returns:
      The report for `write_seeds_and_folds_report`: accuracy and macro-F1 of every split and
      checkpoint, one row for each run, their mean, and their sample standard deviation (None for a
      single run); `scores` has mean and deviation of every headline score. For folds also
      `pooled`: the scores over the test images of all folds; each image is predicted by the run
      that did not train on it.
    """
    rows = [
        {kind: number, "directory": run_folder(kind, number), **_rates(report["results"])}
        for number, report in reports.items()
    ]
    columns = {key: [row[key] for row in rows] for key in rows[0] if key not in (kind, "directory")}
    mean = {key: statistics.fmean(numbers) for key, numbers in columns.items()}
    deviation = {
        key: statistics.stdev(numbers) if len(numbers) > 1 else None
        for key, numbers in columns.items()
    }
    headline_key = next(
        key for key in ("test_selected_accuracy", "val_selected_accuracy") if key in mean
    )
    spread = deviation[headline_key]
    spread_text = "" if spread is None else f" ± {100 * spread:.2f}"
    first = next(iter(reports.values()))
    summary = (
        f"{headline_key.replace('_', ' ')}: {100 * mean[headline_key]:.2f}{spread_text} %"
        " (mean ± sample standard deviation)"
    )
    return {
        "title": f"{first['title']}, {len(rows)} {kind}s",
        "summary": stamped_summary(summary, first["protocol"].get("name")),
        "kind": kind,
        "rows": rows,
        "mean": mean,
        "deviation": deviation,
        "scores": _headline_over_runs([report["results"] for report in reports.values()]),
        "pooled": _pooled(reports) if kind == "fold" else None,
        "protocol": {**_protocol(kind, reports), f"{kind}s": [str(number) for number in reports]},
        "warnings": _warnings(kind, reports),
    }


def _protocol(kind: str, reports: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the protocol of all runs; an entry that differs has a line for each run."""
    protocols = {number: report["protocol"] for number, report in reports.items()}
    first = next(iter(protocols.values()))
    return {
        key: value
        if all(protocol.get(key) == value for protocol in protocols.values())
        else [
            f"{kind} {number}: {_text(run_protocol.get(key, '-'))}"
            for number, run_protocol in protocols.items()
        ]
        for key, value in first.items()
        if key != "predictions"  # each run has its own files
    }


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _warnings(kind: str, reports: Mapping[int, Mapping[str, Any]]) -> list[str]:
    """Returns the warnings of all runs; a warning of some runs only begins with their numbers.

    The stamp of a protocol other than ferjax's own comes first.
    """
    first = stamp(next(iter(reports.values()))["protocol"].get("name"))
    runs_of: dict[str, list[int]] = {}
    for number, report in reports.items():
        for text in report["warnings"]:
            runs_of.setdefault(text, []).append(number)
    return [
        text
        if len(numbers) == len(reports)
        else f"{kind}{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}: {text}"
        for text, numbers in sorted(
            runs_of.items(), key=lambda item: (item[0] not in first, item[0])
        )
    ]


def _rates(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, float]:
    return {
        f"{split}_{which}_{name}": value
        for split, kinds in results.items()
        for which, result in kinds.items()
        for name, value in (("accuracy", result["accuracy"]), ("macro_f1", result["macro"]["f1"]))
    }


def _headline_over_runs(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns split → weights → `mean` and `deviation` of each score of `HEADLINE` over the runs.

    Splits and weights without headline scores in one of the runs are left out. A score that is not
    defined in one of the runs is None.
    """
    over_runs: dict[str, Any] = {}
    for split, kinds in results[0].items():
        for which in kinds:
            runs = [result.get(split, {}).get(which, {}).get("headline") for result in results]
            if all(runs):
                over_runs.setdefault(split, {})[which] = _mean_and_deviation(runs)
    return over_runs


def _mean_and_deviation(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {"mean": {}, "deviation": {}}
    for name in HEADLINE:
        numbers = [run[name] for run in runs if run.get(name) is not None]
        defined = len(numbers) == len(runs)
        result["mean"][name] = statistics.fmean(numbers) if defined else None
        several = defined and len(numbers) > 1
        result["deviation"][name] = statistics.stdev(numbers) if several else None
    return result


def _pooled(reports: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the scores of the summed confusion matrices of all folds at their selected epochs."""
    tests = [report["results"]["test"]["selected"] for report in reports.values()]
    return scores(np.sum([test["confusion"] for test in tests], 0), tests[0]["classes"])
