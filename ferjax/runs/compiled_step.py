"""The compiled training step: when it is compiled, XLA's cost analysis of it, profiler traces."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from ferjax.runtime.programs.stored_program import Program, stored_program
from ferjax.runtime.sharding import jit_is_disabled
from ferjax.training.wall_time import SecondsByKind, timed

_log = logging.getLogger(__name__)
# (state, sums, batch, scale) → (state, sums)
Step = Callable[..., tuple[Any, Any]]
# Each process counts its steps. The first ones compile and fill caches, so they are not traced.
_FIRST_TRACED_STEP, _TRACED_STEPS = 11, 5


def compile_on_first_call(
    program_of: Callable[..., Program],
    spent: SecondsByKind,
    report_facts: Callable[[dict[str, Any]], None],
) -> Step:
    """Returns a jitted step that is compiled once, at its first call.

    Args:
      program_of: (arguments of the step) → its program.
      spent: the wall-time breakdown to which compilation is added.
      report_facts: called with `step_flops`, the operations of a global step by XLA's cost
        analysis (the body of a loop counts once), and `activation_bytes`, the temporary memory of
        a step on each device, without parameters, optimizer state and batch.
    """
    program: Any = None

    def call(*arguments: Any) -> tuple[Any, Any]:
        nonlocal program
        if program is not None:
            return program(*arguments)
        with timed(spent, "compile"):
            stored = program_of(*arguments)
            program = stored.load()
            result = program(*arguments)
            report_facts(_facts(stored))
        return result

    return call


def step_program(step: Any, mesh: Mesh, facts: Mapping[str, Any] | None) -> Callable[..., Program]:
    """Returns (arguments) → the program of a step; with JAX_DISABLE_JIT it is the step itself.

    Args:
      step: the jitted step.
      mesh: its devices.
      facts: JSON values that determine the step, as in `stored_program`.
    """

    def program_of(*arguments: Any) -> Program:
        if jit_is_disabled():
            return Program(None, {}, lambda: step)
        return stored_program(step, arguments, mesh, "train_step", facts)

    return program_of


def _facts(program: Program) -> dict[str, Any]:
    """Returns the costs of a loaded program; some backends provide only a part of them."""
    analysis = getattr(program.load(), "memory_analysis", lambda: None)
    memory = analysis()
    facts = dict(program.facts)
    if memory is not None:
        facts["activation_bytes"] = memory.temp_size_in_bytes
    return facts


def describe_program(facts: dict[str, Any], batch_size: int) -> str:
    """Returns a line with the operations and the memory of a training step."""
    parts = [f"a step of {batch_size} images"]
    if "step_flops" in facts:
        parts.append(f"{facts['step_flops'] / 1e9:.3g} GFLOP")
    if "activation_bytes" in facts:
        parts.append(f"{facts['activation_bytes'] / 1e6:.3g} MB of activations a device")
    return ", ".join(parts)


def trace_steps(step: Step, folder: Path) -> Step:
    """Returns a step whose calls 11 to 15 are recorded by the JAX profiler into `folder`.

    Args:
      step: the compiled step.
      folder: each trace gets its own folder in it, named by the time.
    """
    calls = 0

    def call(state: Any, sums: Any, *rest: Any) -> tuple[Any, Any]:
        nonlocal calls
        calls += 1
        if calls == _FIRST_TRACED_STEP:
            jax.block_until_ready(sums)
            jax.profiler.start_trace(folder, create_perfetto_trace=True)
        with jax.profiler.StepTraceAnnotation("train", step_num=calls):
            state, sums = step(state, sums, *rest)
        if calls == _FIRST_TRACED_STEP + _TRACED_STEPS - 1:
            jax.block_until_ready(sums)
            jax.profiler.stop_trace()
            _log.info(
                "traced %d steps: open %s/**/perfetto_trace.json.gz at https://ui.perfetto.dev",
                _TRACED_STEPS,
                folder,
            )
        return state, sums

    return call
