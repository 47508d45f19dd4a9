"""Peak of a run's anonymous memory: that which the system cannot drop like pages of files."""

import os
import threading
from pathlib import Path

from ferjax.bench.measuring.case import Run
from ferjax.bench.measuring.peak_memory import trim_heap

_STATM = Path("/proc/self/statm")
# Short against the parts that are measured, long against reading the file.
_PAUSE_SECONDS = 0.002


def anonymous_peak(run: Run) -> int | None:
    """Returns how far a run raises the anonymous memory of this process at most, in bytes.

    It is read every 2 ms beside the run, so that a shorter peak may be missed. The pages of a
    memory-mapped store, which processes share and the system can drop, do not count. None where the
    platform does not report it.
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
        kept = run()  # until it is measured
        peak = max(peak, _anonymous_bytes())
        del kept
    finally:
        ended.set()
        watcher.join()
    return peak - before


def _anonymous_bytes() -> int:
    _, resident, shared, *_ = map(int, _STATM.read_text("ascii").split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
