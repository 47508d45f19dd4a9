"""Training in bfloat16 beside training in float32: what it costs in loss and accuracy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.recipes import resolve
from ferjax.runs.task import prepare_task
from ferjax.runs.train_phases import train_run
from ferjax.training.run_directory.config_and_lock import locked_run_dir
from ferjax.training.run_directory.metrics_jsonl import read_lines


def train(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """Returns the last line of each split of a run, which makes no report."""
    task = prepare_task(config, jax.devices()[:1])
    with locked_run_dir(config) as run_dir:
        train_run(task, run_dir)
        return {line["split"]: line for line in read_lines(run_dir)}


@pytest.mark.slow
def test_a_tiny_network_learns_alike(
    tmp_path: Path, tiny_config: Callable[..., TrainConfig]
) -> None:
    """32 steps. Measured over three seeds: at most 0.026 between train losses, 0.013 on val."""
    given: dict[str, Any] = dict(model="cnn3", limit=256, batch_size=16, epochs=2, dropout=0.0)
    given |= dict(augment="none", label_smoothing=0.0)
    wide, half = (
        train(tiny_config(tmp_path / precision, **given, precision=precision))
        for precision in ("f32", "bf16")
    )
    assert wide["train"]["loss"] < 1.95
    assert half["train"]["loss"] == pytest.approx(wide["train"]["loss"], abs=0.08)
    assert half["val"]["loss"] == pytest.approx(wide["val"]["loss"], abs=0.08)
    # Another arithmetic it is.
    assert half["train"]["loss"] != wide["train"]["loss"]


@pytest.mark.faces
@pytest.mark.slow
def test_on_real_faces_it_is_as_accurate(tmp_path: Path, faces: Path) -> None:
    """FER2013, 6,000 images through cnn3, evaluated on 3,000."""
    given: dict[str, Any] = dict(model="cnn3", dataset="fer2013", data_dir=str(faces / "csv"))
    given |= dict(limit=3000, epochs=2, progress=False)
    wide, half = (
        train(resolve({**given, "precision": precision, "workdir": str(tmp_path / precision)}))
        for precision in ("f32", "bf16")
    )
    assert wide["val"]["accuracy"] > 0.28
    assert half["val"]["accuracy"] == pytest.approx(wide["val"]["accuracy"], abs=0.04)
    assert half["val"]["loss"] == pytest.approx(wide["val"]["loss"], abs=0.06)
