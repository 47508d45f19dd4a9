"""What a study has found, as plain values: a row a trial, the best of them, the report."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.search.search_plan import Search, trial_folder
from ferjax.search.search_space import Choice, format_space, settings_of

# Optuna's states → words.
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
# Flags of the search's own display and folders, of no use to the run that repeats its best trial.
_OWN = ("progress",)


def trial_rows(search: Search, study: Any) -> list[dict[str, Any]]:
    """Returns a row for each trial, in their order.

    `number`, `state` (complete, pruned, failed, running), `accuracy` (val, in [0, 1]: of the
    selected epoch; the best so far of a trial that did not complete; or None), `epochs` finished,
    `minutes`, `failure` (the reason, or None), `directory`, `values` {field: number, choice's text,
    or None}.
    """
    return [_row(search, trial) for trial in study.get_trials(deepcopy=False)]


def _row(search: Search, trial: Any) -> dict[str, Any]:
    state, reported = _STATES[trial.state.name], trial.intermediate_values
    settings = settings_of(search.space, trial.params)
    so_far = None if state == "failed" else max(reported.values(), default=None)
    return {
        "number": trial.number,
        "state": state,
        "accuracy": trial.value if state == "complete" else so_far,
        "epochs": max(reported, default=0),
        "minutes": trial.user_attrs.get("seconds", 0.0) / 60,
        "failure": trial.user_attrs.get("failure"),
        "directory": trial_folder(trial.number),
        "values": {
            name: (trial.params if isinstance(values, Choice) else settings).get(name)
            for name, values in search.space.items()
        },
    }


def best_row(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Returns the complete trial of highest val accuracy, ties to the earlier, or None."""
    complete = [row for row in rows if row["state"] == "complete"]
    return max(complete, key=lambda row: row["accuracy"], default=None)


def best_command(search: Search, row: Mapping[str, Any]) -> str:
    """Returns the command line that trains a trial again, in a run directory of its own."""
    point = {name: value for name, value in row["values"].items() if value is not None}
    given = {**search.fixed, **settings_of(search.space, point)}
    flags = [_flag(name, value) for name, value in given.items() if name not in _OWN]
    return shlex.join(["python", "-m", "launch.train", *flags])


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"


def study_report(search: Search, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns what `report.trials.write_trials_report` takes.

    The test split's numbers are the best trial's alone, and not there before every trial has ended.
    """
    total = search.config.trials
    states = Counter(row["state"] for row in rows)
    ended = len(rows) - states["running"]
    best, done = best_row(rows), ended >= total
    run = _run_report(search.out / best["directory"] / "report.json") if best else {}
    results = {k: v for k, v in run.get("results", {}).items() if done or k == "val"}
    warnings = list(run.get("warnings", [])) if done else [f"unfinished: {ended} of {total} trials"]
    base = search.base
    return {
        "title": f"search: {base.model} on {base.dataset}, {ended} trials",
        "summary": _summary(best, results, ended),
        "best": best,
        "command": best_command(search, best) if best else None,
        "results": results,
        "rows": list(rows),
        "fields": {
            name: {"choices": values.texts} if isinstance(values, Choice) else asdict(values)
            for name, values in search.space.items()
        },
        "protocol": _protocol(search, states, done, run),
        "config": dict(search.fixed),
        "environment": run.get("environment", {}),
        "warnings": warnings,
    }


def _run_report(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: the best trial's report cannot be read ({error.strerror}). Put it back: the"
            " study counts that trial as complete."
        ) from None


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
    config, of_best = search.config, best_run.get("protocol", {})
    ended = ", ".join(f"{states[word]} {word}" for word in _STATES.values() if states[word])
    when = "stand here, all trials having ended" if done else "follow when all trials have ended"
    test = f"not read by the search (each trial's own report has its); the best trial's {when}"
    if best_run and "test" not in best_run["results"]:
        test = "not on disk"
    kept = ("data set", "splits", "classes", "recipe", "weights' origin", "train/test overlap")
    return {
        "space": [format_space({name: values}) for name, values in search.space.items()],
        "sampler": f"{config.sampler}, search seed {config.search_seed}",
        "pruner": config.pruner,
        "trials": ended or "none",
        "selection": "highest val accuracy of a trial's selected epoch, ties to the earlier trial;"
        " that number is optimistic, the more so the more trials",
        "test": test,
        **{name: of_best[name] for name in kept if name in of_best},
    }
