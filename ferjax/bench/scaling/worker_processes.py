"""Worker processes that compile, count and run training steps on simulated CPU devices."""

import contextlib
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import jax

from ferjax.bench.scaling.compile_train_step import first_arguments, train_program
from ferjax.bench.scaling.hlo_collectives import Traffic, read_collectives, sum_traffic
from ferjax.bench.scaling.scaling_cases import Layout, Workload
from ferjax.errors import UserError
from ferjax.runtime.processes import exit_at_once, join_processes
from ferjax.runtime.programs.compile_cache import enable_compile_cache

_END_SECONDS = 30


@dataclass(frozen=True)
class Workers:
    """The processes of a layout, which wait for requests.

    Attributes:
      layout: the layout.
      children: the processes, in the order of their numbers.
      pipes: the connection to each.
      logs: the file to which each one's standard output and standard error go.
    """

    layout: Layout
    children: Sequence[BaseProcess]
    pipes: Sequence[Connection]
    logs: Sequence[Path]

    def count(self, workload: Workload) -> tuple[Traffic, ...]:
        """Compiles a workload's step and returns its traffic."""
        return self._request("count", workload)

    def load(self, workload: Workload) -> tuple[Traffic, ...]:
        """Makes a workload's step ready to run and returns its traffic."""
        return self._request("load", workload)

    def step(self, times: int = 1) -> None:
        """Runs steps of the loaded workload in all processes and returns when they are done."""
        self._request("step", times)

    def _request(self, action: str, argument: Any) -> tuple[Traffic, ...]:
        """Returns process 0's answer when all processes have answered."""
        for pipe in self.pipes:
            # `_receive` reports a process that has died.
            with contextlib.suppress(OSError):
                pipe.send((action, argument))
        answers = [self._receive(number) for number in range(len(self.pipes))]
        return answers[0]

    def _receive(self, number: int) -> tuple[Traffic, ...]:
        try:
            error, traffic = self.pipes[number].recv()
        except (EOFError, OSError):
            self.children[number].join()
            status = f"exit status {self.children[number].exitcode}"
            lines = self.logs[number].read_text("utf-8", "replace").strip().splitlines() or [status]
            raise UserError(
                f"scaling on {self.layout}, process {number} has ended: {lines[-1]}"
            ) from None
        if error:
            raise UserError(f"scaling on {self.layout}: {error}")
        return traffic


@contextlib.contextmanager
def start_workers(layout: Layout) -> Iterator[Workers]:
    """Yields the freshly started processes of a layout, and ends them."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="ferjax-bench-") as folder:
        logs = [Path(folder, f"{number}.log") for number in range(layout.processes)]
        port, children, pipes = _free_port(), [], []
        for number, log in enumerate(logs):
            log.touch()
            pipe, far_end = spawn.Pipe()
            arguments = (layout, number, port, far_end, log)
            children.append(spawn.Process(target=serve, args=arguments, daemon=True))
            children[-1].start()
            far_end.close()  # else the pipe would stay open when the process ends
            pipes.append(pipe)
        try:
            yield Workers(layout, children, pipes, logs)
        finally:
            for pipe in pipes:
                pipe.close()
            for child in children:
                child.join(_END_SECONDS)
                child.kill()
                child.join()


def serve(layout: Layout, number: int, port: int, pipe: Connection, log: Path) -> None:
    """Runs in a worker: joins its layout and answers requests until the pipe is closed.

    Its devices are simulated ones of the CPU, whatever else the machine has. A request is `count`
    or `load` with a workload, or `step` with a number of steps; an answer is (error, traffic).

    Args:
      layout: the layout.
      number: the worker's number, from 0.
      port: where process 0 listens for the others.
      pipe: for requests and answers.
      log: the file for standard output and standard error.
    """
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), stream)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", layout.each)
    enable_compile_cache()
    join_processes(f"127.0.0.1:{port}", layout.processes, number)
    inputs: list[Any] = []
    step: Any = None
    with contextlib.suppress(EOFError):
        while True:
            action, argument = pipe.recv()
            error, traffic = "", ()
            try:
                if action == "step":
                    for _ in range(argument):
                        inputs[:2] = step(*inputs)
                    jax.block_until_ready(inputs)
                else:
                    # Two states would take twice the memory.
                    inputs.clear()
                    program = train_program(argument)
                    step = program.step.lower(*program.arguments).compile()
                    traffic = sum_traffic(read_collectives(step.as_text(), layout.devices))
                    if action == "load":
                        inputs.extend(first_arguments(program))
            except UserError as problem:
                error = str(problem)
            pipe.send((error, traffic))
    exit_at_once(0)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
