"""Compares runs: scores with intervals, tests of every pair, recall, settings, and the report."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.compare_config import CompareConfig
from ferjax.data.splits.protocols.registry import stamp
from ferjax.evaluation.comparison.compared_runs import ComparedRun, common_split, load_compared
from ferjax.evaluation.evaluation_folder import check_writable
from ferjax.report.figures.compared_runs import draw_compared_curves, draw_differences
from ferjax.report.headline import HEADLINE
from ferjax.report.headline_intervals import headline_intervals
from ferjax.report.pages.comparison_files import write_comparison
from ferjax.report.paired_tests import bootstrap_scores, holm, mcnemar, paired_difference, welch
from ferjax.runtime.new_folder import check_new_folder, filled_when_complete
from ferjax.training.metrics import recall_by_class

_LEVEL = 0.05
_TESTED_SCORES = ("accuracy", "macro_f1")
# Settings whose differences between runs have no meaning.
_IGNORED_SETTINGS = (
    "workdir",
    "out",
    "progress",
    "resume",
    "overwrite",
    "cache_dir",
    "seed",
    "seeds",
    "split",
)


def compare_runs(config: CompareConfig, words: Sequence[str]) -> dict[str, Any]:
    """Compares runs on the same images and writes a report folder; returns the report.

    Args:
      config: the flags.
      words: folders of runs, of evaluations, or of series of seeds or folds: two or more.

    Returns:
      The report, with the `path` of its report.md.

    Raises:
      UserError: folders that cannot be compared, or an output folder that exists.
    """
    folders = [Path(word).expanduser() for word in words]
    split = common_split(folders, config.split)
    runs, notes = load_compared(folders, split, shared=config.shared)
    names = "+".join(run.name.replace("/", "_") for run in runs)[:120]
    out = Path(config.out) if config.out else Path("comparisons") / f"{names}-{split}"
    check_new_folder(out)
    check_writable(out, "Give --out=DIR, a folder for the report elsewhere.")
    report = comparison(runs, split, notes)
    title = report["title"]
    with filled_when_complete(out) as folder:
        if any(run.lines for run in runs):
            curves = {run.name: run.lines for run in runs if run.lines}
            draw_compared_curves(curves, folder / "curves.png", title)
            caption = "Accuracy and loss on val over the epochs; on train dashed"
            report["figures"].append({"file": "curves.png", "caption": caption})
        draw_differences(report["pairs"], folder / "differences.png", title)
        caption = "Differences of every pair with their 95 % intervals"
        report["figures"].insert(0, {"file": "differences.png", "caption": caption})
        page = write_comparison(report, folder)
    return {**report, "path": str(out / page.name)}


def comparison(runs: Sequence[ComparedRun], split: str, notes: Sequence[str]) -> dict[str, Any]:
    """Returns the report of a comparison, without figures.

    Args:
      runs: from `load_compared`; all have the same images.
      split: the judged split.
      notes: remarks on the images that were left out.
    """
    entries = [_entry(run) for run in runs]
    pairs = _pairs(runs, entries)
    count, classes = len(runs[0].predictions[0].labels), runs[0].predictions[0].classes
    return {
        "title": f"{len(runs)} runs compared on {_data(runs)}{split}, {count:,} images",
        "summary": _summary(entries, pairs),
        "split": split,
        "images": count,
        "classes": list(classes),
        "runs": entries,
        "pairs": pairs,
        "settings": _settings(runs),
        "warnings": _warnings(runs),
        "notes": list(notes),
        "figures": [],
    }


def _entry(run: ComparedRun) -> dict[str, Any]:
    """Returns the scores of a run; for several seeds their mean and sample standard deviation."""
    classes, scores = run.predictions[0].classes, [each.scores() for each in run.predictions]
    recalls = []
    for predictions in run.predictions:
        k = len(classes)
        cells = predictions.labels * k + predictions.predicted
        confusion = np.bincount(cells, minlength=k * k).reshape(k, k)
        recalls.append(recall_by_class(confusion, classes))
    single = len(scores) == 1
    (first, *_) = run.predictions
    intervals = headline_intervals(first.probabilities, first.labels, classes) if single else {}
    return {
        "name": run.name,
        "folder": str(run.folder),
        "title": run.title,
        "seeds": list(run.seeds),
        "scores": {name: _mean([each[name] for each in scores]) for name in HEADLINE},
        "intervals": {name: bounds and list(bounds) for name, bounds in intervals.items()},
        "deviation": {name: _deviation([each[name] for each in scores]) for name in HEADLINE},
        "each_seed": scores if run.seeds else [],
        "recall": {name: _mean([each[name] for each in recalls]) for name in classes},
        "support": {
            name: int(count)
            for name, count in zip(
                classes, np.bincount(first.labels, minlength=len(classes)), strict=True
            )
        },
    }


def _pairs(runs: Sequence[ComparedRun], entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the tests of every pair, corrected for the number of pairs."""
    classes = len(runs[0].predictions[0].classes)
    draws = [
        bootstrap_scores(run.predictions[0].labels, [e.predicted for e in run.predictions], classes)
        for run in runs
    ]
    pairs = []
    for i, j in combinations(range(len(runs)), 2):
        pair: dict[str, Any] = {"first": runs[i].name, "second": runs[j].name}
        for name in _TESTED_SCORES:
            difference = entries[i]["scores"][name] - entries[j]["scores"][name]
            test = paired_difference(draws[i][name], draws[j][name])
            pair[name] = {"difference": difference, **test}
        if not runs[i].seeds and not runs[j].seeds:
            correct = [
                each.predicted == each.labels
                for run in (runs[i], runs[j])
                for each in run.predictions
            ]
            pair["mcnemar"] = mcnemar(correct[0], correct[1])
            pair["accuracy"]["p"] = pair["mcnemar"]["p"]
        accuracies = [[each["accuracy"] for each in entries[k]["each_seed"]] for k in (i, j)]
        pair["over_seeds"] = welch(*accuracies)
        pairs.append(pair)
    for name in _TESTED_SCORES:
        corrected = holm([pair[name]["p"] for pair in pairs])
        for pair, p in zip(pairs, corrected, strict=True):
            pair[name]["holm"] = p
    corrected = holm([pair["over_seeds"] and pair["over_seeds"]["p"] for pair in pairs])
    for pair, p in zip(pairs, corrected, strict=True):
        if pair["over_seeds"]:
            pair["over_seeds"]["holm"] = p
    return pairs


