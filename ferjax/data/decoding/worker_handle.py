"""Parent side of a decoding process: starts it, sends requests, reads its pixels, stops it."""

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

# Answers of a process: ready after its start, then done or failed for each run; empty if it ended.
READY, DONE, FAILED, ENDED = b"r", b"d", b"f", b""
# The child runs without `site` and without a main module; it gets the parent's search path.
_BOOT = """import sys
board, *sys.path[:] = sys.argv[1:]
from ferjax.data.decoding.worker_main import serve
serve(int(board))"""
_ENVIRONMENT = {
    # Otherwise NumPy's linear algebra starts a thread per core in every process.
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # Otherwise glibc returns memory to the system after each image and gets it zeroed for the next:
    # 224x224 images then take 2.4 times as long.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}


class DecodeProcess:
    """A child process that decodes runs of rows of a batch into memory shared with its parent.

    It has up to two runs: it decodes one run while its parent copies the other.

    Attributes:
      answers: a file descriptor, readable when the oldest run is done or the process has ended.
      runs: the requested runs, oldest first.

    Raises:
      OSError: no process can be started.
    """

    SLOTS = 2

    def __init__(self) -> None:
        self._shared_file = _unnamed_file()
        # The last entry is needed if an import hook (editable install) found ferjax.
        path = [*map(os.path.abspath, sys.path), str(Path(__file__).parents[3])]
        # The child ignores Pillow's warning of many pixels; this process decides about the limit.
        no_warning = ["-W", "ignore:Image size"]
        options = ["-P", "-S", *no_warning, "-X", f"utf8={sys.flags.utf8_mode}", "-c", _BOOT]
        try:
            self._process = subprocess.Popen(
                [sys.executable, *options, str(self._shared_file), *path],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | _ENVIRONMENT,
                pass_fds=[self._shared_file],
                process_group=0,  # so that Ctrl-C reaches only the parent
            )
        except BaseException:
            os.close(self._shared_file)
            raise
        assert self._process.stdin
        assert self._process.stdout
        self._requests = self._process.stdin.fileno()
        self.answers = self._process.stdout.fileno()
        os.set_blocking(self.answers, False)
        self.runs: deque[range] = deque()
        self._memory: mmap.mmap | bytes = b""
        self._shape, self._slot_bytes, self._num_requests, self._ready = (0, 0, 0), 0, 0, False

    def prepare(self, shape: tuple[int, int, int], run_length: int) -> None:
        """Makes the shared memory large enough for `run_length` images of `shape` (H, W, C)."""
        self._shape, self._slot_bytes = shape, run_length * math.prod(shape)
        if len(self._memory) < self.SLOTS * self._slot_bytes:
            os.ftruncate(self._shared_file, self.SLOTS * self._slot_bytes)
            self._memory = mmap.mmap(self._shared_file, self.SLOTS * self._slot_bytes)

    def ask(self, run: range, names: Sequence[str]) -> None:
        """Requests the rows `run`, whose files are `names`; a process that has ended is ignored."""
        start = self._num_requests % self.SLOTS * self._slot_bytes
        request = pickle.dumps((names, self._shape[:2], self._shape[2], start))
        self.runs.append(run)
        self._num_requests += 1
        with contextlib.suppress(BrokenPipeError):
            while request:
                request = request[os.write(self._requests, request) :]

    def ready(self) -> bool:
        """Returns whether the process has started; its imports take a moment.

        Raises:
          OSError: the process ended during its start.
        """
        if not self._ready:
            with contextlib.suppress(BlockingIOError):
                self._ready = self.answer() == READY
                if not self._ready:
                    raise ChildProcessError("the decoding process ended while it started")
        return self._ready

    def ended(self) -> bool:
        """Returns whether the process has ended."""
        return self._process.poll() is not None

    def answer(self) -> bytes:
        """Returns the answer to the oldest run.

        Raises:
          BlockingIOError: there is no answer yet.
        """
        return os.read(self.answers, 1)

    def pixels(self) -> np.ndarray:
        """Returns the images of the oldest run, uint8 [b, H, W, C], valid until the next `ask`."""
        start = (self._num_requests - len(self.runs)) % self.SLOTS * self._slot_bytes
        return np.ndarray((len(self.runs[0]), *self._shape), np.uint8, self._memory, start)

    def stop(self) -> int:
        """Kills the process, which only reads files, and returns its exit status."""
        self._process.kill()
        with self._process:
            os.close(self._shared_file)
        return self._process.returncode


def _unnamed_file() -> int:
    """Returns the descriptor of a file without a name: in memory, else in the temporary folder."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("ferjax-decoded")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
