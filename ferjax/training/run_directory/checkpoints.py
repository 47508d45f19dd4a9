"""Orbax checkpoints of a run: the latest and the best, each with `state` and JSON `meta`."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
import orbax.checkpoint as ocp

from ferjax.config.format_versions import upgrade_meta
from ferjax.errors import UserError
from ferjax.runtime.checksums import write_checksums
from ferjax.runtime.processes import on_first
from ferjax.runtime.variable_tree import flatten, merge_trees, unflatten
from ferjax.training.run_directory.find_runs import check_is_run
from ferjax.training.run_directory.verified_reads import (
    check_dtype,
    check_shape,
    reading,
    saved_metrics,
    saved_steps,
)
from ferjax.training.state import TrainState

_policies = ocp.checkpoint_managers
# A checkpoint that is being replaced by another one of the same step is named "replaced.<step>".
_REPLACED = "replaced"
# Text in Orbax's error for a state of other parameters or of another optimizer.
_OTHER_STRUCTURE = "tree structures do not match"
_UNFINISHED = "*.orbax-checkpoint-tmp*"
# By default Orbax gives up a save after twenty minutes of the wall clock. That clock jumps when it
# is corrected, or when a machine wakes up. Waiting for a part of a save still ends after five
# minutes of it.
_MOST_SECONDS_OF_A_SAVE = 7 * 86400


def _rank(metrics: dict[str, float]) -> tuple[float, float]:
    """Returns the sort key of a checkpoint: selection accuracy, then the earlier step is higher."""
    return metrics["accuracy"], -metrics["step"]


def open_checkpoints(run_dir: Path) -> ocp.CheckpointManager:
    """Returns the manager of RUN/checkpoints, which keeps the latest and the best checkpoint.

    Saving is asynchronous; close the manager (or leave its `with` block) to wait for it.
    """
    best = _policies.BestN(
        get_metric_fn=cast(Any, _rank), n=1, keep_checkpoints_without_metrics=False
    )
    folder = (run_dir / "checkpoints").resolve()
    options = ocp.CheckpointManagerOptions(
        # Process 0 calls it after all processes have written, before the rename that commits.
        async_options=ocp.AsyncOptions(
            timeout_secs=_MOST_SECONDS_OF_A_SAVE,
            post_finalization_callback=lambda: _add_checksums(folder),
        ),
        # Without best_fn Orbax ignores metrics on disk, and a resumed run would delete its best.
        best_fn=cast(Any, _rank),
        preservation_policy=_policies.AnyPreservationPolicy([_policies.LatestN(1), best]),
    )
    on_first(lambda: _repair(folder))
    return ocp.CheckpointManager(folder, options=options)


def _add_checksums(folder: Path) -> None:
    """Adds the checksums of its files to the checkpoint that is about to be committed."""
    for unfinished in folder.glob(_UNFINISHED):
        # Only files in folders of items: Orbax still writes to its own files beside these folders.
        write_checksums(unfinished, "*/**/*")


def _repair(folder: Path) -> None:
    """Removes half-written and half-removed checkpoints after a kill; restores replaced ones.

    Orbax's clean-up sometimes has a race condition and does not detect half-removed checkpoints.
    """
    remove_torn(folder)
    for replaced in folder.glob(f"{_REPLACED}.*"):
        original = folder / replaced.suffix[1:]
        shutil.rmtree(replaced, ignore_errors=True) if original.exists() else replaced.rename(
            original
        )
    steps = saved_steps(folder)
    ranks = {step: _rank(metrics) for step, metrics in saved_metrics(folder).items()}
    kept = {max(steps, default=None), max(ranks, key=lambda step: ranks[step], default=None)}
    for surplus in steps.keys() - kept:
        shutil.rmtree(steps[surplus], ignore_errors=True)


def remove_torn(folder: Path) -> None:
    """Removes unfinished checkpoints from a folder of checkpoints."""
    for unfinished in folder.glob(_UNFINISHED):
        shutil.rmtree(unfinished, ignore_errors=True)


def _set_aside(folder: Path, step: int) -> None:
    (folder / str(step)).rename(folder / f"{_REPLACED}.{step}")


def save_checkpoint(
    manager: ocp.CheckpointManager,
    state: TrainState,
    meta: dict[str, Any],
    accuracy: float | None = None,
) -> None:
    """Saves state and meta under the state's step, in the background.

    Args:
      manager: from `open_checkpoints`.
      state: the training state; it may be donated to the next step at once.
      meta: JSON values.
      accuracy: accuracy on the selection split at this step; None for a save within an epoch.

    Raises:
      UserError: there is a checkpoint of a later step; Orbax would save nothing, without an error.
    """
    step, folder = int(state.step), Path(manager.directory)
    items = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta))
    metrics = None if accuracy is None else {"accuracy": accuracy, "step": step}
    # The save after an epoch replaces an earlier one of the same step. That one may be the only
    # checkpoint, so it is removed only when the new one is complete.
    if replaces := step == manager.latest_step():
        manager.wait_until_finished()
        on_first(lambda: _set_aside(folder, step))
        manager.reload()
    if not manager.save(step, args=items, metrics=metrics):
        raise UserError(
            f"{folder}: step {step} was not saved, because the checkpoint of step"
            f" {manager.latest_step()} is later. Continue from that one, or name a new folder."
        )
    if replaces:
        manager.wait_until_finished()
        on_first(lambda: _repair(folder))


def restore_meta(manager: ocp.CheckpointManager, step: int) -> dict[str, Any]:
    """Returns the meta saved at `step`, upgraded to the current format.

    Raises:
      UserError: there is no such checkpoint, or it is damaged.
    """
    items, folder = ocp.args.Composite(meta=ocp.args.JsonRestore()), Path(manager.directory)
    with reading(folder, step, "meta"):
        meta = manager.restore(step, args=items)["meta"]
        if not isinstance(meta, dict):
            raise ValueError(f"an object expected, found {type(meta).__name__}")
    return upgrade_meta(meta, f"{manager.directory}/{step}")


def restore_checkpoint(manager: ocp.CheckpointManager, step: int, like: TrainState) -> TrainState:
    """Returns the state saved at `step`, with the dtypes and devices of `like`.

    The number of devices may differ from that of the saving run.

    Raises:
      UserError: the checkpoint is damaged; its structure differs, for instance because it is of
        another optimizer; or its floats have another precision.
    """
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
    )
    items = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
    try:
        with reading(Path(manager.directory), step, "state", passes=_OTHER_STRUCTURE):
            _check_precision(manager, step, abstract)
            return manager.restore(step, args=items)["state"]
    except ValueError as error:
        if _OTHER_STRUCTURE not in str(error):
            raise
        raise UserError(
            f"{manager.directory}/{step}: parameters or optimizer state have another structure than"
            " this version of ferjax builds: it cannot be resumed. launch.evaluate and"
            " launch.predict read it, and --pretrained=RUN starts a new run from it."
        ) from error


def _check_precision(manager: ocp.CheckpointManager, step: int, abstract: TrainState) -> None:
    """Raises `UserError` if floats were saved in another dtype.

    Orbax casts them without a warning: 70,000 in float32 becomes infinity in float16.
    """
    metadata = ocp.PyTreeCheckpointHandler().metadata(manager.directory / str(step) / "state")
    stored = {leaf.name: leaf.dtype for leaf in jax.tree.leaves(metadata.tree)}
    for path, like in jax.tree_util.tree_leaves_with_path(abstract):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        check_dtype(f"{manager.directory}/{step}", name, stored.get(name, like.dtype), like.dtype)


def latest_meta(run_dir: Path) -> dict[str, Any] | None:
    """Returns the meta of the latest checkpoint, or None if no checkpoint is saved yet."""
    if not saved_steps(run_dir / "checkpoints"):
        return None
    return read_meta(run_dir)[1]


def read_meta(run_dir: Path, step: int | None = None) -> tuple[int, dict[str, Any]]:
    """Returns step and meta of a checkpoint, by default of the latest.

    Raises:
      UserError: the run has no checkpoint, or the checkpoint is damaged.
    """
    check_is_run(run_dir)
    path = (run_dir / "checkpoints").resolve()
    if not (steps := saved_steps(path)):
        raise UserError(f"{run_dir}: no finished checkpoint yet. Let the run save one epoch.")
    step = max(steps) if step is None else step
    saved_metrics(path)
    with ocp.CheckpointManager(path, item_names=("state", "meta")) as manager:
        return step, restore_meta(manager, step)


def restore_variables(
    run_dir: Path, step: int, abstract: dict[str, Any], averaged: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns the variables saved at `step` as numpy arrays, without optimizer state.

    Args:
      run_dir: the run's directory.
      step: of an existing checkpoint.
      abstract: shapes of `params` and, if the network has them, `batch_stats`.
      averaged: flat paths of the parameters of which the moving average is returned instead.

    Raises:
      UserError: the checkpoint is damaged, or its shapes or dtypes are not the network's.
    """
    handlers = {"state": ocp.PyTreeCheckpointHandler()}
    flat = flatten(abstract["params"])
    if unknown := [name for name in averaged if name not in flat]:
        raise UserError(
            f"{run_dir}: its meta names {len(unknown)} averages of parameters that the network does"
            f" not have, {unknown[0]!r} first. Copy the run again."
        )
    saved_trees = {**abstract, "ema": unflatten({path: flat[path] for path in averaged})}
    saved_trees = {name: tree for name, tree in saved_trees.items() if tree}
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), saved_trees)
    items = ocp.args.PyTreeRestore(item=saved_trees, restore_args=as_numpy, partial_restore=True)
    path = (run_dir / "checkpoints").resolve()
    with (
        ocp.CheckpointManager(path, item_handlers=handlers) as manager,
        reading(path, step, "state"),
    ):
        variables = manager.restore(step, args=ocp.args.Composite(state=items))["state"]
    variables["params"] = merge_trees(variables["params"], variables.pop("ema", {}))
    jax.tree.map_with_path(
        lambda key, array, like: check_shape(run_dir, key, array, like), variables, abstract
    )
    return variables
