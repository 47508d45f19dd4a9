"""Orbax checkpoints: the latest and the best of a run, each `state` and JSON `meta`."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
import orbax.checkpoint as ocp

from ferjax.config.format_versions import upgrade_meta
from ferjax.errors import UserError
from ferjax.runtime.processes import on_first
from ferjax.runtime.variable_tree import flatten, merge_trees, unflatten
from ferjax.training.state import TrainState

_policies = ocp.checkpoint_managers
# Of a checkpoint that is being replaced by another of its step: "<this>.<step>".
_ASIDE = "replaced"


def _rank(metrics: dict[str, float]) -> tuple[float, float]:
    """Orders checkpoints by selection accuracy; of equals the earlier ranks higher."""
    return metrics["accuracy"], -metrics["step"]


def open_checkpoints(run_dir: Path) -> ocp.CheckpointManager:
    """Returns the manager of RUN/checkpoints, which keeps the latest and the best checkpoint.

    Saving is asynchronous; close the manager (or leave its `with` block) to wait for it.
    """
    best = _policies.BestN(
        get_metric_fn=cast(Any, _rank), n=1, keep_checkpoints_without_metrics=False
    )
    options = ocp.CheckpointManagerOptions(
        # Without best_fn Orbax ignores metrics on disk, and a resumed run would drop its best.
        best_fn=cast(Any, _rank),
        preservation_policy=_policies.AnyPreservationPolicy([_policies.LatestN(1), best]),
    )
    folder = (run_dir / "checkpoints").resolve()
    on_first(lambda: _mend(folder))
    return ocp.CheckpointManager(folder, options=options)


def _mend(folder: Path) -> None:
    """Removes what a kill left half-written or half-removed; puts back what was not replaced yet.

    Orbax's own clean-up races with itself at times, and knows nothing of half-removed checkpoints.
    """
    remove_torn(folder)
    for aside in folder.glob(f"{_ASIDE}.*"):
        place = folder / aside.suffix[1:]
        shutil.rmtree(aside, ignore_errors=True) if place.exists() else aside.rename(place)
    steps = saved_steps(folder)
    files = {step: path / "metrics" / "metrics" for step, path in steps.items()}
    ranks = {step: _rank(json.loads(f.read_text())) for step, f in files.items() if f.is_file()}
    kept = {max(steps, default=None), max(ranks, key=lambda step: ranks[step], default=None)}
    for surplus in steps.keys() - kept:
        shutil.rmtree(steps[surplus], ignore_errors=True)


def remove_torn(folder: Path) -> None:
    """Removes from a folder of checkpoints what was begun and not finished."""
    for torn in folder.glob("*.orbax-checkpoint-tmp*"):
        shutil.rmtree(torn, ignore_errors=True)


def saved_steps(folder: Path) -> dict[int, Path]:
    """Returns the finished checkpoints of a folder by their steps."""
    return {int(path.name): path for path in folder.glob("*") if path.name.isdecimal()}


def _set_aside(folder: Path, step: int) -> None:
    (folder / str(step)).rename(folder / f"{_ASIDE}.{step}")


def save_checkpoint(
    manager: ocp.CheckpointManager,
    state: TrainState,
    meta: dict[str, Any],
    accuracy: float | None = None,
) -> None:
    """Saves state and meta under the state's step, in the background.

    Args:
      manager: from `open_checkpoints`.
      state: may be donated to the next step right away.
      meta: JSON values.
      accuracy: on the selection split at this step; None for a save within an epoch.
    """
    step = int(state.step)
    items = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta))
    metrics = None if accuracy is None else {"accuracy": accuracy, "step": step}
    if step not in manager.all_steps():
        manager.save(step, args=items, metrics=metrics)
        return
    # A finished epoch's save replaces one made at the same step for another reason: that one may
    # be the only one, and goes when the new one is there.
    folder = Path(manager.directory)
    manager.wait_until_finished()
    on_first(lambda: _set_aside(folder, step))
    manager.reload()
    manager.save(step, args=items, metrics=metrics)
    manager.wait_until_finished()
    on_first(lambda: _mend(folder))


def restore_meta(manager: ocp.CheckpointManager, step: int) -> dict[str, Any]:
    """Returns the meta saved at `step`, that of an older ferjax as if it were of this one."""
    items = ocp.args.Composite(meta=ocp.args.JsonRestore())
    meta = manager.restore(step, args=items)["meta"]
    return upgrade_meta(meta, f"{manager.directory}/{step}")


def restore_checkpoint(manager: ocp.CheckpointManager, step: int, like: TrainState) -> TrainState:
    """Returns the state saved at `step`, placed and typed as `like`.

    The state comes back on `like`'s devices, whatever devices it was saved from.

    Raises:
      UserError: it is of another optimizer, as an older ferjax built it.
    """
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
    )
    items = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
    try:
        return manager.restore(step, args=items)["state"]
    except ValueError as error:
        if "tree structures do not match" not in str(error):
            raise
        raise UserError(
            f"{manager.directory}/{step}: parameters or optimizer are arranged as this ferjax does"
            " not: it cannot be resumed. launch.evaluate and launch.predict read it, and"
            " --pretrained=RUN starts a new run from it."
        ) from error


def latest_meta(run_dir: Path) -> dict[str, Any] | None:
    """Returns the latest checkpoint's meta, or None where a run has saved none yet."""
    if not saved_steps(run_dir / "checkpoints"):
        return None
    return read_meta(run_dir)[1]


