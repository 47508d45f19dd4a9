"""Checkpoints and metrics.jsonl of a training loop of your own.

`load_run`, `load_predictor` and `launch.predict` read the directory like that of any other run.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import ferjax
from ferjax.config.format_versions import FORMAT, KEY
from ferjax.data.splits.label_range import check_labels
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
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
    train_line,
)
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

    def network_facts(self) -> dict[str, Any]:
        """Returns model, fields, classes and input of the network, for the checkpoints."""
        return {
            "model": self.model,
            "fields": dict(self.fields),
            "classes": list(self.classes),
            "spec": spec_to_json(self.spec),
        }

    def _meta(self, epoch: int, state: TrainState) -> dict[str, Any]:
        return {
            KEY: FORMAT,
            "ferjax": ferjax.__version__,
            **self.network_facts(),
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
      UserError: the directory contains a run of another network or input, or other files; or
        `splits` differ from those at the start of the loop, or have labels outside `classes`.
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
            for name, value in run.network_facts().items():
                # As text, because JSON has lists in place of tuples.
                if json.dumps(meta[name], sort_keys=True) != json.dumps(value, sort_keys=True):
                    raise UserError(
                        f"{path} is a run with {name}={meta[name]}, this loop has {value}. Give it"
                        " as it was, or name another folder."
                    )
        if splits is not None:
            hold_to_splits(path, classes, splits)
        yield run
