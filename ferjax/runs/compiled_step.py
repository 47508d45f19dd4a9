"""The compiled training step: when it is compiled, XLA's cost analysis of it, profiler traces."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from ferjax.runtime.programs.compiler_options import jit_is_disabled
from ferjax.runtime.programs.stored_program import Program, stored_program
from ferjax.training.wall_time import SecondsByKind, timed

_log = logging.getLogger(__name__)
# (state, sums, batch, scale) → (state, sums)
Step = Callable[..., tuple[Any, Any]]
# Each process counts its calls. The first ones compile and fill caches, so they are not traced.
_FIRST_TRACED_CALL, _TRACED_CALLS = 11, 5


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


@contextlib.contextmanager
def traced_calls(step: Step, folder: Path | None) -> Iterator[Step]:
    """Yields a step whose calls 11 to 15 are recorded by the JAX profiler into `folder`.

    If the block ends earlier, the trace ends with it; a warning says so if there is none.

    Args:
      step: the compiled step.
      folder: each trace gets its own folder in it, named by the time; None: nothing is recorded.
    """
    if folder is None:
        yield step
        return
    calls, is_tracing = 0, False

    def end_trace(sums: Any) -> None:
        nonlocal is_tracing
        jax.block_until_ready(sums)
        jax.profiler.stop_trace()
        is_tracing = False
        _log.info(
            "traced calls of the training step: open %s/**/perfetto_trace.json.gz at"
            " https://ui.perfetto.dev",
            folder,
        )

    def call(state: Any, sums: Any, *rest: Any) -> tuple[Any, Any]:
        nonlocal calls, is_tracing
        calls += 1
        if calls == _FIRST_TRACED_CALL:
            jax.block_until_ready(sums)
            jax.profiler.start_trace(folder, create_perfetto_trace=True)
            is_tracing = True
        with jax.profiler.StepTraceAnnotation("train", step_num=calls):
            state, sums = step(state, sums, *rest)
        if calls == _FIRST_TRACED_CALL + _TRACED_CALLS - 1:
            end_trace(sums)
        return state, sums

    try:
        yield call
    finally:
        if is_tracing:
            end_trace(None)
        elif calls < _FIRST_TRACED_CALL:
            _log.warning(
                "--profile: nothing was traced. The first %d calls of the training step compile and"
                " fill caches, and there were %d.",
                _FIRST_TRACED_CALL - 1,
                calls,
            )
