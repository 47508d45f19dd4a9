"""Saving checkpoints and metrics during training, and the handling of a full disk."""

import contextlib
import errno
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import jax

from ferjax.errors import DiskError, UserError
from ferjax.runtime.processes import is_distributed, is_first, is_lost_peer
from ferjax.training.run_directory.checkpoints import (
    open_checkpoints,
    remove_torn,
    restore_meta,
    save_checkpoint,
)
from ferjax.training.run_directory.metrics_jsonl import append_lines, cut_back
from ferjax.training.run_directory.tensorboard import Board, open_board
from ferjax.training.run_directory.verified_reads import saved_steps
from ferjax.training.state import TrainState

_log = logging.getLogger(__name__)
# Orbax and TensorStore raise these when a disk is full, removed or read-only.
_SAVE_ERRORS = (OSError, ValueError)


class Record:
    """Saves checkpoints and metrics.jsonl of a run and handles disk errors; from `open_run_record`.

    Attributes:
      run_dir: the run directory.
      manager: Orbax's checkpoint manager; replaced by a new one after a failure.
    """

    def __init__(self, run_dir: Path, on_error: str, tensorboard: bool) -> None:
        self.run_dir = run_dir
        self.manager = open_checkpoints(run_dir)
        self._on_error = on_error
        self._is_finishing = False
        self._failures: list[str] = []
        self._unwritten: list[Mapping[str, Any]] = []
        self._last_save: tuple[int, TrainState, dict[str, Any], float | None] | None = None
        self._uses_tensorboard = tensorboard and is_first()
        self._board: Board | None = None

    def save(self, state: TrainState, meta: dict[str, Any], accuracy: float | None) -> None:
        """Starts to save a checkpoint in the background, after the previous one is on disk.

        Args:
          state: the training state; it may be donated to the next step at once.
          meta: JSON values. Failed saves are added to its `notes`; its `best` is replaced by the
            best evaluation whose checkpoint was saved.
          accuracy: on the selection split at this step; None for a save within an epoch.

        Raises:
          UserError: this checkpoint or the previous one could not be saved, and the run stops.
        """
        self.settle()
        step = int(state.step)
        meta = {
            **meta,
            "best": self._best(meta, step, accuracy),
            # Without duplicates: the meta of a repeated save already has them.
            "notes": [*dict.fromkeys([*meta["notes"], *self._failures])],
        }
        self._last_save = (step, state, meta, accuracy)
        try:
            _probe(self.run_dir / "checkpoints", state)
            save_checkpoint(self.manager, state, meta, accuracy)
        except _SAVE_ERRORS as error:
            self._handle_failure(f"the checkpoint of step {step}", error)

    def settle(self) -> None:
        """Waits until the last checkpoint is on disk.

        Raises:
          UserError: it could not be saved, and the run stops.
        """
        try:
            self.manager.wait_until_finished()
        except _SAVE_ERRORS as error:
            step = self._last_save[0] if self._last_save else 0
            self._handle_failure(f"the checkpoint of step {step}", error)

    def append(self, line: Mapping[str, Any]) -> None:
        """Appends a line to metrics.jsonl, after earlier lines that could not be written.

        Raises:
          UserError: it cannot be written, and the run stops.
        """
        if not is_first():
            return
        if self._board:
            self._board(line)
        self._unwritten.append(line)
        try:
            append_lines(self.run_dir, self._unwritten)
            self._unwritten.clear()
        except OSError as error:
            self._handle_failure("a line of metrics.jsonl", error)

    def cut_back(self, step: int) -> None:
        """Removes the lines after `step`, the step from which the run continues."""
        self._unwritten = [line for line in self._unwritten if line["step"] <= step]
        cut_back(self.run_dir, step)
        self._board = open_board(self.run_dir) if self._uses_tensorboard else None

    def finish(self) -> None:
        """Waits for the last checkpoint and repeats saves and lines that failed.

        Raises:
          UserError: they failed again; earlier saves are kept.
        """
        self.settle()
        self._is_finishing = True
        if self._last_save and self._last_save[0] not in self.manager.all_steps():
            self.save(*self._last_save[1:])
            self.settle()
        if self._unwritten:
            self.append(self._unwritten.pop())

    def close(self) -> None:
        """Closes the checkpoint manager."""
        self.manager.close()

    def _best(self, meta: dict[str, Any], step: int, accuracy: float | None) -> dict[str, Any]:
        """Returns the best evaluation whose checkpoint could be saved."""
        best = meta["best"]
        if not best or best["step"] in (step, *self.manager.all_steps()):
            return best
        kept_step = self.manager.best_step()
        candidates = [] if kept_step is None else [restore_meta(self.manager, kept_step)["best"]]
        if accuracy is not None:
            candidates.append({"epoch": meta["epoch"], "step": step, "accuracy": accuracy})
        return max(candidates, key=lambda candidate: candidate["accuracy"], default={})

    def _handle_failure(self, what: str, error: Exception) -> None:
        """Logs what could not be saved and why; raises `DiskError` if the run stops on errors.

        The error of another process that has ended says nothing of the disk, and is raised again.
        """
        if is_lost_peer(error):
            raise error
        reason = _reason(error)
        if self._is_finishing or self._on_error == "stop":
            self._stop_run(what, reason, error)
        failure = f"{what} could not be saved ({reason}); training went on"
        if failure not in self._failures:
            self._failures.append(failure)
            _log.warning("%s: %s", self.run_dir, failure)
        if "checkpoint" in what:
            # After a failure Orbax's manager lists a missing checkpoint and forgets others.
            with contextlib.suppress(*_SAVE_ERRORS):
                self.manager.close()
            self.manager = open_checkpoints(self.run_dir)

    def _stop_run(self, what: str, reason: str, error: Exception) -> NoReturn:
        folder = self.run_dir / "checkpoints"
        # A half-written checkpoint may fill the disk.
        remove_torn(folder)
        kept = max(saved_steps(folder), default=None)
        last = "No checkpoint was there before" if kept is None else f"That of step {kept} is kept"
        alternative = (
            "" if self._is_finishing else "; or --on_save_error=continue trains on without"
        )
        raise DiskError(
            f"{self.run_dir}: {what} could not be saved: {reason}. {last}. Make room there, then"
            f" --resume{alternative}."
        ) from error


