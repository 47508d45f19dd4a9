"""What a kill leaves half written or half removed in a run directory goes when the run goes on.

That runs which are killed at any moment end as undisturbed ones: tests/launch/faults/test_kills.py.
"""

import shutil
from pathlib import Path

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
