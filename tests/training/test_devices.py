"""One device and four train alike: the losses of a run do not depend on the machine.

Run as a program it prints the losses in float64; jax fixes that for a whole process.
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import ferjax
from ferjax.images.augment import AUGMENTS
from ferjax.models.cnn import DepthCNN
from ferjax.runtime.programs.compiler_options import compiled
from ferjax.runtime.sharding import data_mesh, put_batch, replicated
from ferjax.specs import InputSpec
from ferjax.training.optimizers.learning_rate_schedules import make_schedule
from ferjax.training.optimizers.optax_optimizers import make_optimizer
from ferjax.training.state import create_state
from ferjax.training.step_settings import StepSettings
from ferjax.training.train_step import train_step, zero_sums

SPEC = InputSpec((48, 48), 24, 1, (0.5,), (0.25,))
BATCH, CLASSES = 16, 7


def losses(devices: int, steps: int, dtype: Any) -> list[float]:
    """Returns each step's loss, with batch norm, dropout and augmentation on."""
    mesh = data_mesh(jax.devices()[:devices])
    model = DepthCNN(CLASSES, depth=1, widths=(8,), hidden=16)
    optimizer = make_optimizer("sgd")
    settings = StepSettings(
        model=model,
        optimizer=optimizer,
        rate=make_schedule("constant", 0.01, steps),
        spec=SPEC,
        augment=AUGMENTS["standard"],
        label_smoothing=0.1,
        class_weights=np.linspace(0.5, 1.5, CLASSES),
        seed=0,
    )
    step = functools.partial(train_step, settings=settings)
    step = compiled(step, mesh, out_shardings=replicated(mesh))
    state = create_state(model, optimizer, SPEC, 0, mesh, dtype)
    rng, found = np.random.default_rng(0), []
    for _ in range(steps):
        batch = {
            "image": rng.integers(0, 256, (BATCH, 48, 48, 1), np.uint8),
            "label": rng.integers(0, CLASSES, BATCH).astype(np.int32),
            "mask": np.ones(BATCH, bool),
            "index": rng.integers(0, 1000, BATCH).astype(np.int32),
        }
        state, sums = step(state, zero_sums(dtype), put_batch(batch, mesh))
        assert sums.loss.dtype == dtype
        found.append(float(sums.loss) / float(sums.weight))
    return found


def test_one_and_four_devices_train_alike() -> None:
    one, four = (losses(devices, 5, np.float32) for devices in (1, 4))
    assert len(set(one)) == 5
    np.testing.assert_allclose(four, one, rtol=1e-5)


@pytest.mark.slow
def test_in_double_precision_they_agree_to_nine_digits() -> None:
    root = str(Path(ferjax.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "JAX_ENABLE_X64": "1", "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    one, four = json.loads(done.stdout)
    assert len(one) == 20
    np.testing.assert_allclose(four, one, rtol=1e-9)


if __name__ == "__main__":
    print(json.dumps([losses(devices, 20, np.float64) for devices in (1, 4)]))
