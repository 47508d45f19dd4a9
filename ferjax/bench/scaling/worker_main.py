"""A process of a layout: told by lines of JSON what to compile, count and run."""

import dataclasses
import json
import sys
from typing import Any, TextIO

import jax

from ferjax.bench.scaling.compile_train_step import first_arguments, train_program
from ferjax.bench.scaling.devices_and_workload import Workload
from ferjax.bench.scaling.hlo_exchanges import exchanges
from ferjax.bench.scaling.ring_traffic import traffic
from ferjax.errors import UserError
from ferjax.runtime.compile_cache import enable_compile_cache
from ferjax.runtime.processes import exit_at_once, join_processes
from ferjax.specs import lists_to_tuples

# What begins the lines that are answers: libraries print, too.
MARK = "scaling:"


def serve(coordinator: str, count: int, number: int, asked: TextIO | None = None) -> None:
    """Joins its layout and does what is asked, line by line, until there is no more.

    A question is `{"do": "count" or "load", "workload": ...}` or `{"do": "step", "times": N}`; each
    gets one answer, when it is done.

    Args:
      coordinator: `host:port` of process 0.
      count: of the layout's processes.
      number: of this one, from 0.
      asked: where the questions come from; None for standard input.
    """
    enable_compile_cache()
    join_processes(coordinator, count, number)
    held: list[Any] = []
    step = None
    for line in asked or sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if question["do"] == "step":
                for _ in range(question["times"]):
                    held[:2] = step(*held)  # type: ignore[misc]
                jax.block_until_ready(held)
            else:
                # The state before goes first: two would take twice the memory.
                held.clear()
                program = train_program(Workload(**lists_to_tuples(question["workload"])))
                step = program.step.lower(*program.arguments).compile()
                sums = traffic(exchanges(step.as_text(), jax.device_count()))
                answer["traffic"] = [dataclasses.asdict(entry) for entry in sums]
                if question["do"] == "load":
                    held.extend(first_arguments(program))
        except UserError as error:
            answer = {"error": str(error)}
        print(MARK, json.dumps(answer), flush=True)
    exit_at_once(0)
