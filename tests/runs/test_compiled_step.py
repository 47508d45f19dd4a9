"""The step as it is compiled, known and traced."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from ferjax.runs.compiled_step import (
    compile_on_first_call,
    describe_program,
    step_program,
    trace_steps,
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


def test_a_trace_is_of_five_steady_steps(tmp_path: Path) -> None:
    step = trace_steps(jax.jit(product), tmp_path)
    state, sums = jnp.eye(SIDE), jnp.zeros(())
    for number in range(1, 20):
        state, sums = step(state, sums, jnp.eye(SIDE))
        # The first ten compile and fill caches.
        assert any(tmp_path.rglob("perfetto_trace.json.gz")) == (number >= 15)
    assert float(sums) == 19
    assert len(list(tmp_path.rglob("perfetto_trace.json.gz"))) == 1
