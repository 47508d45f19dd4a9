"""Checkpoints and metrics.jsonl of a training loop of your own.

`load_run`, `load_predictor` and `launch.predict` read the directory like that of any other run.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import ferjax
from ferjax.config.format_versions import FORMAT, KEY
from ferjax.data.splits.label_range import check_labels
from ferjax.data.splits.split import Split
from ferjax.errors import UserError
from ferjax.models.registry import create_model
from ferjax.own_loop.scores import checked_evaluation
from ferjax.runs.recorded_splits import hold_to_splits
from ferjax.runtime.processes import is_first, on_first
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec, spec_to_json
from ferjax.training.run_directory.checkpoints import (
    open_checkpoints,
    restore_checkpoint,
    restore_meta,
    save_checkpoint,
)
from ferjax.training.run_directory.config_and_lock import (
    CONFIG_FILE,
    check_place,
    lasting_entries,
    run_dir_lock,
)
from ferjax.training.run_directory.metrics_jsonl import (
    append_lines,
    cut_back,
    eval_line,
    train_line,
)
from ferjax.training.state import TrainState, all_finite
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
    # Steps of the checkpoints that this loop restored or saved.
    _own_steps: set[int] = field(default_factory=set, repr=False)

    def restore(self, state: TrainState) -> TrainState:
        """Returns the state of the latest checkpoint, or `state` if there is no checkpoint.

        Args:
          state: at step 0, as `init_state` returns it; its shapes and devices are kept.

        Raises:
          UserError: a checkpoint of another network or optimizer.
        """
        if (latest := self.manager.latest_step()) is None:
            return state
        restored = restore_checkpoint(self.manager, latest, state)
        self._own_steps.add(latest)
        return restored

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

        Raises:
          UserError: a checkpoint that the loop did not restore, or of this or a later step, exists;
            parameters or logits are not finite; logits, labels and classes do not fit each other;
            or `sums` are those before the first step.
        """
        step = int(state.step)
        self._check_continues(step)
        if not all_finite(state.params):
            raise UserError(
                f"{self.directory}: a parameter is not finite at step {step} (epoch {epoch})."
                " Nothing was written, earlier checkpoints are kept. Use a lower learning rate, or"
                " clip the gradients."
            )
        if not (float(sums.weight) and int(sums.count)):
            raise UserError(
                f"{self.directory}: the sums of epoch {epoch} count no image. Give the sums that"
                " the training step returned, before they are set to `zero_sums()` again."
            )
        result = checked_evaluation(logits, labels, self.classes)
        lines = [
            train_line(epoch, step, sums, learning_rate, {}),
            eval_line(epoch, step, result, "val", self.classes),
        ]
        if is_first():
            append_lines(self.directory, lines)
        if result.accuracy > self.best.get("accuracy", -1.0):
            self.best.update(epoch=epoch, step=step, accuracy=result.accuracy)
        save_checkpoint(self.manager, state, self._meta(epoch, state), result.accuracy)
        self.manager.wait_until_finished()
        self._own_steps.add(step)
        return result.accuracy

    def network_facts(self) -> dict[str, Any]:
        """Returns model, fields, classes and input of the network, for the checkpoints."""
        return {
            "model": self.model,
            "fields": dict(self.fields),
            "classes": list(self.classes),
            "spec": spec_to_json(self.spec),
        }

    def _check_continues(self, step: int) -> None:
        """Raises `UserError` unless a state at `step` continues the latest checkpoint."""
        latest = self.manager.latest_step()
        if latest is not None and (latest not in self._own_steps or step <= latest):
            raise UserError(
                f"{self.directory} holds a checkpoint of step {latest}, and this loop, at step"
                f" {step}, does not continue it. Nothing was written. Begin the loop with"
                " `state = run.restore(state)`, or name another folder."
            )

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
      UserError: the directory contains a run of another network or input, a run of `launch.train`
        or other files; another process has it open; there is no such network; or `splits` differ
        from those at the start of the loop, or have labels outside `classes`.
    """
    check_labels(splits or {}, classes)
    create_model(model, len(classes), **(fields or {}))
    path = Path(directory).expanduser()
    check_place(path)
    _check_content(path)
    with ExitStack() as stack:
        on_first(lambda: stack.enter_context(run_dir_lock(path)))
        # Checked again: another process may have written here since the first check.
        _check_content(path)
        manager = stack.enter_context(open_checkpoints(path))
        run = OwnRun(path, model, fields or {}, spec, tuple(classes), manager)
        latest = manager.latest_step()
        if latest is not None:
            meta = restore_meta(manager, latest)
            for name, value in run.network_facts().items():
                # As text, because JSON has lists in place of tuples.
                if json.dumps(meta[name], sort_keys=True) != json.dumps(value, sort_keys=True):
                    raise UserError(
                        f"{path} is a run with {name}={meta[name]}, this loop has {value}. Give it"
                        " as it was, or name another folder."
                    )
            run.best.update(meta["best"])
        if splits is not None:
            hold_to_splits(path, classes, splits)
        # Removes the lines of a process that ended before it saved their checkpoint.
        cut_back(path, latest or 0)
        yield run


def _check_content(path: Path) -> None:
    """Raises `UserError` unless a path is a new or empty folder, or that of an own run."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file. Name a new folder, or that of an own run.")
    if (path / CONFIG_FILE).exists():
        raise UserError(
            f"{path} is a run of launch.train, which --resume continues. Name a new folder, or that"
            " of an own run."
        )
    if lasting_entries(path) and not (path / "checkpoints").is_dir():
        raise UserError(f"{path} holds other files. Name a new folder, or that of an own run.")
