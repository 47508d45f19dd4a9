"""Worker processes on simulated CPU devices, which wait for requests and answer them."""

import contextlib
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import jax

from ferjax.bench.scaling.scaling_cases import Layout
from ferjax.errors import UserError
from ferjax.runtime.processes import exit_at_once, join_processes
from ferjax.runtime.programs.compile_cache import enable_compile_cache

# (action, argument) → the answer; both are pickled.
Answer = Callable[[str, Any], Any]

_END_SECONDS = 30


@dataclass(frozen=True)
class Workers:
    """The processes of a layout, which wait for requests.

    Attributes:
      suite: name of the suite, for messages.
      layout: the layout.
      children: the processes, in the order of their numbers.
      pipes: the connection to each process.
      logs: the file for the standard output and standard error of each process.
    """

    suite: str
    layout: Layout
    children: Sequence[BaseProcess]
    pipes: Sequence[Connection]
    logs: Sequence[Path]

    def request(self, action: str, argument: Any = None) -> Any:
        """Returns process 0's answer when all processes have answered.

        Raises:
          UserError: an error in a worker, or a worker that has ended.
        """
        for pipe in self.pipes:
            # `_receive` reports a process that has died.
            with contextlib.suppress(OSError):
                pipe.send((action, argument))
        answers = [self._receive(number) for number in range(len(self.pipes))]
        return answers[0]

    def _receive(self, number: int) -> Any:
        try:
            error, answer = self.pipes[number].recv()
        except (EOFError, OSError):
            self.children[number].join()
            status = f"exit status {self.children[number].exitcode}"
            lines = self.logs[number].read_text("utf-8", "replace").strip().splitlines() or [status]
            raise UserError(
                f"{self.suite} on {self.layout}, process {number} has ended: {lines[-1]}"
            ) from None
        if error:
            raise UserError(f"{self.suite} on {self.layout}: {error}")
        return answer


@contextlib.contextmanager
def start_workers(
    layout: Layout, make_answer: Callable[[Layout], Answer], suite: str
) -> Iterator[Workers]:
    """Yields the freshly started processes of a layout, and ends them.

    Args:
      layout: the layout.
      make_answer: a module-level function; each process calls it once and answers its requests with
        the function that it returns.
      suite: name of the suite, for messages.
    """
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="ferjax-bench-") as folder:
        logs = [Path(folder, f"{number}.log") for number in range(layout.processes)]
        port, children, pipes = _free_port(), [], []
        for number, log in enumerate(logs):
            log.touch()
            pipe, child_end = spawn.Pipe()
            arguments = (layout, number, port, child_end, log, make_answer)
            children.append(spawn.Process(target=serve, args=arguments, daemon=True))
            children[-1].start()
            child_end.close()  # else the pipe would stay open when the process ends
            pipes.append(pipe)
        try:
            yield Workers(suite, layout, children, pipes, logs)
        finally:
            for pipe in pipes:
                pipe.close()
            for child in children:
                child.join(_END_SECONDS)
                child.kill()
                child.join()


def serve(
    layout: Layout,
    number: int,
    port: int,
    pipe: Connection,
    log: Path,
    make_answer: Callable[[Layout], Answer],
) -> None:
    """Runs in a worker: joins its layout and answers requests until the pipe is closed.

    Its devices are simulated CPU devices, whatever hardware the machine has. It sends pairs (error,
    answer).

    Args:
      layout: the layout.
      number: the worker's number, from 0.
      port: the port at which process 0 listens for the others.
      pipe: the connection for requests and answers.
      log: the file for standard output and standard error.
      make_answer: as in `start_workers`.
    """
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), stream)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", layout.each)
    enable_compile_cache()
    join_processes(f"127.0.0.1:{port}", layout.processes, number)
    answer = make_answer(layout)
    with contextlib.suppress(EOFError):
        while True:
            action, argument = pipe.recv()
            try:
                pipe.send(("", answer(action, argument)))
            except UserError as problem:
                pipe.send((str(problem), None))
    exit_at_once(0)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
