"""Finite weights whose logits are not: no emotion is predicted, no accuracy is reported."""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from ferjax.config.format_versions import FORMAT, KEY
from ferjax.config.tool_configs import EvalConfig
from ferjax.data.synthetic import load_synthetic
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate
from ferjax.predict import load_predictor, load_run
from ferjax.training.run_directory.checkpoints import open_checkpoints, save_checkpoint
from ferjax.training.state import TrainState


@pytest.fixture
def run_dir(tiny_run: Path, tmp_path: Path) -> Path:
    """Returns a run whose head multiplies by the largest float32."""
    run = load_run(tiny_run)
    run.variables["params"]["head"]["kernel"][:] = np.finfo(np.float32).max
    state = TrainState(np.int32(1), run.variables["params"], run.variables["batch_stats"], {})
    best = {"epoch": 1, "step": 1, "accuracy": 0.5}
    with open_checkpoints(tmp_path) as manager:
        meta = {**run.meta, "best": best, KEY: FORMAT}
        save_checkpoint(manager, jax.device_put(state), meta, 0.5)
    shutil.copy(tiny_run / "config.json", tmp_path)
    return tmp_path


def test_nan_is_neither_an_emotion_nor_a_score(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_synthetic, "COUNTS", {"train": 40, "val": 16, "test": 24})
    expected = rf"{run_dir}: its network gives probabilities that are not finite for"
    with pytest.raises(UserError, match=rf"{expected} 1 of 1 images"):
        load_predictor(run_dir)(np.full((48, 48, 3), 200, np.uint8))
    for split in ("val", None):
        config = EvalConfig(str(run_dir), split=split, progress=False)
        with np.errstate(invalid="ignore"), pytest.raises(UserError, match=expected):
            run_evaluate(config)
    assert not (run_dir / "report.json").exists()
    assert not (run_dir / "evaluations").exists()
