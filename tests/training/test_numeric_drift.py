"""A few steps of training give the recorded losses: a jaxlib that computes otherwise is noticed.

The first case starts from weights without random numbers and draws none: its losses follow from
the arithmetic of forward pass, gradient and optimizer alone. The second starts from initial weights
of a seed and draws dropout and augmentation: it also notices other random numbers.

    python -m pytest tests/training/test_numeric_drift.py

Where a change of ferjax is meant to change the losses, record the printed ones and say so in
CHANGELOG.md: runs before and after it are not comparable to the bit.
"""

from typing import Any

import jax
import jaxlib
import numpy as np
import optax
import pytest

import ferjax
from ferjax.models.cnn import DepthCNN
from ferjax.runtime.sharding import data_mesh, put_batch
from ferjax.runtime.variable_tree import flatten
from ferjax.specs import InputSpec
from ferjax.training.state import init_variables

STEPS, BATCH, SIDE = 6, 16, 12
SPEC = InputSpec((SIDE, SIDE), SIDE, 1, (0.5,), (0.25,))
RECORDED_WITH = "jaxlib 0.10.2, float32, x86-64 CPU, 2026-11-29"
# Relative. LLVM's optimisations of that jaxlib, which tests leave out, change the losses by 2e-7; a
# sum in half precision changes them by 1e-3.
BAND = 1e-5
RECORDED: dict[str, tuple[float, ...]] = {
    "no random numbers": (1.1229823, 1.0574629, 0.9933522, 0.9052106, 0.7857329, 0.6656595),
    "seed 0, dropout and augmentation": (
        1.1398867,
        1.0454599,
        1.0799696,
        1.0883590,
        1.1130519,
        1.0261424,
    ),
}


def images() -> dict[str, np.ndarray]:
    """Returns a batch of three classes of stripes, by a formula: numpy may draw otherwise too."""
    n, row, column = np.ogrid[:BATCH, :SIDE, :SIDE]
    label = np.arange(BATCH) % 3
    angle = label[:, None, None] + 1
    pixels = (40 * (angle * row + (3 - angle) * column) + 7 * n * (row + 2)) % 256
    return {
        "image": pixels[..., None].astype(np.uint8),
        "label": label.astype(np.int32),
        "mask": np.ones(BATCH, bool),
        "index": np.arange(BATCH, dtype=np.int32),
    }


def weights(model: DepthCNN) -> dict[str, np.ndarray]:
    """Returns initial variables by path, from sines of the position: no random numbers."""
    found = {}
    for path, leaf in flatten(jax.eval_shape(lambda: init_variables(model, SPEC, seed=0))).items():
        wave = np.sin(1.7 * np.arange(np.prod(leaf.shape)) + len(path)).reshape(leaf.shape)
        fan_in = np.prod(leaf.shape[:-1]) if path.endswith("kernel") else 1
        kernel = wave * np.sqrt(2 / fan_in)
        constant = np.ones_like(wave) if path.endswith(("scale", "var")) else np.zeros_like(wave)
        found[path] = (kernel if path.endswith("kernel") else constant).astype(np.float32)
    return found


def losses(case: str) -> list[float]:
    """Returns the training loss of each step, float32, on one CPU device."""
    drawn = case != "no random numbers"
    model = DepthCNN(3, depth=3, widths=(4, 6, 8), hidden=8, dropout=0.3 if drawn else 0.0)
    mesh, optimizer = data_mesh(jax.devices("cpu")[:1]), optax.sgd(1.0, momentum=0.9)
    settings: dict[str, Any] = {"augment": "standard"} if drawn else {}
    step = ferjax.make_train_step(model, optimizer, SPEC, rate=0.02, mesh=mesh, **settings)
    state = ferjax.init_state(
        model, optimizer, SPEC, mesh=mesh, variables=None if drawn else weights(model)
    )
    found = []
    for _ in range(STEPS):
        state, sums = step(state, ferjax.zero_sums(), put_batch(images(), mesh))
        found.append(float(sums.loss) / float(sums.weight))
    return found


@pytest.mark.parametrize("case", RECORDED)
def test_a_few_steps_give_the_recorded_losses(case: str) -> None:
    with jax.default_matmul_precision("highest"):
        found, recorded = losses(case), np.array(RECORDED[case])
    assert np.ptp(found) > 0.1, "the losses hardly move: they would notice nothing"
    drift = float(np.max(np.abs(np.array(found) / recorded - 1)))
    assert drift <= BAND, (
        f"{case}: the losses drifted by {drift:.1e}, more than {BAND:g}. Recorded with"
        f" {RECORDED_WITH}; this is jaxlib {jaxlib.version.__version__}. Found {found}, recorded"
        f" {recorded.tolist()}. If ferjax did not change, this jaxlib computes otherwise: compare"
        " a whole run with results.md before it is taken into uv.lock. If ferjax was meant to"
        " change, record the losses anew and say so in CHANGELOG.md."
    )
