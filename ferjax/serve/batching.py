"""Faces of many requests named together: the network is called with what has gathered.

While the network computes, faces gather, and the next call takes them all. Everything but the call
happens in the event loop, so that a face costs no change of threads; a batch costs one.
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

# uint8 [H, W, C] each → float32 [N, K].
Probabilities = Callable[[Sequence[np.ndarray]], np.ndarray]
# A call whose padded batch is filled to less than this is made with half of that size: the network
# would spend the time on black images.
_LEAST_FILLED = 0.75
_BUSY_RETRY_SECONDS = 1


@dataclass(eq=False)
class _Request:
    """The faces of one request, and what is known of them.

    Attributes:
      faces: uint8 [H, W, C] each.
      answer: float32 [N, K], set when all rows are there.
      taken: how many faces have been given to the network.
      rows: probabilities of those that came back.
    """

    faces: Sequence[np.ndarray]
    answer: asyncio.Future[np.ndarray]
    taken: int = 0
    rows: list[np.ndarray] = field(default_factory=list)


# A face: the request that it belongs to, and its number there.
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
          batch_size: faces of a batch, at most.
          most_waiting: faces that wait, at most; more are refused.
          wait_seconds: that a face waits for others while the network has nothing to do.
          on_batch: called with the number of faces of each batch and the seconds that it took.
        """
        self._predict, self._batch_size = predict, batch_size
        self._most_waiting, self._wait_seconds = most_waiting, wait_seconds
        self._on_batch = on_batch
        self._queue: deque[_Request] = deque()
        self._waiting = 0
        self._network = ThreadPoolExecutor(1, "network")
        # Whether a call is under way, or about to be made.
        self._at_work = False

    @property
    def waiting(self) -> int:
        """How many faces wait for the network."""
        return self._waiting

    def close(self) -> None:
        """Waits for the call that is under way; later faces cannot be named."""
        self._network.shutdown()

    async def probabilities(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Returns float32 [N, K] of N faces, N at least 1.

        Raises:
          Refused: too many faces wait (503).
          Exception: what `predict` raises for a batch with one of the faces.
        """
        # One request alone is never too large: its own limits say how many faces it may have.
        if self._waiting and self._waiting + len(faces) > self._most_waiting:
            raise Refused(503, "too many faces wait; try again soon", _BUSY_RETRY_SECONDS)
        loop = asyncio.get_running_loop()
        request = _Request(faces, loop.create_future())
        self._queue.append(request)
        self._waiting += len(faces)
        if not self._at_work:
            self._at_work = True
            wait = 0 if self._waiting >= self._batch_size else self._wait_seconds
            loop.call_later(wait, self._call_network)
        return await request.answer

    def _call_network(self) -> None:
        """Starts a call with the faces that wait; stops if there are none."""
        self._leave_out_abandoned()
        batch = self._take(faces_of_next_call(self._waiting, self._batch_size))
        self._at_work = bool(batch)
        if not batch:
            return
        faces = [request.faces[k] for request, k in batch]
        begun = time.perf_counter()
        call = asyncio.get_running_loop().run_in_executor(self._network, self._predict, faces)

        def finish(done: asyncio.Future[np.ndarray]) -> None:
            self._on_batch(len(batch), time.perf_counter() - begun)
            self._call_network()
            if not done.cancelled():
                _tell(batch, done.exception() or done.result())

        call.add_done_callback(finish)

    def _take(self, count: int) -> _Batch:
        """Takes so many faces from the front of the queue."""
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

    def _leave_out_abandoned(self) -> None:
        """Drops the faces of requests that nobody waits for any more."""
        if any(request.answer.done() for request in self._queue):
            self._queue = deque(each for each in self._queue if not each.answer.done())
            self._waiting = sum(len(each.faces) - each.taken for each in self._queue)


def faces_of_next_call(waiting: int, batch_size: int) -> int:
    """Returns how many of the waiting faces the network is called with.

    All that a batch holds, unless its padding would be more than a quarter of it: then as many as
    fill half of it, and the others wait for the next call.
    """
    size = padded_size(waiting, batch_size)
    return min(waiting, size) if waiting >= _LEAST_FILLED * size else size // 2


def _tell(batch: _Batch, found: np.ndarray | BaseException) -> None:
    """Gives the rows of a batch to its requests; an error to those that still wait."""
    first = 0
    # The faces of one request lie side by side.
    for request, count in Counter(request for request, _ in batch).items():
        rows, first = slice(first, first + count), first + count
        if request.answer.done():  # its sender has left, or another batch of it has failed
            continue
        if isinstance(found, BaseException):
            request.answer.set_exception(found)
            continue
        request.rows.append(found[rows])
        if sum(map(len, request.rows)) == len(request.faces):
            request.answer.set_result(np.concatenate(request.rows))
