"""Checkpoints, metrics.jsonl and the report of a training loop of your own.

`load_run`, `load_predictor` and `launch.predict` read the directory like that of any other run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np

import ferjax
from ferjax.config.format_versions import FORMAT, KEY
from ferjax.data.splits.class_counts import absent_class_warnings
from ferjax.data.splits.label_range import check_labels
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.evaluation.calibrated_scores import fit_calibration
from ferjax.evaluation.predictions_csv import write_predictions_csv
from ferjax.evaluation.protocol import summarise
from ferjax.evaluation.scores_and_figures import (
    judged_results,
    mistakes_figure,
    split_figures,
)
from ferjax.evaluation.seen_in_training import describe_seen
from ferjax.report.environment import describe_environment
from ferjax.report.figures.training_curves import draw_curves
from ferjax.report.pages.report_files import write_report
from ferjax.runs.recorded_splits import hold_to_splits
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec, spec_to_json
from ferjax.training.metrics import evaluation
from ferjax.training.run_directory.checkpoints import (
    open_checkpoints,
    restore_checkpoint,
    restore_meta,
    save_checkpoint,
)
from ferjax.training.run_directory.metrics_jsonl import (
    append_lines,
    cut_back,
    eval_line,
    read_lines,
    train_line,
)
from ferjax.training.run_directory.splits_file import read_split_record
from ferjax.training.state import TrainState
from ferjax.training.train_step import EpochSums


@dataclass(frozen=True)
class OwnRun:
    """The run directory of a training loop of your own; from `open_run`.

    Attributes:
      directory: holds `checkpoints/`, `metrics.jsonl` and the report.
      model: the network's name, for `create_model`.
      fields: its module fields.
      spec: how images become its input.
      classes: names of its logits.
      manager: Orbax's checkpoint manager; it keeps the latest and the best checkpoint.
      best: `epoch`, `step` and `accuracy` of the best evaluation so far; empty before the first.
    """

    directory: Path
    model: str
    fields: Mapping[str, Any]
    spec: InputSpec
    classes: tuple[str, ...]
    manager: Any
    best: dict[str, Any] = field(default_factory=dict)

    def restore(self, state: TrainState) -> TrainState:
        """Returns the state of the latest checkpoint, or `state` if there is no checkpoint.

        Args:
          state: at step 0, as `init_state` returns it; its shapes and devices are kept.

        Raises:
          UserError: a checkpoint of another network or optimizer.
        """
        if (latest := self.manager.latest_step()) is None:
            # Removes the lines of a process that ended before its first checkpoint.
            cut_back(self.directory, int(state.step))
            return state
        self.best.update(restore_meta(self.manager, latest)["best"])
        cut_back(self.directory, latest)
        return restore_checkpoint(self.manager, latest, state)

    def finish_epoch(
        self,
        epoch: int,
        state: TrainState,
        sums: EpochSums,
        logits: np.ndarray,
        labels: np.ndarray,
        learning_rate: float = float("nan"),
    ) -> float:
        """Writes an epoch's lines to metrics.jsonl and saves a checkpoint; returns val accuracy.

        Lines and checkpoint are on disk when it returns.

        Args:
          epoch: number of finished epochs, from 1.
          state: the state after the epoch.
          sums: running sums of the epoch, from the training step.
          logits: float [N, K] of the selection split (`val`).
          labels: int [N] of that split.
          learning_rate: the learning rate, for the log.
        """
        step, result = int(state.step), evaluation(np.asarray(logits), np.asarray(labels))
        lines = [
            train_line(epoch, step, sums, learning_rate, {}),
            eval_line(epoch, step, result, "val", self.classes),
        ]
        append_lines(self.directory, lines)
        if result.accuracy > self.best.get("accuracy", -1.0):
            self.best.update(epoch=epoch, step=step, accuracy=result.accuracy)
        save_checkpoint(self.manager, state, self._meta(epoch, state), result.accuracy)
        self.manager.wait_until_finished()
        return result.accuracy

    def _meta(self, epoch: int, state: TrainState) -> dict[str, Any]:
        return {
            KEY: FORMAT,
            "ferjax": ferjax.__version__,
            "model": self.model,
            "fields": dict(self.fields),
            "classes": list(self.classes),
            "spec": spec_to_json(self.spec),
            "start": None,
            "epoch": epoch,
            "averaged": sorted(flatten(state.ema or {})),
            "best": dict(self.best),
        }


@contextmanager
def open_run(
    directory: str | Path,
    model: str,
    spec: InputSpec,
    classes: Sequence[str],
    fields: Mapping[str, Any] | None = None,
    splits: Mapping[str, Split] | None = None,
) -> Iterator[OwnRun]:
    """Opens the run directory of an own training loop; the block ends after the last save.

    Args:
      directory: a new folder, or that of the same loop to continue from its latest checkpoint.
      model: the network's name, ferjax's own or registered, so that the run can be loaded again.
      spec: how images become its input.
      classes: names of its logits.
      fields: module fields that the network was created with.
      splits: name → split that the loop trains and evaluates on, such as `bundle.splits`. They are
        recorded and compared when the loop continues; the report counts evaluated training images.

    Raises:
      UserError: the directory contains the run of another network, or other files; or `splits`
        differ from those at the start of the loop, or have labels outside `classes`.
    """
    check_labels(splits or {}, classes)
    path = Path(directory).expanduser()
    if path.is_dir() and any(path.iterdir()) and not (path / "checkpoints").is_dir():
        raise UserError(f"{path} holds other files. Name a new folder, or that of an own run.")
    path.mkdir(parents=True, exist_ok=True)
    with open_checkpoints(path) as manager:
        run = OwnRun(path, model, fields or {}, spec, tuple(classes), manager)
        if (latest := manager.latest_step()) is not None:
            meta = restore_meta(manager, latest)
            if (meta["model"], tuple(meta["classes"])) != (run.model, run.classes):
                raise UserError(
                    f"{path} is a run of {meta['model']} on {', '.join(meta['classes'])}. Name"
                    " another folder."
                )
        if splits is not None:
            hold_to_splits(path, classes, splits)
        yield run


def write_own_report(
    run: OwnRun,
    title: str,
    logits: Mapping[str, np.ndarray],
    splits: Mapping[str, Split],
    protocol: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the report of an own loop, its pictures and predictions_<split>.csv.

    Returns the path of report.md; report.json is beside it.

    Args:
      run: from `open_run`, after its last epoch.
      title: title of the report.
      logits: split name → logits float [N, K] of the selected (or last) parameters.
      splits: the same names → splits, for labels and images.
      protocol: key → text, more facts for the report on how the numbers were computed.
    """
    lines, epoch = read_lines(run.directory), run.best.get("epoch", 0)
    figures = [{"file": "curves.png", "caption": "Loss and accuracy over the epochs"}]
    draw_curves(lines, run.directory / "curves.png", epoch, title, (0,))
    evaluations = {
        name: evaluation(np.asarray(values), splits[name].labels) for name, values in logits.items()
    }
    fit = fit_calibration(evaluations["val"], "val") if "val" in evaluations else None
    fits = {(name, "selected"): fit for name in evaluations if fit and name != "val"}
    results_by_split = {name: {"selected": result} for name, result in evaluations.items()}
    votes = {name: splits[name].votes for name in results_by_split}
    results = judged_results(results_by_split, run.classes, {"selected": epoch}, votes, fits)
    for name, result in evaluations.items():
        figures += split_figures(result, run.classes, run.directory, name, title)
        write_predictions_csv(result, splits[name], run.classes, run.directory)
    # The mistakes are those of the last split, which is test if there is a test split.
    last = list(evaluations)[-1]
    figures.append(
        mistakes_figure(evaluations[last], splits[last], run.classes, run.directory, title)
    )
    record = read_split_record(run.directory)
    seen = {
        name: describe_seen(record, replace(splits[name], name=name), "", is_own=False)
        for name in (logits if record else ())
    }
    trained_on = [f"{name}: {text}" for name, (text, _) in seen.items()]
    report = {
        "title": title,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "summary": summarise(results),
        "protocol": {
            "training loop": "the user's own",
            "checkpoint selected by": "accuracy on val",
            "classes": list(run.classes),
            "images trained on": trained_on or "not recorded: give `open_run` the splits",
            **(protocol or {}),
        },
        "results": results,
        "config": {"model": run.model, **run.fields},
        "environment": describe_environment(jax.devices(), 0.0),
        "warnings": [
            *absent_class_warnings(splits, run.classes),
            *(f"{name}: {warning}" for name, (_, warnings) in seen.items() for warning in warnings),
        ],
        "notes": [],
        "figures": figures,
    }
    return write_report(report, run.directory)
