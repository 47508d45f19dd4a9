"""What this machine does at best in matrix products, and the memory that a process has taken."""

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

from ferjax.runtime.sharding import Devices, compiler_options

_RUNS = 3


def product_rate(side: int, dtype: Any) -> float:
    """Returns operations a second of the best of some products of square matrices, on one device.

    Args:
      side: of the matrices.
      dtype: of their elements.
    """
    square, options = jnp.ones((side, side), dtype), compiler_options(jax.default_backend())
    # XLA has two libraries for matrix products on CPU; our compiler options choose between them.
    return max(_rate(square, choice) for choice in ([{}, options] if options else [{}]))


def _rate(square: jax.Array, options: dict[str, str]) -> float:
    multiply, side = jax.jit(jnp.matmul, compiler_options=options), len(square)
    times = []
    for _ in range(_RUNS + 1):
        start = time.perf_counter()
        jax.block_until_ready(multiply(square, square))
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times[1:])


def matrix_ceiling(devices: Devices, dtype: Any) -> float:
    """Returns operations a second that all devices of a run do at best, by a measurement here.

    Takes a few tenths of a second. Simulated devices of a CPU share its cores: each process counts
    once there.

    Args:
      devices: the run's, in all processes.
      dtype: that the network computes in.
    """
    if devices[0].platform != "cpu":
        return len(devices) * product_rate(8192, dtype)
    return product_rate(1024, dtype) * len({device.process_index for device in devices})


def peak_memory(devices: Devices) -> dict[str, int]:
    """Returns the most bytes taken so far: of this process, and of its fullest device.

    Args:
      devices: the run's; a CPU's tell nothing beside the process.
    """
    peak = {}
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak["host"] = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mine = [device for device in devices if device.process_index == jax.process_index()]
    stats = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in mine]
    known = [taken for taken in stats if taken is not None]
    return {**peak, "device": max(known)} if known else peak
