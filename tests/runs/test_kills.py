"""Runs that are killed at any moment end as the run that was left alone (tests/kills)."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.training.run_directory.checkpoints import (
    open_checkpoints,
    restore_meta,
    save_checkpoint,
)
from ferjax.training.run_directory.config_and_lock import locked_run_dir
from ferjax.training.state import TrainState

SCRIPT = Path(__file__).parent / "kills"
Differences = Callable[[Path, Path], Any]


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "processes", "seconds"), [(5, "1", 600), (50, "1,2", 7200)])
def test_killed_runs_end_as_the_undisturbed_one(kills: int, processes: str, seconds: float) -> None:
    given = [f"--kills={kills}", f"--processes={processes}", "--at_once=2"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *given], capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kills} kills, as many resumes" in done.stdout


@pytest.fixture
def differences(monkeypatch: pytest.MonkeyPatch) -> Differences:
    """Returns the script's function that holds a run against another."""
    monkeypatch.syspath_prepend(SCRIPT)
    return importlib.import_module("comparing").differences


def repeat_a_line(run_dir: Path) -> None:
    lines = (run_dir / "metrics.jsonl").read_text("utf-8").splitlines(keepends=True)
    (run_dir / "metrics.jsonl").write_text("".join([*lines[:1], *lines]), "utf-8")


def drop_a_line(run_dir: Path) -> None:
    lines = (run_dir / "metrics.jsonl").read_text("utf-8").splitlines(keepends=True)
    (run_dir / "metrics.jsonl").write_text("".join(lines[1:]), "utf-8")


def change_a_result(run_dir: Path) -> None:
    report = json.loads((run_dir / "report.json").read_text("utf-8"))
    report["results"]["val"]["last"]["accuracy"] += 1e-9
    (run_dir / "report.json").write_text(json.dumps(report), "utf-8")


def leave_a_torn_file(run_dir: Path) -> None:
    (run_dir / ".report.md.1.tmp").touch()


def leave_a_checkpoint(run_dir: Path) -> None:
    (run_dir / "checkpoints" / "1").mkdir()


def change_a_meta(run_dir: Path) -> None:
    path = max(run_dir.glob("checkpoints/*/meta/metadata"))
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "retries": 1}), "utf-8")


HARMS: dict[Callable[[Path], None], str] = {
    repeat_a_line: "metrics.jsonl",
    drop_a_line: "metrics.jsonl",
    change_a_result: "report.json: results",
    leave_a_torn_file: ".report.md.1.tmp was left behind",
    leave_a_checkpoint: "checkpoints: [1, ",
    change_a_meta: "meta retries",
}


def test_differences_are_found(tmp_path: Path, tiny_run: Path, differences: Differences) -> None:
    copy = Path(shutil.copytree(tiny_run, tmp_path / "copy"))
    assert [*differences(copy, tiny_run)] == []
    for harm, words in HARMS.items():
        run_dir = tmp_path / harm.__name__
        shutil.copytree(tiny_run, run_dir)
        harm(run_dir)
        assert words in " ".join(differences(run_dir, tiny_run)), harm.__name__


def save(run_dir: Path, saves: list[tuple[int, float | None]]) -> None:
    with open_checkpoints(run_dir) as manager:
        for step, accuracy in saves:
            state = TrainState(jnp.array(step), {"w": jnp.full(2, step)}, {}, {})
            save_checkpoint(manager, state, {"epoch": step, "accuracy": accuracy}, accuracy)


@pytest.mark.parametrize("part", ["metrics", "state", "_CHECKPOINT_METADATA"])
def test_what_a_kill_left_half_removed_goes(part: str, tmp_path: Path) -> None:
    save(tmp_path, [(1, 0.9), (2, 0.5)])
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / "2", tmp_path / "2")
    save(tmp_path, [(3, 0.6)])
    shutil.copytree(tmp_path / "2", folder / "2")
    torn = folder / "2" / part
    torn.unlink() if torn.is_file() else shutil.rmtree(torn)
    with open_checkpoints(tmp_path) as manager:
        assert sorted(manager.all_steps()) == [1, 3]
    assert sorted(path.name for path in folder.iterdir()) == ["1", "3"]


def test_a_checkpoint_that_was_to_be_replaced_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, [(4, None)])
    with monkeypatch.context() as patch, open_checkpoints(tmp_path) as manager:
        patch.setattr(manager, "save", lambda *args, **given: exec("raise KeyboardInterrupt"))
        state = TrainState(jnp.array(4), {"w": jnp.ones(2)}, {}, {})
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(manager, state, {}, 0.5)
    with open_checkpoints(tmp_path) as manager:
        assert restore_meta(manager, 4)["accuracy"] is None
    save(tmp_path, [(4, 0.5)])
    with open_checkpoints(tmp_path) as manager:
        assert restore_meta(manager, 4)["accuracy"] == 0.5
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["4"]


def test_what_a_kill_left_half_written_goes_when_the_run_goes_on(tmp_path: Path) -> None:
    config = TrainConfig(model="cnn3", dataset="synthetic", workdir=str(tmp_path))
    (tmp_path / ".metrics.jsonl.17.tmp").touch()
    with locked_run_dir(config):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "config.json"]
