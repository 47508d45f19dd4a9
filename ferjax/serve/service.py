"""What the routes of one server share: network, limits, threads, counters."""

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
# Faces that wait for the network, in batches: more would wait longer than a sender does.
_BATCHES_WAITING = 32


@dataclass
class Count:
    """A number of things that are under way."""

    value: int = 0


@dataclass(frozen=True)
class Service:
    """A server's network and what limits its use.

    Attributes:
      config: the flags.
      recogniser: the network, detector and card.
      limits: of requests.
      memory: for the bodies of requests.
      batcher: names faces of all requests together.
      threads: decode pictures and find faces.
      clip_thread: works on one video after the other, so that pictures are not kept waiting.
      metrics: counters.
      ready: set when everything is compiled.
      clips: how many videos are worked on or wait.
      failures: errors that end the server.
      end: ends it.
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
    """Returns the service that the flags ask for; nothing runs yet.

    Args:
      config: the flags.
      recogniser: the network.
      metrics: counters.
      end: called when the server cannot work.
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
    """Compiles what requests need, and begins to name faces; ends the server if that fails."""
    try:
        for step in compile_steps(service.recogniser):
            await in_thread(service.threads, step)
    except Exception as error:
        service.failures.append(error)
        service.end()
        return
    service.ready.set()


def stop(service: Service) -> None:
    """Ends the threads when what they have begun is done."""
    service.ready.clear()
    service.threads.shutdown()
    service.clip_thread.shutdown()
    service.batcher.close()


async def in_thread(executor: Executor, function: Callable[..., T], *arguments: Any) -> T:
    """Returns what a function returns that runs in a thread of the executor."""
    return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)


async def while_connected(
    request: Any, seconds: float, work: Awaitable[T], too_late: Refused | None = None
) -> T:
    """Returns what the work returns; it is given up when the client leaves or time is up.

    Args:
      request: Starlette's request, whose body has been read.
      seconds: that the work may take.
      work: a coroutine or task.
      too_late: what is raised when time is up; None: that the work took too long.

    Raises:
      Refused: time is up (503 or `too_late`), or the client has left (499, which nobody reads).
    """
    job = asyncio.ensure_future(work)
    departure = asyncio.ensure_future(_left(request))
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


async def _left(request: Any) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