def _summary(entries: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]]) -> str:
    """Returns the best run, and the runs that it exceeds by more than chance, in words."""
    best = max(entries, key=lambda entry: entry["scores"]["accuracy"])
    name = best["name"]
    exceeded = [
        pair["second"] if pair["first"] == name else pair["first"]
        for pair in pairs
        if name in (pair["first"], pair["second"]) and pair["accuracy"]["holm"] < _LEVEL
    ]
    best_text = f"highest accuracy: {name}, {100 * best['scores']['accuracy']:.2f} %"
    if not exceeded:
        return f"{best_text}; no difference from the others is beyond chance (Holm-corrected, 5 %)"
    rest = len(entries) - 1 - len(exceeded)
    text = f"{best_text}; higher than {', '.join(exceeded)} beyond chance (Holm-corrected, 5 %)"
    return text + (f", not than {'the other' if rest == 1 else f'{rest} others'}" if rest else "")


def _data(runs: Sequence[ComparedRun]) -> str:
    """Returns the name of the data set if all runs have the same one, else an empty text."""
    names = {str(run.settings.get("dataset") or "") for run in runs}
    return f"{names.pop()} " if len(names) == 1 and names != {""} else ""


def _warnings(runs: Sequence[ComparedRun]) -> list[str]:
    """Returns the warnings of all runs, each once, after the names of the runs that have it."""
    texts = dict.fromkeys(text for run in runs for text in run.warnings)
    # The breaches of a protocol come first, as in the report of a run.
    first = stamp(*(run.settings.get("protocol") for run in runs))
    return [
        f"{', '.join(run.name for run in runs if text in run.warnings)}: {text}"
        for text in sorted(texts, key=lambda text: text not in first)
    ]


def _settings(runs: Sequence[ComparedRun]) -> dict[str, list[Any]]:
    """Returns setting → values of all runs, for the settings in which the runs differ."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    values = {name: [run.settings.get(name) for run in runs] for name in names}
    return {
        name: run_values
        for name, run_values in values.items()
        if name not in _IGNORED_SETTINGS and any(value != run_values[0] for value in run_values)
    }


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _deviation(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.std(defined, ddof=1)) if len(defined) > 1 else None
