"""The step as it is compiled, known and traced."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from ferjax.runs.compiled_step import (
    compile_on_first_call,
    describe_program,
    step_program,
    traced_calls,
)
from ferjax.runtime.sharding import data_mesh
from ferjax.training.wall_time import zero_seconds

SIDE = 64


def product(state: jax.Array, sums: jax.Array, batch: jax.Array) -> Any:
    return state @ batch, sums + 1


def test_a_step_is_compiled_once_and_known() -> None:
    spent, told = zero_seconds(), []
    mesh = data_mesh(jax.devices()[:1])
    program_of = step_program(jax.jit(product), mesh, None)
    step = compile_on_first_call(program_of, spent, told.append)
    assert spent["compile"] == 0
    state, sums = jnp.eye(SIDE), jnp.zeros(())
    for _ in range(3):
        state, sums = step(state, sums, jnp.full((SIDE, SIDE), 1 / SIDE))
    assert float(sums) == 3
    (facts,) = told
    # The product, and the one addition.
    assert facts["step_flops"] == 2 * SIDE**3 + 1
    assert facts["activation_bytes"] >= 0
    assert spent["compile"] > 0
    assert sum(spent.values()) == spent["compile"]


def test_what_a_step_takes_is_said_in_a_line() -> None:
    facts = {"step_flops": 2.5e9, "activation_bytes": 4_000_000}
    assert describe_program(facts, 64) == (
        "a step of 64 images, 2.5 GFLOP, 4 MB of activations a device"
    )
    assert describe_program({}, 64) == "a step of 64 images"


def traces(folder: Path) -> int:
    return len(list(folder.rglob("perfetto_trace.json.gz")))


def test_a_trace_is_of_five_steady_calls(tmp_path: Path) -> None:
    state, sums = jnp.eye(SIDE), jnp.zeros(())
    with traced_calls(jax.jit(product), tmp_path) as step:
        for number in range(1, 20):
            state, sums = step(state, sums, jnp.eye(SIDE))
            # The first ten compile and fill caches.
            assert traces(tmp_path) == (number >= 15)
    assert float(sums) == 19
    assert traces(tmp_path) == 1


@pytest.mark.parametrize(("calls", "expected"), [(12, 1), (10, 0)])
def test_a_trace_ends_with_its_phase(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, calls: int, expected: int
) -> None:
    """Two phases, one after the other: a trace that is still open would stop the second one's."""
    for phase in range(2):
        with traced_calls(jax.jit(product), tmp_path / str(phase)) as step:
            state, sums = jnp.eye(SIDE), jnp.zeros(())
            for _ in range(calls):
                state, sums = step(state, sums, jnp.eye(SIDE))
        assert traces(tmp_path / str(phase)) == expected
    assert ("nothing was traced" in caplog.text) == (not expected)


def test_without_a_folder_nothing_is_recorded() -> None:
    step = jax.jit(product)
    with traced_calls(step, None) as same:
        assert same is step
