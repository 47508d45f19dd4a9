"""The processes of a layout, started, asked and ended from outside."""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from ferjax.bench.scaling.devices_and_workload import Layout, Workload
from ferjax.bench.scaling.ring_traffic import Traffic, traffic_of_json
from ferjax.bench.scaling.worker_main import MARK
from ferjax.errors import UserError

_CHILD = """
import sys
from ferjax.bench.scaling.worker_main import serve
serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
"""
_END_SECONDS = 30


@dataclass(frozen=True)
class Team:
    """The processes of a layout, which wait for what to do.

    Attributes:
      layout: theirs.
      children: in the order of their numbers.
      errors: what each writes to its standard error.
    """

    layout: Layout
    children: Sequence[subprocess.Popen[str]]
    errors: Sequence[IO[str]]

    def count(self, workload: Workload) -> tuple[Traffic, ...]:
        """Returns the traffic of a workload's step, compiled and not run."""
        return self._compiled("count", workload)

    def load(self, workload: Workload) -> tuple[Traffic, ...]:
        """Makes a workload ready to run; returns the traffic of its step."""
        return self._compiled("load", workload)

    def step(self, times: int = 1) -> None:
        """Runs steps of what was loaded, in all processes, and returns when they are done."""
        self._ask({"do": "step", "times": times})

    def _compiled(self, what: str, workload: Workload) -> tuple[Traffic, ...]:
        answer = self._ask({"do": what, "workload": dataclasses.asdict(workload)})
        return traffic_of_json(answer["traffic"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Returns process 0's answer, when all have answered."""
        for child in self.children:
            # One that has died says so where its answer is read.
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps(question), file=child.stdin, flush=True)
        answers = [self._answer(number) for number in range(len(self.children))]
        return answers[0]

    def _answer(self, number: int) -> dict[str, Any]:
        for line in self.children[number].stdout or ():
            if line.startswith(MARK):
                answer = json.loads(line.removeprefix(MARK))
                if "error" in answer:
                    raise UserError(f"scaling on {self.layout}: {answer['error']}")
                return answer
        status = self.children[number].wait()
        self.errors[number].seek(0)
        lines = self.errors[number].read().strip().splitlines() or [f"exit status {status}"]
        raise UserError(f"scaling on {self.layout}, process {number} has ended: {lines[-1]}")


@contextlib.contextmanager
def team(layout: Layout) -> Iterator[Team]:
    """Yields the processes of a layout, freshly started, and ends them.

    Their devices are simulated ones of the CPU, whatever else the machine has.
    """
    devices = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(layout.each)}
    arguments = [f"127.0.0.1:{_free_port()}", str(layout.processes)]
    with contextlib.ExitStack() as stack:
        errors = [
            stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            for _ in range(layout.processes)
        ]
        children = [
            subprocess.Popen(
                [sys.executable, "-c", _CHILD, *arguments, str(number)],
                env={**os.environ, **devices},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=error,
                text=True,
            )
            for number, error in enumerate(errors)
        ]
        try:
            yield Team(layout, children, errors)
        finally:
            _end(children)


def _end(children: Sequence[subprocess.Popen[str]]) -> None:
    for child in children:
        with contextlib.suppress(OSError):
            child.stdin.close()  # type: ignore[union-attr]
    for child in children:
        try:
            child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()  # type: ignore[union-attr]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
