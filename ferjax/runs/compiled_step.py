"""The compiled step of a phase, what XLA says of it, and a trace of it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from ferjax.training.wall_time import Spent, timed

_log = logging.getLogger(__name__)
# (state, sums, batch, scale) → (state, sums)
Step = Callable[..., tuple[Any, Any]]
# Of the steps that a process takes: the first ones compile, and fill caches and queues.
_FIRST_TRACED, _TRACED = 11, 5


def compiled_at_first(
    lower: Callable[..., Any], spent: Spent, seen: Callable[[dict[str, Any]], None]
) -> Step:
    """Returns a jitted step that is compiled, once, when it is first called.

    Args:
      lower: (its arguments) → the step, lowered.
      spent: the account of time that compiling goes to.
      seen: told of `step_flops`, the operations of a global step by XLA's cost analysis (a loop's
        body counts once), and `activation_bytes`, what a device holds within a step beside
        parameters, slots and the batch.
    """
    program: Any = None

    def call(*arguments: Any) -> tuple[Any, Any]:
        nonlocal program
        if program is not None:
            return program(*arguments)
        with timed(spent, "compile"):
            lowered = lower(*arguments)
            program = lowered.compile()
            result = program(*arguments)
            # While the device works on it.
            seen(_facts(lowered, program))
        return result

    return call


def _facts(lowered: Any, program: Any) -> dict[str, Any]:
    """Returns what a backend knows of a program; some do not know all."""
    # After optimisation, calls of a library have no operations any more.
    cost, memory = lowered.cost_analysis() or {}, program.memory_analysis()
    facts = {"step_flops": cost.get("flops"), "activation_bytes": None}
    if memory is not None:
        facts["activation_bytes"] = memory.temp_size_in_bytes
    return {name: value for name, value in facts.items() if value is not None}


def described(facts: dict[str, Any], batch_size: int) -> str:
    """Returns a line that says what a step takes."""
    parts = [f"a step of {batch_size} images"]
    if "step_flops" in facts:
        parts.append(f"{facts['step_flops'] / 1e9:.3g} GFLOP")
    if "activation_bytes" in facts:
        parts.append(f"{facts['activation_bytes'] / 1e6:.3g} MB of activations a device")
    return ", ".join(parts)


def traced(step: Step, folder: Path) -> Step:
    """Returns a step of which a few steady calls are traced into `folder`.

    Args:
      step: compiled.
      folder: each trace gets a folder of its own there, by the time it was made.
    """
    calls = 0

    def call(state: Any, sums: Any, *rest: Any) -> tuple[Any, Any]:
        nonlocal calls
        calls += 1
        if calls == _FIRST_TRACED:
            jax.block_until_ready(sums)
            jax.profiler.start_trace(folder, create_perfetto_trace=True)
        with jax.profiler.StepTraceAnnotation("train", step_num=calls):
            state, sums = step(state, sums, *rest)
        if calls == _FIRST_TRACED + _TRACED - 1:
            jax.block_until_ready(sums)
            jax.profiler.stop_trace()
            _log.info(
                "traced %d steps: open %s/**/perfetto_trace.json.gz at https://ui.perfetto.dev",
                _TRACED,
                folder,
            )
        return state, sums

    return call
