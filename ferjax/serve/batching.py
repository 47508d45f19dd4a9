"""Batches the faces of many requests: a call of the network takes the faces that wait.

While the network computes, further faces wait in a queue for the next call. Only the call runs in
another thread; everything else runs in the event loop. So a batch costs one change of threads, and
a face costs none.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from ferjax.predict.predictor import padded_size
from ferjax.serve.limits import Refused

# N faces, uint8 [H, W, C] each → float32 [N, K].
Probabilities = Callable[[Sequence[np.ndarray]], np.ndarray]
# If faces fill less than this share of a padded batch, the call takes a smaller batch that is full:
# otherwise the network would spend its time on black padding images.
_LEAST_FILLED = 0.75
_BUSY_RETRY_SECONDS = 1


@dataclass(eq=False)
class _Request:
    """The faces of one request, and their probabilities so far.

    Attributes:
      faces: uint8 [H, W, C] each.
      answer: float32 [N, K], set when the rows of all faces are there.
      taken: number of faces that have been passed to the network.
      rows: probabilities of the faces that the network has named.
    """

    faces: Sequence[np.ndarray]
    answer: asyncio.Future[np.ndarray]
    taken: int = 0
    rows: list[np.ndarray] = field(default_factory=list)


# For each face of a batch its request, and its index in the request.
_Batch = list[tuple[_Request, int]]


class Batcher:
    """Names faces in batches; `probabilities` may be awaited by any number of requests at a time.

    It belongs to one event loop. The network is called in one thread, one batch after the other.
    """

    def __init__(
        self,
        predict: Probabilities,
        batch_size: int,
        most_waiting: int,
        wait_seconds: float = 0.001,
        on_batch: Callable[[int, float], None] = lambda faces, seconds: None,
    ) -> None:
        """Makes a batcher.

        Args:
          predict: names the faces of a batch.
          batch_size: most faces of a batch.
          most_waiting: most faces that wait; further faces are refused.
          wait_seconds: seconds that a face waits for further faces while the network is idle.
          on_batch: called with the number of faces of each batch, and the seconds of its call.
        """
        self._predict, self._batch_size = predict, batch_size
        self._most_waiting, self._wait_seconds = most_waiting, wait_seconds
        self._on_batch = on_batch
        self._queue: deque[_Request] = deque()
        self._waiting = 0
        self._network = ThreadPoolExecutor(1, "network")
        # Whether a call is running or scheduled.
        self._has_call = False

    @property
    def waiting(self) -> int:
        """Number of faces that wait for the network."""
        return self._waiting

    def close(self) -> None:
        """Waits for the running call to end; later faces cannot be named."""
        self._network.shutdown()

    async def probabilities(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Returns float32 [N, K] of N faces, N at least 1.

        Raises:
          Refused: too many faces wait (503).
          Exception: an error of `predict` for a batch that contains one of the faces.
        """
        # A single request is never too large: `Limits` states how many faces it may have.
        if self._waiting and self._waiting + len(faces) > self._most_waiting:
            raise Refused(503, "too many faces wait; try again soon", _BUSY_RETRY_SECONDS)
        loop = asyncio.get_running_loop()
        request = _Request(faces, loop.create_future())
        self._queue.append(request)
        self._waiting += len(faces)
        if not self._has_call:
            self._has_call = True
            wait = 0 if self._waiting >= self._batch_size else self._wait_seconds
            loop.call_later(wait, self._call_network)
        return await request.answer

    def _call_network(self) -> None:
        """Starts a call with the faces that wait; starts none if there are no faces."""
        self._drop_abandoned()
        batch = self._take(faces_of_next_call(self._waiting, self._batch_size))
        self._has_call = bool(batch)
        if not batch:
            return
        faces = [request.faces[k] for request, k in batch]
        start = time.perf_counter()
        call = asyncio.get_running_loop().run_in_executor(self._network, self._predict, faces)

        def finish(done: asyncio.Future[np.ndarray]) -> None:
            self._on_batch(len(batch), time.perf_counter() - start)
            self._call_network()
            if not done.cancelled():
                _deliver(batch, done.exception() or done.result())

        call.add_done_callback(finish)

    def _take(self, count: int) -> _Batch:
        """Takes `count` faces from the front of the queue."""
        batch: _Batch = []
        while len(batch) < count:
            request = self._queue[0]
            end = min(request.taken + count - len(batch), len(request.faces))
            batch += [(request, k) for k in range(request.taken, end)]
            request.taken = end
            if end == len(request.faces):
                self._queue.popleft()
        self._waiting -= count
        return batch

    def _drop_abandoned(self) -> None:
        """Drops the faces of requests for which no client waits any more."""
        if any(request.answer.done() for request in self._queue):
            self._queue = deque(each for each in self._queue if not each.answer.done())
            self._waiting = sum(len(each.faces) - each.taken for each in self._queue)


def faces_of_next_call(waiting: int, batch_size: int) -> int:
    """Returns the number of waiting faces that the next call of the network takes.

    The call takes as many faces as a batch holds. If padding would fill more than a quarter of the
    batch, the call takes the largest power of two of them, and the others wait for the next call.
    """
    size = padded_size(waiting, batch_size)
    if not waiting or waiting >= _LEAST_FILLED * size:
        return min(waiting, size)
    return 1 << (waiting.bit_length() - 1)  # the largest power of two, which needs no padding


def _deliver(batch: _Batch, result: np.ndarray | BaseException) -> None:
    """Passes the rows of a batch, or the error of its call, to the requests that still wait."""
    first = 0
    # The faces of one request are adjacent in the batch.
    for request, count in Counter(request for request, _ in batch).items():
        rows, first = slice(first, first + count), first + count
        if request.answer.done():  # its client has left, or another batch of it has failed
            continue
        if isinstance(result, BaseException):
            request.answer.set_exception(result)
            continue
        request.rows.append(result[rows])
        if sum(map(len, request.rows)) == len(request.faces):
            request.answer.set_result(np.concatenate(request.rows))
