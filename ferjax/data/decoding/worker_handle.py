"""A process that decodes files, as its parent sees it."""

import contextlib
import math
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# What a process answers: first that it is up, then whether it has done a run.
READY, DONE, FAILED, ENDED = b"r", b"d", b"f", b""
# No `site` and no main module: the child gets the parent's search path and imports what it needs.
_BOOT = """import sys
board, *sys.path[:] = sys.argv[1:]
from ferjax.data.decoding.worker_main import serve
serve(int(board))"""
_SETTINGS = {
    # NumPy's linear algebra would start a thread a core in every process.
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # What glibc gives back to the system after each image it zeroes again for the next: 224x224
    # images then take 2.4 times as long.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}


class DecodeProcess:
    """A child that decodes runs of a batch's rows to a board, memory that both sides map.

    It has two runs at a time: one it decodes, while its parent fetches another from the board.

    Attributes:
      answers: a descriptor: readable when the oldest run is done, and when the process has ended.
      runs: those it was asked for, oldest first.

    Raises:
      OSError: no process can be started.
    """

    SLOTS = 2

    def __init__(self) -> None:
        self._board = _unnamed_file()
        # Its last entry is where an import hook, as of an editable install, found ferjax.
        path = [*map(os.path.abspath, sys.path), str(Path(__file__).parents[2])]
        options = ["-P", "-S", "-X", f"utf8={sys.flags.utf8_mode}", "-c", _BOOT]
        try:
            self._process = subprocess.Popen(
                [sys.executable, *options, str(self._board), *path],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | _SETTINGS,
                pass_fds=[self._board],
                process_group=0,  # Ctrl-C is for the parent
            )
        except BaseException:
            os.close(self._board)
            raise
        assert self._process.stdin
        assert self._process.stdout
        self._requests = self._process.stdin.fileno()
        self.answers = self._process.stdout.fileno()
        os.set_blocking(self.answers, False)
        self.runs: deque[range] = deque()
        self._memory: mmap.mmap | bytes = b""
        self._shape, self._slot, self._asked, self._ready = (0, 0, 0), 0, 0, False

    def prepare(self, shape: tuple[int, int, int], most: int) -> None:
        """Makes room for runs of up to `most` images of `shape` (H, W, C)."""
        self._shape, self._slot = shape, most * math.prod(shape)
        if len(self._memory) < self.SLOTS * self._slot:
            os.ftruncate(self._board, self.SLOTS * self._slot)
            self._memory = mmap.mmap(self._board, self.SLOTS * self._slot)

    def ask(self, run: range, names: Sequence[str]) -> None:
        """Asks for the rows `run`, which are in the files `names`; a dead process is not told."""
        start = self._asked % self.SLOTS * self._slot
        request = pickle.dumps((names, self._shape[:2], self._shape[2], start))
        self.runs.append(run)
        self._asked += 1
        with contextlib.suppress(BrokenPipeError):
            while request:
                request = request[os.write(self._requests, request) :]

    def ready(self) -> bool:
        """Returns whether the process is up: its imports take a moment.

        Raises:
          OSError: it ended instead.
        """
        if not self._ready:
            with contextlib.suppress(BlockingIOError):
                self._ready = self.answer() == READY
                if not self._ready:
                    raise ChildProcessError("the decoding process ended while it started")
        return self._ready

    def ended(self) -> bool:
        """Returns whether the process is no more."""
        return self._process.poll() is not None

    def answer(self) -> bytes:
        """Returns the answer to the oldest run.

        Raises:
          BlockingIOError: there is none yet.
        """
        return os.read(self.answers, 1)

    def pixels(self) -> np.ndarray:
        """Returns the oldest run's images, uint8 [b, H, W, C], valid until `ask`."""
        start = (self._asked - len(self.runs)) % self.SLOTS * self._slot
        return np.ndarray((len(self.runs[0]), *self._shape), np.uint8, self._memory, start)

    def stop(self) -> int:
        """Ends the process, which only ever reads files; returns its exit status."""
        self._process.kill()
        with self._process:
            os.close(self._board)
        return self._process.returncode


def _unnamed_file() -> int:
    """Returns the descriptor of a file without a name: in memory, else in the temporary folder."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("ferjax-decoded")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
