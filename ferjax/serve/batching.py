"""Faces of many requests named together: one thread calls the network with what has gathered.

While the network computes, faces gather; the next call takes them all. A face waits for the call
before its own and at most a millisecond or so for others, and no longer.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
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
class _Asked:
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


class Batcher:
    """Names faces in batches; `probabilities` may be awaited by any number of requests at a time.

    It belongs to one event loop and one thread of its own.
    """

    def __init__(
        self,
        predict: Probabilities,
        batch_size: int,
        most_waiting: int,
        wait_seconds: float = 0.001,
        on_batch: Callable[[int, float], None] = lambda faces, seconds: None,
    ) -> None:
        """Makes a batcher; `start` begins.

        Args:
          predict: names the faces of a batch.
          batch_size: faces of a batch, at most.
          most_waiting: faces that wait, at most; more are refused.
          wait_seconds: that the first face of a batch waits for others, at most.
          on_batch: called with the number of faces of each batch and the seconds that it took.
        """
        self._predict, self._batch_size = predict, batch_size
        self._most_waiting, self._wait_seconds = most_waiting, wait_seconds
        self._on_batch = on_batch
        self._queue: deque[_Asked] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)

    @property
    def waiting(self) -> int:
        """How many faces wait for the network."""
        return self._waiting

    def start(self) -> None:
        """Starts the thread that calls the network."""
        self._thread.start()

    def close(self) -> None:
        """Names the faces that wait, and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    async def probabilities(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Returns float32 [N, K] of N faces, N at least 1.

        Raises:
          Refused: too many faces wait (503).
          Exception: what `predict` raises for a batch with one of the faces.
        """
        asked = _Asked(faces, asyncio.get_running_loop().create_future())
        with self._changed:
            # One request alone is never too large: its own limits say how many faces it may have.
            if self._closed or (self._waiting and self._waiting + len(faces) > self._most_waiting):
                raise Refused(503, "too many faces wait; try again soon", _BUSY_RETRY_SECONDS)
            self._queue.append(asked)
            self._waiting += len(faces)
            self._changed.notify()
        return await asked.answer

    def _work(self) -> None:
        while batch := self._next_batch():
            faces = [asked.faces[k] for asked, k in batch]
            begun = time.perf_counter()
            try:
                found: np.ndarray | Exception = self._predict(faces)
            except Exception as error:
                found = error
            self._on_batch(len(faces), time.perf_counter() - begun)
            _tell(batch, found)

    def _next_batch(self) -> list[tuple[_Asked, int]]:
        """Waits for faces; returns those of the next call, or none: closed and nothing is left.

        A face is the request that it belongs to and its number there.
        """
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._wait_seconds:
                    self._changed.wait_for(self._is_full, self._wait_seconds)
                self._leave_out_abandoned()
                if batch := self._take(faces_of_next_call(self._waiting, self._batch_size)):
                    return batch
                if self._closed:
                    return []

    def _is_full(self) -> bool:
        return self._waiting >= self._batch_size or self._closed

    def _take(self, count: int) -> list[tuple[_Asked, int]]:
        """Takes so many faces from the front of the queue."""
        batch: list[tuple[_Asked, int]] = []
        while len(batch) < count:
            asked = self._queue[0]
            end = min(asked.taken + count - len(batch), len(asked.faces))
            batch += [(asked, k) for k in range(asked.taken, end)]
            asked.taken = end
            if end == len(asked.faces):
                self._queue.popleft()
        self._waiting -= count
        return batch

    def _leave_out_abandoned(self) -> None:
        """Drops the faces of requests that nobody waits for any more."""
        if any(asked.answer.cancelled() for asked in self._queue):
            self._queue = deque(each for each in self._queue if not each.answer.cancelled())
            self._waiting = sum(len(each.faces) - each.taken for each in self._queue)


def faces_of_next_call(waiting: int, batch_size: int) -> int:
    """Returns how many of the waiting faces the network is called with.

    All that a batch holds, unless its padding would be more than a quarter of it: then as many as
    fill half of it, and the others wait for the next call.
    """
    size = padded_size(waiting, batch_size)
    return min(waiting, size) if waiting >= _LEAST_FILLED * size else size // 2


def _tell(batch: Sequence[tuple[_Asked, int]], found: np.ndarray | Exception) -> None:
    """Gives the rows of a batch to their requests, in the event loop that they wait in."""
    loop = batch[0][0].answer.get_loop()
    if isinstance(found, Exception):
        answers: list[tuple[_Asked, np.ndarray | Exception]] = [
            (asked, found) for asked in dict.fromkeys(asked for asked, _ in batch)
        ]
    else:
        answers, first = [], 0
        # The faces of one request lie side by side.
        for asked, count in Counter(asked for asked, _ in batch).items():
            asked.rows.append(found[first : first + count])
            first += count
            if sum(map(len, asked.rows)) == len(asked.faces):
                answers.append((asked, np.concatenate(asked.rows)))
    with suppress(RuntimeError):  # the loop was closed: nobody waits
        loop.call_soon_threadsafe(_set, answers)


def _set(answers: Sequence[tuple[_Asked, np.ndarray | Exception]]) -> None:
    for asked, answer in answers:
        if asked.answer.done():  # cancelled
            continue
        if isinstance(answer, Exception):
            asked.answer.set_exception(answer)
        else:
            asked.answer.set_result(answer)
