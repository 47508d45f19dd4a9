"""Number of CPU cores that this process may use: affinity and container quota."""

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Returns the number of cores, at least 1, by CPU affinity and by the quota of the container.

    Without the quota, a container with two cores on a large machine would start a process for every
    core of the machine.

    Args:
      quota: the cgroup file cpu.max: microseconds of CPU time or `max`, and the period.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        time, period = map(int, quota.read_text("ascii").split())
    except (OSError, ValueError):  # no quota
        return cores
    return max(1, min(cores, math.ceil(time / period)))