@contextlib.contextmanager
def open_run_record(run_dir: Path, on_error: str, tensorboard: bool = False) -> Iterator[Record]:
    """Yields the `Record` of a run in training; when the block ends, everything is on disk.

    Args:
      run_dir: the locked run directory.
      on_error: the reaction to a failed save: `stop` raises; `continue` logs it, adds a note for
        the report and continues training.
      tensorboard: whether the lines are also written to RUN/tensorboard.

    Raises:
      UserError: a save failed; `tensorboard` is not installed; or `continue` in several processes.
    """
    if on_error == "continue" and is_distributed():
        raise UserError(
            "--on_save_error=continue works in one process: others would wait for the one that"
            " failed. Leave it at stop; --restarts starts all of them again."
        )
    record = Record(run_dir, on_error, tensorboard)
    try:
        try:
            yield record
        except KeyboardInterrupt:
            # The user who stops a run reads that the state was saved, so it must be on disk.
            record.finish()
            raise
        record.finish()
    except BaseException:
        with contextlib.suppress(*_SAVE_ERRORS):
            record.close()
        raise
    record.close()


def _probe(folder: Path, state: TrainState) -> None:
    """Raises `OSError` if the disk is not writable or has no room; Orbax reports it late."""
    probe = folder / f".probe.{os.getpid()}"
    probe.mkdir(parents=True)
    probe.rmdir()
    need = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    if shutil.disk_usage(folder).free < need:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _reason(error: Exception) -> str:
    """Returns the text of the operating system for a disk error, or the error's own text."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    # TensorStore's errors are `ValueError` with the number in the text.
    if match := re.search(r"os_error_code='(\d+)'", str(error)):
        return os.strerror(int(match[1]))
    if "RESOURCE_EXHAUSTED" in str(error):
        return os.strerror(errno.ENOSPC)
    return " ".join(str(error).split())[:200]
