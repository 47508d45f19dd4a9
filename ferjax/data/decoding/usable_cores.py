"""How many cores this process may use."""

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Returns the number of cores, at least 1, by affinity and by the container's processor time.

    A container of two cores on a machine of a hundred would else start a hundred processes.

    Args:
      quota: a file of the control group: microseconds of processor time, or `max`, and a period.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        time, period = map(int, quota.read_text("ascii").split())
    except (OSError, ValueError):  # no such limit
        return cores
    return max(1, min(cores, math.ceil(time / period)))
