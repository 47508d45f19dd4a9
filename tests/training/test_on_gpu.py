"""Training on a GPU: no transfer between host and device within steps, and the same losses.

See `tests/ops/test_on_gpu.py` for the variable FERJAX_TEST_GPU. ferjax dispatches a call of
the step without waiting for the one before, which these tests check.
"""

import dataclasses
import itertools
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.bench.measuring.train_step_case import compiled_parts, random_batch
from ferjax.bench.suites.gpu_steps import GpuStep
from ferjax.data.pipeline.stacked_batches import stack_batches
from ferjax.runtime.sharding import data_mesh, put_batch, replicated
from ferjax.training.loop import fit
from ferjax.training.loop_interface import HostState, LoopFunctions, LoopPlan
from ferjax.training.metrics import Evaluation
from ferjax.training.train_step import zero_sums
from ferjax.training.wall_time import zero_seconds

# The papers' smallest network, and P5's, whose jumper is tiled on a GPU.
STEPS = (
    GpuStep("cnn3", 48, 1, 8, "adamw", "f32"),
    GpuStep("cnn3", 48, 1, 8, "adamw", "bf16"),
    GpuStep("awei", 64, 3, 4, "adam", "f32", {"jumper": "input"}),
)
each_step = pytest.mark.parametrize("step", STEPS, ids=str)


@pytest.mark.gpu
@pytest.mark.usefixtures("accelerator")
@each_step
def test_steps_transfer_nothing(step: GpuStep) -> None:
    run_step, state, sums, batch = compiled_parts(*step.parts(), step.batch(), plain=False)
    with jax.transfer_guard("disallow"):
        for _ in range(5):
            state, sums = run_step(state, sums, batch)
    assert int(state.step) == 5
    assert int(sums.count) == 5 * step.batch_size
    assert np.isfinite(float(sums.loss))


@pytest.mark.gpu
@pytest.mark.usefixtures("accelerator")
def test_several_steps_a_call_transfer_nothing_and_are_the_single_steps() -> None:
    step, count = dataclasses.replace(STEPS[0], optimizer="sgd"), 3
    found = []
    for several in (True, False):
        batch = stack_batches([step.batch()] * count, count) if several else step.batch()
        run_step, state, sums, batch = compiled_parts(*step.parts(several), batch, plain=False)
        with jax.transfer_guard("disallow"):
            for _ in range(1 if several else count):
                state, sums = run_step(state, sums, batch)
        assert int(state.step) == count
        found.append((float(sums.loss), state.params))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-2)
    close = lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3)  # noqa: E731
    jax.tree.map(close, found[0][1], found[1][1])


@pytest.mark.gpu
@pytest.mark.usefixtures("accelerator")
def test_the_loop_waits_for_the_device_about_once_a_second() -> None:
    """Batches are placed explicitly, and between its readings the loop transfers nothing else."""
    step, count = STEPS[0], 64
    run_step, state, _, _ = compiled_parts(*step.parts(), step.batch(), plain=False)
    mesh = data_mesh(jax.devices()[:1])
    sharding = replicated(mesh)
    readings = []

    def guarded_step(state: Any, sums: Any, batch: Any, scale: Any) -> Any:
        with jax.transfer_guard("disallow"):
            return run_step(state, sums, batch)

    def guarded_batches() -> Any:
        for seed in itertools.count():
            batch = random_batch(step.side, step.channels, step.batch_size)
            batch["index"] += seed
            with jax.transfer_guard("disallow"):
                placed = put_batch(batch, mesh)
            yield placed

    def agree(say: Any) -> Any:
        readings.append(1)
        return say()

    functions = LoopFunctions(
        train_step=guarded_step,
        spent=zero_seconds(),
        zero_sums=lambda: jax.device_put(zero_sums(), sharding),
        place=float,
        batches=guarded_batches(),
        evaluate=lambda state: (Evaluation(np.zeros(2, int), np.eye(2), 1.0), None),
        save=lambda *_: None,
        log_train=lambda *_: None,
        log_eval=lambda *_: None,
        interrupted=lambda: False,
        agree=agree,
        watch=lambda *_: None,
    )
    plan = LoopPlan(1, 1, count, step.batch_size, eval_every=1, save_seconds=1e9)
    state, _ = fit(state, HostState(functions.zero_sums()), plan, functions)
    assert int(state.step) == count
    # The distance of two readings at most doubles: after steps 1, 3, 7 ... if they are short.
    assert len(readings) < count / 2


@pytest.mark.gpu
@pytest.mark.usefixtures("accelerator")
@each_step
def test_an_update_is_that_of_plain_xla(step: GpuStep) -> None:
    """SGD, whose update is the gradient: Adam's first steps depend on its signs only.

    The norm of the difference, as a share of the update's. In bfloat16 other roundings choose other
    maxima of pools and switch ReLUs: 0.105 on a CPU, whose two sides have different forms of every
    operation. TF32 rounds to 11 bits where bfloat16 has 8, and should differ by an eighth of that.
    """
    step = dataclasses.replace(step, optimizer="sgd")
    losses, updates = [], []
    for plain in (False, True):
        run_step, state, sums, batch = compiled_parts(*step.parts(), step.batch(), plain=plain)
        before = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.params)])
        state, sums = run_step(state, sums, batch)
        after = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.params)])
        losses.append(float(sums.loss / sums.weight))
        updates.append(after - before)
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    difference, size = (np.linalg.norm(v) for v in (updates[0] - updates[1], updates[1]))
    assert size > 0
    assert difference <= {"f32": 0.05, "bf16": 0.25}[step.precision] * size


@each_step
def test_the_same_steps_trace_on_a_cpu(step: GpuStep) -> None:
    arguments = step.arguments()
    state, sums = jax.eval_shape(step.parts()[0], *arguments)
    assert jax.tree.map(lambda leaf: leaf.shape, state) == jax.tree.map(
        lambda leaf: leaf.shape, arguments[0]
    )
    assert sums.loss.shape == ()
