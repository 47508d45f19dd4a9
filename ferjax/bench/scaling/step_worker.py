"""Worker process of the suite `scaling`: it compiles training steps, counts traffic, runs steps."""

from typing import Any

import jax

from ferjax.bench.scaling.compile_train_step import first_arguments, uncompiled_step
from ferjax.bench.scaling.hlo_collectives import Traffic, read_collectives, sum_traffic
from ferjax.bench.scaling.scaling_cases import Layout, Workload
from ferjax.bench.scaling.worker_processes import Answer

# `COUNT` compiles a workload's step and returns its traffic. `LOAD` does the same and prepares the
# inputs of the step. `STEP` runs a number of steps.
COUNT, LOAD, STEP = "count", "load", "step"


def make_answer(layout: Layout) -> Answer:
    """Returns the function that answers `COUNT` and `LOAD` (a workload), `STEP` (a number)."""
    inputs: list[Any] = []
    step: Any = None

    def compiled(workload: Workload, *, load: bool) -> tuple[Traffic, ...]:
        nonlocal step
        # The previous state is freed first: two states would take twice the memory.
        inputs.clear()
        program = uncompiled_step(workload)
        step = program.step.lower(*program.arguments).compile()
        if load:
            inputs.extend(first_arguments(program))
        return sum_traffic(read_collectives(step.as_text(), layout.devices))

    def answer(action: str, argument: Any) -> tuple[Traffic, ...]:
        if action != STEP:
            return compiled(argument, load=action == LOAD)
        for _ in range(argument):
            inputs[:2] = step(*inputs)
        jax.block_until_ready(inputs)
        return ()

    return answer
