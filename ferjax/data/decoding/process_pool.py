"""A pool of processes that decode image files in parallel, without a shared interpreter lock.

The pool leaves some files to the caller: all files until enough have been read to make processes
worthwhile, all files if no process can be started, and files that a process cannot read, so that
the decoder of the caller raises the error.
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

# Starting a process takes as long as it saves on this many images.
_START_AFTER = 2048
_IMAGES_PER_PROCESS = 4
# Bytes per request; so few that they stay in the processor's cache until the parent reads them.
_RUN_BYTES = 1 << 20


class DecodePool:
    """Up to `count` decoding processes. Any thread may call `read`; one call runs at a time.

    Args:
      count: largest number of processes.
      start_after: number of images that are left to the caller before any process is started.
    """

    def __init__(self, count: int, start_after: int = _START_AFTER) -> None:
        # In a frozen program sys.executable is not Python; Windows cannot pass file descriptors.
        can_start = (
            os.name == "posix" and bool(sys.executable) and not getattr(sys, "frozen", False)
        )
        self._count = count if can_start and count > 1 else 0
        self._start_after = start_after
        self._processes: list[DecodeProcess] = []
        self._lock, self._owner = threading.Lock(), os.getpid()

    def read(self, paths: Sequence[Path], images: np.ndarray) -> Sequence[int]:
        """Decodes B files to `images`, uint8 [B, H, W, C]; returns the rows left to the caller.

        Raises:
          UserError: two processes ended while they decoded the same file.
        """
        with self._lock:
            processes = self._ready_processes(min(self._count, len(paths) // _IMAGES_PER_PROCESS))
            self._start_after -= len(paths)
            if not processes:
                return range(len(paths))
            try:
                return self._decode_in_processes(processes, paths, images)
            except BaseException:  # also interrupts: nobody would read the pending answers
                self._stop(self._processes)
                raise

    def close(self) -> None:
        """Ends the processes; later reads are left to the callers."""
        if os.getpid() != self._owner:  # a copy in a forked process
            return
        # Another thread may finish its read, but one that hangs must not prevent the exit.
        locked = self._lock.acquire(timeout=2)
        self._count = 0
        self._stop(self._processes)
        if locked:
            self._lock.release()

    def _ready_processes(self, count: int) -> list[DecodeProcess]:
        """Returns `count` processes if all are ready, else []; starts the missing ones."""
        if count < 2 or self._start_after > 0:
            return []
        self._stop([process for process in self._processes if process.ended()])
        try:
            while len(self._processes) < count:
                self._processes.append(DecodeProcess())
            processes = self._processes[:count]
            return processes if all(process.ready() for process in processes) else []
        except OSError:  # no process can be started, or a process is not our worker
            self._count = 0
            self._stop(self._processes)
            return []

    def _decode_in_processes(
        self, processes: Sequence[DecodeProcess], paths: Sequence[Path], images: np.ndarray
    ) -> Sequence[int]:
        """Decodes files in ready processes, as `read` does; returns the rows left to the caller."""
        # The processes keep the directory of their start, so they get absolute names.
        directory = _working_directory()
        run_length = max(1, _RUN_BYTES // images[0].nbytes)
        pending = deque(_runs(len(paths), len(processes), run_length))
        left_to_caller: list[int] = []
        tried_rows: set[int] = set()
        with selectors.DefaultSelector() as selector:
            for process in processes:
                process.prepare(images.shape[1:], run_length)
                selector.register(process.answers, selectors.EVENT_READ, process)
            while True:
                alive: list[DecodeProcess] = [key.data for key in selector.get_map().values()]
                for process in alive:
                    while pending and len(process.runs) < process.SLOTS:
                        run = pending.popleft()
                        process.ask(run, [os.path.join(directory, paths[row]) for row in run])
                if not any(process.runs for process in alive):
                    return sorted([*left_to_caller, *(row for run in pending for row in run)])
                for key, _ in selector.select():
                    process = key.data
                    answer = process.answer()
                    if answer == ENDED:
                        selector.unregister(process.answers)
                        pending.extendleft(self._runs_to_repeat(process, paths, tried_rows))
                        continue
                    pixels, run = process.pixels(), process.runs.popleft()
                    if answer == DONE:
                        images[run.start : run.stop] = pixels
                    else:
                        left_to_caller.extend(run)

    def _runs_to_repeat(
        self, process: DecodeProcess, paths: Sequence[Path], tried_rows: set[int]
    ) -> list[range]:
        """Returns the runs of a process that has ended; its current run is divided into rows."""
        current_run, *waiting_runs = process.runs or [range(0)]
        status = self._stop([process])
        if len(current_run) == 1 and current_run[0] in tried_rows:
            raise UserError(
                f"{paths[current_run[0]]}: two processes that were to decode it ended "
                f"(exit status {status}); leave the file out, or free memory if there is too little"
            )
        tried_rows.update(current_run)
        return [*waiting_runs, *(range(row, row + 1) for row in current_run)]

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
    """Returns the pool of one process; a forked process must not use the pool of its parent."""
    pool = DecodePool(count)
    atexit.register(pool.close)
    return pool


def _runs(rows: int, processes: int, max_length: int) -> list[range]:
    """Returns runs of up to `max_length` rows; later runs are shorter, so processes end together.

    Runs have a minimal length, because on busy cores every answer waits for the parent.
    """
    runs, first_row, min_length = [], 0, max(1, rows // (16 * processes))
    while first_row < rows:
        length = min(
            max_length, max(min_length, (rows - first_row) // (2 * processes)), rows - first_row
        )
        runs.append(range(first_row, first_row + length))
        first_row += length
    return runs


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # the directory was removed; only absolute names can be read
        return ""
