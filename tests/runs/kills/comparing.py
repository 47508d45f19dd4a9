"""Whether two runs left the same: every array, every line of metrics, every result."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from moments import UNFINISHED

# What a line, or a meta, says of time and of the machine.
_OF_THE_MACHINE = re.compile("saved|second|spent|speed|memory|bytes|flop|utilisation|program")
_RESULTS = ("results", "protocol", "summary", "warnings")


def differences(run_dir: Path, reference: Path) -> Iterator[str]:
    """Yields what a finished run has otherwise than its undisturbed twin."""
    ours, theirs = _metrics(run_dir), _metrics(reference)
    if (places := [place for place, _ in ours]) != [place for place, _ in theirs]:
        yield f"metrics.jsonl: lines of {places}, not of {[place for place, _ in theirs]}"
    else:
        for (place, line), (_, twin) in zip(ours, theirs, strict=True):
            if names := _unequal(line, twin):
                yield f"metrics.jsonl: {place}: {names}"
    for part in _RESULTS:
        if _report(run_dir)[part] != _report(reference)[part]:
            yield f"report.json: {part}"
    if (kept := _steps(run_dir)) != _steps(reference):
        yield f"checkpoints: {kept}, not {_steps(reference)}"
    else:
        yield from (
            f"checkpoints/{step}: {name}"
            for step in kept
            for name in _unequal(_saved(run_dir, step), _saved(reference, step))
        )
    yield from (
        f"{path.relative_to(run_dir)} was left behind"
        for path in run_dir.rglob("*")
        if path.name.endswith(".tmp") or UNFINISHED in path.name
    )
    if (names := _names(run_dir)) != _names(reference):
        yield f"the files {sorted(names ^ _names(reference))}"


def _metrics(run_dir: Path) -> list[tuple[str, dict[str, Any]]]:
    """Returns step, epoch and split of each line, and what it says of them."""
    lines = map(json.loads, (run_dir / "metrics.jsonl").read_text("utf-8").splitlines())
    named = ("step", "epoch", "split")
    return [(" ".join(str(line[n]) for n in named), _comparable(line)) for line in lines]


def _comparable(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in found if not _OF_THE_MACHINE.search(name)}


def _report(run_dir: Path) -> dict[str, Any]:
    return json.loads((run_dir / "report.json").read_text("utf-8"))


def _names(run_dir: Path) -> set[str]:
    return {path.name for path in run_dir.iterdir() if not path.name.endswith(".tmp")}


def _steps(run_dir: Path) -> list[int]:
    folder = run_dir / "checkpoints"
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def _saved(run_dir: Path, step: int) -> dict[str, Any]:
    """Returns type, shape and bytes of a checkpoint's every array, and its meta, by their names."""
    path = (run_dir / "checkpoints").resolve()
    handlers = {"state": ocp.PyTreeCheckpointHandler()}
    with ocp.CheckpointManager(path, item_handlers=handlers) as manager:
        tree = manager.item_metadata(step)["state"].tree
        # As numpy: they were saved from as many devices as the run had.
        wanted = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        items = ocp.args.Composite(state=ocp.args.PyTreeRestore(restore_args=wanted))
        state = manager.restore(step, args=items)["state"]
    leaves = {jax.tree_util.keystr(at): np.asarray(x) for at, x in jax.tree.leaves_with_path(state)}
    arrays = {name: (leaf.dtype, leaf.shape, leaf.tobytes()) for name, leaf in leaves.items()}
    meta = json.loads((path / str(step) / "meta" / "metadata").read_text("utf-8"))
    return arrays | {f"meta {name}": value for name, value in _comparable(meta).items()}


def _unequal(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    return [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
