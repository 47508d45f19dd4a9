"""Several seeds of one experiment, as one report."""

import statistics
from collections.abc import Mapping
from typing import Any


def seeds_report(reports: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the top report of runs that differ in their seed, for `write_seeds_report`.

    Args:
      reports: seed → report of the run in `seed_<seed>/`.

    Returns:
      Accuracy and macro-F1 of every split and checkpoint: a row a seed, their mean, and their
      sample standard deviation (None where there is one seed).
    """
    rows = [_row(seed, report["results"]) for seed, report in reports.items()]
    columns = {key: [row[key] for row in rows] for key in rows[0] if key not in _NAMES}
    mean = {key: statistics.fmean(numbers) for key, numbers in columns.items()}
    deviation = {
        key: statistics.stdev(numbers) if len(numbers) > 1 else None
        for key, numbers in columns.items()
    }
    head = next(k for k in ("test_selected_accuracy", "val_selected_accuracy") if k in mean)
    spread = deviation[head]
    spread_text = "" if spread is None else f" ± {100 * spread:.2f}"
    first = next(iter(reports.values()))
    return {
        "title": f"{first['title']}, {len(rows)} seeds",
        "summary": f"{head.replace('_', ' ')}: {100 * mean[head]:.2f}{spread_text} %"
        " (mean ± sample standard deviation)",
        "seeds": list(reports),
        "rows": rows,
        "mean": mean,
        "deviation": deviation,
        "protocol": {**first["protocol"], "seeds": [str(seed) for seed in reports]},
        "warnings": sorted({text for report in reports.values() for text in report["warnings"]}),
    }


_NAMES = ("seed", "directory")


def _row(seed: int, results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    row: dict[str, Any] = {"seed": seed, "directory": f"seed_{seed}"}
    for split, kinds in results.items():
        for which, scores in kinds.items():
            row[f"{split}_{which}_accuracy"] = scores["accuracy"]
            row[f"{split}_{which}_macro_f1"] = scores["macro"]["f1"]
    return row
