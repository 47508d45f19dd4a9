"""A run that goes on with another number of cores: the same to rounding, and no more is promised.

On CPU the order of XLA's sums and of Eigen's convolution gradients follows the threads, and with it
the last bits. On the same number of cores a resumed run has the same bits: `test_resume.py`.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.experiment import run_train
from ferjax.predict import load_run
from ferjax.training.run_directory.metrics_jsonl import read_lines

ROOT = Path(__file__).resolve().parents[2]
# The first epoch on one core: threads are made when XLA starts, so in a process of its own.
FIRST_EPOCH = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax
from ferjax.experiment import run_train
from ferjax.recipes import resolve
given = dict(model="base_cnn", dataset="synthetic", image_size=32, smoke=True, epochs=1)
run_train(resolve({**given, "progress": False, "workdir": sys.argv[1]}), jax.devices()[:1])
"""


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@pytest.mark.skipif(cores() < 2, reason="needs two cores and Linux")
@pytest.mark.usefixtures("no_figures")
def test_a_run_that_goes_on_with_other_cores_is_the_same_to_rounding(
    tmp_path: Path, tiny_config: Callable[..., TrainConfig]
) -> None:
    moved, whole = tmp_path / "moved", tmp_path / "whole"
    given: dict[str, Any] = {"epochs": 2, "resume": True}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_EPOCH, str(moved)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert load_run(moved, "last").epoch == 1
    for run_dir in (moved, whole):
        config = tiny_config(run_dir, **given)
        assert config.schedule == "constant"
        run_train(config, jax.devices()[:1])
    ours, theirs = read_lines(moved), read_lines(whole)
    assert [(line["epoch"], line["split"]) for line in ours] == [
        (line["epoch"], line["split"]) for line in theirs
    ]
    for one, other in zip(ours, theirs, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
    differ = sum(one["loss"] != other["loss"] for one, other in zip(ours, theirs, strict=True))
    print(f"{differ} of {len(ours)} losses differ in their bits between 1 and {cores()} cores")
