"""Peak of a run's anonymous memory, which the system cannot drop as it drops pages of files."""

import os
import threading
from pathlib import Path

from ferjax.bench.measuring.case import Run
from ferjax.bench.measuring.peak_memory import trim_heap

_STATM = Path("/proc/self/statm")
# Much shorter than a measured part, and much longer than one read of the file.
_PAUSE_SECONDS = 0.002


def anonymous_peak(run: Run) -> int | None:
    """Returns the largest increase of this process's anonymous memory during a run, in bytes.

    A thread reads the memory every 2 ms; a shorter peak may be missed. The pages of a memory-mapped
    store do not count: processes share them, and the system can drop them. None where the platform
    does not report the memory.
    """
    if not _STATM.is_file():
        return None
    trim_heap()
    before = peak = _anonymous_bytes()
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(_PAUSE_SECONDS):
            peak = max(peak, _anonymous_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = run()  # kept until the last read: its memory counts
        peak = max(peak, _anonymous_bytes())
        del result
    finally:
        ended.set()
        watcher.join()
    return peak - before


def _anonymous_bytes() -> int:
    _, resident, shared, *_ = map(int, _STATM.read_text("ascii").split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
