"""The objects that the routes of one server share: network, limits, threads, counters."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ferjax.config.serve_config import ServeConfig
from ferjax.data.decoding.usable_cores import usable_cores
from ferjax.serve.batching import Batcher
from ferjax.serve.limits import Limits, Refused, limits_of
from ferjax.serve.metrics import Metrics
from ferjax.serve.recogniser import Recogniser, compile_steps
from ferjax.serve.uploads import MemoryForBodies

T = TypeVar("T")
# Most faces that wait for the network, in batches: more would wait longer than a client does.
_BATCHES_WAITING = 32


@dataclass
class Count:
    """A counter that can change inside the frozen `Service`."""

    value: int = 0


@dataclass(frozen=True)
class Service:
    """A server's network, and the limits, threads and counters of its requests.

    Attributes:
      config: the flags.
      recogniser: the network, detector and card.
      limits: limits of requests.
      memory: counts the memory of the bodies of requests.
      batcher: names the faces of all requests in common batches.
      threads: threads that decode pictures and find faces.
      clip_thread: a thread that processes one video after the other, so that pictures do not wait.
      metrics: counters.
      ready: set when everything is compiled.
      clips: number of videos that are processed or wait.
      failures: errors that end the server.
      end: ends the server.
    """

    config: ServeConfig
    recogniser: Recogniser
    limits: Limits
    memory: MemoryForBodies
    batcher: Batcher
    threads: Executor
    clip_thread: Executor
    metrics: Metrics
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    clips: Count = field(default_factory=Count)
    failures: list[Exception] = field(default_factory=list)
    end: Callable[[], None] = lambda: None


def make_service(
    config: ServeConfig,
    recogniser: Recogniser,
    metrics: Metrics,
    end: Callable[[], None] = lambda: None,
) -> Service:
    """Returns the service of the flags; nothing runs yet.

    Args:
      config: the flags.
      recogniser: the network.
      metrics: counters.
      end: ends the server; called if it cannot start.
    """
    limits = limits_of(config)
    batcher = Batcher(
        recogniser.predictor.probabilities,
        config.batch_size,
        _BATCHES_WAITING * config.batch_size,
        config.wait_ms / 1000,
        metrics.batch,
    )
    return Service(
        config,
        recogniser,
        limits,
        MemoryForBodies(limits.all_bytes),
        batcher,
        ThreadPoolExecutor(config.threads or usable_cores(), "pictures"),
        ThreadPoolExecutor(1, "clips"),
        metrics,
        end=end,
    )


async def start(service: Service) -> None:
    """Compiles all programs, then sets `service.ready`; ends the server if that fails."""
    try:
        for step in compile_steps(service.recogniser):
            await in_thread(service.threads, step)
    except Exception as error:
        service.failures.append(error)
        service.end()
        return
    service.ready.set()


def stop(service: Service) -> None:
    """Ends the threads after their current work."""
    service.ready.clear()
    service.threads.shutdown()
    service.clip_thread.shutdown()
    service.batcher.close()


async def in_thread(executor: Executor, function: Callable[..., T], *arguments: Any) -> T:
    """Runs a function in a thread of the executor; returns its result."""
    return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)


async def while_connected(
    request: Any, seconds: float, work: Awaitable[T], too_late: Refused | None = None
) -> T:
    """Returns the result of the work; cancels the work when the client leaves or time is up.

    Args:
      request: Starlette's request, whose body has been read.
      seconds: time limit of the work.
      work: a coroutine or task.
      too_late: the error to raise when time is up; None for the default error.

    Raises:
      Refused: time is up (503 or `too_late`), or the client has left (499, which nobody reads).
    """
    job = asyncio.ensure_future(work)
    departure = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({job, departure}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return job.result()
        if departure.done():
            raise Refused(499, "the client has left")
        if too_late:
            raise too_late
        raise Refused(503, f"the work took more than {seconds:.0f} s, the limit of this server")
    finally:
        job.cancel()
        departure.cancel()


async def _wait_for_disconnect(request: Any) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