def read_meta(run_dir: Path, step: int | None = None) -> tuple[int, dict[str, Any]]:
    """Returns a checkpoint's step and meta; the latest's where no step is named.

    Raises:
      UserError: the run holds no checkpoint.
    """
    path = (run_dir / "checkpoints").resolve()
    if not path.is_dir():
        raise UserError(f"{run_dir}: no checkpoints/ there. Give the folder of a ferjax run.")
    with ocp.CheckpointManager(path, item_names=("state", "meta")) as manager:
        step = manager.latest_step() if step is None else step
        if step is None:
            raise UserError(f"{run_dir}: no finished checkpoint yet. Let the run save one epoch.")
        return step, restore_meta(manager, step)


def restore_variables(
    run_dir: Path, step: int, abstract: dict[str, Any], averaged: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns the numpy variables saved at `step`, without the optimizer's slots.

    Args:
      run_dir: the run's directory.
      step: of a checkpoint that is there.
      abstract: shapes of `params` and, where the network has them, `batch_stats`.
      averaged: flat paths of the parameters whose moving average is taken in their place.

    Raises:
      UserError: the checkpoint's shapes are not the network's.
    """
    handlers = {"state": ocp.PyTreeCheckpointHandler()}
    flat = flatten(abstract["params"])
    wanted = {**abstract, "ema": unflatten({path: flat[path] for path in averaged})}
    wanted = {name: tree for name, tree in wanted.items() if tree}
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted)
    items = ocp.args.PyTreeRestore(item=wanted, restore_args=as_numpy, partial_restore=True)
    path = (run_dir / "checkpoints").resolve()
    with ocp.CheckpointManager(path, item_handlers=handlers) as manager:
        variables = manager.restore(step, args=ocp.args.Composite(state=items))["state"]
    variables["params"] = merge_trees(variables["params"], variables.pop("ema", {}))
    jax.tree.map_with_path(
        lambda where, found, like: _check_shape(run_dir, where, found, like), variables, abstract
    )
    return variables


def _check_shape(run_dir: Path, where: Any, found: np.ndarray, like: Any) -> None:
    if found.shape != like.shape:
        raise UserError(
            f"{run_dir}: parameter {jax.tree_util.keystr(where, simple=True, separator='/')} is"
            f" {list(found.shape)}, the network's is {list(like.shape)}. Was the code changed?"
        )
