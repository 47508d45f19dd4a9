"""Summary of a search: one row for each trial, the best trial, its command line, the report."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ferjax.config.given_files import read_json_object
from ferjax.config.idle_flags import idle_flags
from ferjax.recipes import resolve_with_idle
from ferjax.search.search_plan import Search, trial_folder
from ferjax.search.search_space import Choice, format_space, settings_from_point

# Optuna's trial state → its name in the report.
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
# Display flags; they are left out of the command line of the best trial.
_DISPLAY = ("progress",)


def trial_rows(search: Search, study: Any) -> list[dict[str, Any]]:
    """Returns a row for each trial, by number.

    A row has `number`, `state` (complete, pruned, failed, running), `accuracy` (on val, in [0, 1]:
    that of the selected epoch; for an incomplete trial the best so far, or None), `epochs` (number
    of finished epochs), `minutes`, `failure` (the reason, or None), `directory`, and `values`
    {field: number, text of the choice, or None}.
    """
    return [_row(search, trial) for trial in study.get_trials(deepcopy=False)]


def _row(search: Search, trial: Any) -> dict[str, Any]:
    state, accuracies = _STATES[trial.state.name], trial.intermediate_values
    settings = settings_from_point(search.space, trial.params)
    so_far = None if state == "failed" else max(accuracies.values(), default=None)
    return {
        "number": trial.number,
        "state": state,
        "accuracy": trial.value if state == "complete" else so_far,
        "epochs": max(accuracies, default=0),
        "minutes": trial.user_attrs.get("seconds", 0.0) / 60,
        "failure": trial.user_attrs.get("failure"),
        "directory": trial_folder(trial.number),
        "values": {
            name: (trial.params if isinstance(values, Choice) else settings).get(name)
            for name, values in search.space.items()
        },
    }


def ended_trials(rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Returns the numbers of the trials that are not running."""
    return {row["number"] for row in rows if row["state"] != "running"}


def new_trial_lines(rows: Sequence[Mapping[str, Any]], total: int, reported: set[int]) -> list[str]:
    """Returns a line for each trial that has ended since the last call.

    Args:
      rows: from `trial_rows`.
      total: number of trials of the search.
      reported: numbers of trials with a line so far; the numbers of the new lines are added.
    """
    ended, best, lines = ended_trials(rows), best_row(rows), []
    for row in rows:
        if row["number"] not in ended - reported:
            continue
        reported.add(row["number"])
        accuracy = "-" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f} %"
        values = "".join(f"  {name}={v}" for name, v in row["values"].items() if v is not None)
        line = (
            f"trial {row['number']} {row['state']}{values}  val {accuracy}  {row['epochs']} epochs"
            f"  {row['minutes']:.1f} min  {len(ended)} of {total} trials"
        )
        if best:
            line += f"  best {100 * best['accuracy']:.1f} % (trial {best['number']})"
        lines.append(line + (f"  ({row['failure']})" if row["failure"] else ""))
    return lines


def best_row(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Returns the complete trial with the highest val accuracy (ties: the first), or None."""
    complete = [row for row in rows if row["state"] == "complete"]
    return max(complete, key=lambda row: row["accuracy"], default=None)


def best_command(search: Search, row: Mapping[str, Any]) -> str:
    """Returns the command line that trains a trial again, in a new run directory."""
    point = {name: value for name, value in row["values"].items() if value is not None}
    settings = {**search.fixed, **settings_from_point(search.space, point)}
    idle = idle_flags(vars(resolve_with_idle(settings)))
    settings = {name: value for name, value in settings.items() if name not in idle}
    flags = [f"--import={','.join(search.imports)}"] if search.imports else []
    flags += [_flag(name, value) for name, value in settings.items() if name not in _DISPLAY]
    return shlex.join(["python", "-m", "launch.train", *flags])


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"


def study_report(search: Search, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the report for `report.pages.search_files.write_trials_report`.

    Test results are those of the best trial only, and appear only after all trials have ended.
    """
    total = search.trials
    states = Counter(row["state"] for row in rows)
    ended = len(rows) - states["running"]
    best, is_finished = best_row(rows), ended >= total
    run = _run_report(search.out / best["directory"] / "report.json") if best else {}
    results = {k: v for k, v in run.get("results", {}).items() if is_finished or k == "val"}
    warnings = (
        list(run.get("warnings", [])) if is_finished else [f"unfinished: {ended} of {total} trials"]
    )
    models = ", ".join(base.model for base in search.bases)
    return {
        "title": f"search: {models} on {search.base.dataset}, {ended} trials",
        "summary": _summary(best, results, ended),
        "best": best,
        "command": best_command(search, best) if best else None,
        "results": results,
        "rows": list(rows),
        "fields": {
            name: {"choices": values.texts} if isinstance(values, Choice) else asdict(values)
            for name, values in search.space.items()
        },
        "protocol": _protocol(search, states, is_finished, run),
        "config": dict(search.fixed),
        "environment": run.get("environment", {}),
        "warnings": warnings,
    }


def _run_report(path: Path) -> dict[str, Any]:
    return read_json_object(
        path, "It is the report of the best trial, which the study counts as complete: put it back."
    )


def _summary(best: Mapping[str, Any] | None, results: Mapping[str, Any], ended: int) -> str:
    if best is None:
        return f"no trial of {ended} has completed"
    accuracy, number = best["accuracy"], best["number"]
    text = (
        f"best val accuracy {100 * accuracy:.2f} % (trial {number}, selected on val among {ended})"
    )
    if test := results.get("test"):
        text += f"; its test accuracy {100 * test['selected']['accuracy']:.2f} %"
    return text


def _protocol(
    search: Search, states: Mapping[str, int], done: bool, best_run: Mapping[str, Any]
) -> dict[str, Any]:
    config, best_protocol = search.config, best_run.get("protocol", {})
    ended = ", ".join(f"{states[word]} {word}" for word in _STATES.values() if states[word])
    when = "are in this report" if done else "follow when all trials have ended"
    test = f"not used by the search; test results of the best trial {when}"
    if best_run and "test" not in best_run["results"]:
        test = "not on disk"
    copied = ("data set", "splits", "classes", "recipe", "weights' origin", "train/test overlap")
    return {
        "space": [format_space({name: values}) for name, values in search.space.items()],
        "sampler": f"{config.sampler}, search seed {config.search_seed}",
        "pruner": config.pruner,
        "trials": ended or "none",
        "selection": "highest val accuracy of a trial's selected epoch, ties to the earlier trial;"
        " this accuracy is optimistic, the more so the more trials there are",
        "test": test,
        **{name: best_protocol[name] for name in copied if name in best_protocol},
    }
