"""Many files decoded by processes, which share no interpreter lock as threads do.

What the processes do not decode is left to the caller: all until enough files have been read for
them to pay, all where none can be started, and files they cannot read, so that an error is raised
by the caller's own decoder.
"""

import atexit
import functools
import os
import selectors
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ferjax.data.decoding.worker_handle import DONE, ENDED, DecodeProcess
from ferjax.errors import UserError

# To start a process takes as long as it then saves on so many images.
_START_AFTER = 2048
_IMAGES_PER_PROCESS = 4
# What a process is asked for at a time: it stays in the cache until the parent fetches it.
_RUN_BYTES = 1 << 20


class DecodePool:
    """Up to `count` decoding processes. Any thread may read; reads take turns.

    Args:
      count: of processes, at most.
      start_after: how many images are read, and left to the caller, before any process starts.
    """

    def __init__(self, count: int, start_after: int = _START_AFTER) -> None:
        # A frozen program's executable is the program; Windows passes no descriptors on.
        able = os.name == "posix" and bool(sys.executable) and not getattr(sys, "frozen", False)
        self._count = count if able and count > 1 else 0
        self._start_after = start_after
        self._processes: list[DecodeProcess] = []
        self._lock, self._owner = threading.Lock(), os.getpid()

    def read(self, paths: Sequence[Path], images: np.ndarray) -> Sequence[int]:
        """Decodes B files to `images`, uint8 [B, H, W, C]; returns the rows left to the caller.

        Raises:
          UserError: a file that ended two processes.
        """
        with self._lock:
            processes = self._ready(min(self._count, len(paths) // _IMAGES_PER_PROCESS))
            self._start_after -= len(paths)
            if not processes:
                return range(len(paths))
            try:
                return self._share(processes, paths, images)
            except BaseException:  # interrupts too: what is still to be answered is nobody's
                self._stop(self._processes)
                raise

    def close(self) -> None:
        """Ends the processes; later reads are left to their callers."""
        if os.getpid() != self._owner:  # a fork's copy
            return
        # A thread may finish its read; one that hangs must not keep the program from ending.
        locked = self._lock.acquire(timeout=2)
        self._count = 0
        self._stop(self._processes)
        if locked:
            self._lock.release()

    def _ready(self, wanted: int) -> list[DecodeProcess]:
        """Returns so many processes if they are ready, else none; starts those that lack."""
        if wanted < 2 or self._start_after > 0:
            return []
        self._stop([process for process in self._processes if process.ended()])
        try:
            while len(self._processes) < wanted:
                self._processes.append(DecodeProcess())
            processes = self._processes[:wanted]
            return processes if all(process.ready() for process in processes) else []
        except OSError:  # none can be started here, or what starts is not our worker
            self._count = 0
            self._stop(self._processes)
            return []

    def _share(
        self, processes: Sequence[DecodeProcess], paths: Sequence[Path], images: np.ndarray
    ) -> Sequence[int]:
        here = _working_directory()  # as of now; the processes have that of their start
        most = max(1, _RUN_BYTES // images[0].nbytes)
        todo, left, tried = deque(_runs(len(paths), len(processes), most)), [], set()
        with selectors.DefaultSelector() as selector:
            for process in processes:
                process.prepare(images.shape[1:], most)
                selector.register(process.answers, selectors.EVENT_READ, process)
            while True:
                alive: list[DecodeProcess] = [key.data for key in selector.get_map().values()]
                for process in alive:
                    while todo and len(process.runs) < process.SLOTS:
                        run = todo.popleft()
                        process.ask(run, [os.path.join(here, paths[row]) for row in run])
                if not any(process.runs for process in alive):
                    return sorted([*left, *(row for run in todo for row in run)])
                for key, _ in selector.select():
                    process = key.data
                    answer = process.answer()
                    if answer == ENDED:
                        selector.unregister(process.answers)
                        todo.extendleft(self._again(process, paths, tried))
                        continue
                    pixels, run = process.pixels(), process.runs.popleft()
                    if answer == DONE:
                        images[run.start : run.stop] = pixels
                    else:
                        left.extend(run)

    def _again(self, process: DecodeProcess, paths: Sequence[Path], tried: set[int]) -> list[range]:
        """Returns the runs of a process that has ended, of the one under way each row by itself."""
        under_way, *others = process.runs or [range(0)]
        status = self._stop([process])
        if len(under_way) == 1 and under_way[0] in tried:
            raise UserError(
                f"{paths[under_way[0]]}: two processes that were to decode it ended "
                f"(exit status {status}); leave the file out, or free memory if there is too little"
            )
        tried.update(under_way)
        return [*others, *(range(row, row + 1) for row in under_way)]

    def _stop(self, processes: Sequence[DecodeProcess]) -> int | None:
        """Ends processes; returns the exit status of the last."""
        status = None
        for process in [*processes]:
            self._processes.remove(process)
            status = process.stop()
        return status


def decode_pool(count: int) -> DecodePool:
    """Returns the pool of `count` processes that all splits of this process share."""
    return _pool_of(os.getpid(), count)


@functools.cache
def _pool_of(pid: int, count: int) -> DecodePool:
    """Returns a process's own pool: a fork must not talk to its parent's children."""
    pool = DecodePool(count)
    atexit.register(pool.close)
    return pool


def _runs(rows: int, processes: int, most: int) -> list[range]:
    """Returns runs of up to `most` rows, shorter towards the end, so that all end together.

    The shortest are not too short: on busy cores an answer waits for the parent's turn.
    """
    runs, first, least = [], 0, max(1, rows // (16 * processes))
    while first < rows:
        length = min(most, max(least, (rows - first) // (2 * processes)), rows - first)
        runs.append(range(first, first + length))
        first += length
    return runs


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # removed: then names are absolute, or cannot be read
        return ""
