"""Several steps in one call are the single steps, one after the other."""

from typing import Any

import jax
import numpy as np
import pytest

from ferjax.bench.measuring.train_step_case import random_batch, step_parts
from ferjax.data.pipeline.stacked_batches import stack_batches
from ferjax.training.several_steps import steps_per_call


@pytest.mark.parametrize(
    ("most", "steps_per_epoch", "expected"),
    # 448 = 28 x 16; 449 = 30 x 15 - 1, where calls of 16 would throw 15 away; 2 steps fit one call.
    [(1, 449, 1), (16, 448, 16), (16, 449, 15), (4, 2, 2), (3, 5, 3), (3, 4, 2)],
)
def test_a_call_throws_away_as_few_steps_as_possible(
    most: int, steps_per_epoch: int, expected: int
) -> None:
    assert steps_per_call(most, steps_per_epoch) == expected


@pytest.mark.parametrize("count", [3, 2])
def test_the_steps_of_a_call_are_single_steps(count: int) -> None:
    """Of a call of three steps `count` are kept."""
    one_step, init = step_parts("cnn3", 24, 1, "sgd")
    several, _ = step_parts("cnn3", 24, 1, "sgd", several=True)
    batches = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        batch = random_batch(24, 1, 4)
        batches.append({**batch, "label": rng.integers(0, 7, 4).astype(np.int32)})
    expected: Any = init()
    for batch in batches:
        expected = jax.jit(one_step)(*expected, batch)
    found = jax.jit(several)(*init(), stack_batches(batches, 3))
    assert int(found[0].step) == count
    assert int(found[1].count) == 4 * count
    # A loop adds in another order.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), found, expected
    )


def test_a_broken_step_is_numbered_and_one_thrown_away_does_no_harm() -> None:
    step, init = step_parts("cnn3", 24, 1, "sgd", several=True)
    several = jax.jit(step)
    batch = {**random_batch(24, 1, 4), "target": np.full((4, 7), 1 / 7, np.float32)}
    broken = {**batch, "target": np.full((4, 7), np.nan, np.float32)}
    stack = stack_batches([batch, broken, batch], 3)
    state, sums = several(*init(), stack)
    assert int(sums.broken) == 1
    state, sums = several(*init(), {**stack, "steps": np.int32(1)})
    assert int(state.step) == 1
    assert np.isfinite(float(sums.loss))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
