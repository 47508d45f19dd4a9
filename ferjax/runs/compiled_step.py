"""The compiled training step: when it is compiled, XLA's cost analysis of it, profiler traces."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from ferjax.runtime.sharding import jit_is_disabled
from ferjax.training.wall_time import SecondsByKind, timed

_log = logging.getLogger(__name__)
# (state, sums, batch, scale) → (state, sums)
Step = Callable[..., tuple[Any, Any]]
# Steps are counted by process; the first ones compile and fill caches, so they are not traced.
_FIRST_TRACED, _TRACED = 11, 5


def compile_on_first_call(
    lower: Callable[..., Any], spent: SecondsByKind, seen: Callable[[dict[str, Any]], None]
) -> Step:
    """Returns a jitted step that is compiled, once, when it is first called.

    Args:
      lower: (arguments of the step) → the lowered step.
      spent: the wall-time breakdown to which compilation is added.
      seen: called with `step_flops`, the operations of a global step by XLA's cost analysis (the
        body of a loop counts once), and `activation_bytes`, the temporary memory of a step on each
        device, without parameters, optimizer state and batch.
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
            # The device works on the step during_compilation.
            seen(_facts(lowered, program))
        return result

    return call


def lower_function(step: Any) -> Callable[..., Any]:
    """Returns (arguments) → the lowered step; without jit an object that is used like it."""
    return (lambda *_: _NotCompiled(step)) if jit_is_disabled() else step.lower


@dataclass(frozen=True)
class _NotCompiled:
    """A step that runs operation by operation, in place of a lowered one and of its program."""

    step: Step

    def compile(self) -> "_NotCompiled":
        return self

    def __call__(self, *arguments: Any) -> tuple[Any, Any]:
        return self.step(*arguments)

    def cost_analysis(self) -> None:
        return None

    def memory_analysis(self) -> None:
        return None


def _facts(lowered: Any, program: Any) -> dict[str, Any]:
    """Returns the cost and memory analysis of a program; some backends do not provide all of it."""
    # Of the lowered program: after optimisation XLA counts no operations of library calls.
    cost, memory = lowered.cost_analysis() or {}, program.memory_analysis()
    facts = {"step_flops": cost.get("flops"), "activation_bytes": None}
    if memory is not None:
        facts["activation_bytes"] = memory.temp_size_in_bytes
    return {name: value for name, value in facts.items() if value is not None}


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
