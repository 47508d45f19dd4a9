"""Peak FLOP/s of this machine in matrix products (measured), and peak memory of a process."""

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

from ferjax.runtime.programs.compiler_options import compiler_options
from ferjax.runtime.sharding import Devices

_RUNS = 3


def matmul_rate(side: int, dtype: Any) -> float:
    """Returns the highest measured FLOP/s of a product of square matrices on one device.

    Args:
      side: number of rows and columns of the matrices.
      dtype: type of their elements.
    """
    square, options = jnp.ones((side, side), dtype), compiler_options(jax.default_backend())
    # On CPU, XLA has two libraries for matrix products; the compiler options select one.
    return max(_measured_rate(square, choice) for choice in ([{}, options] if options else [{}]))


def _measured_rate(square: jax.Array, options: dict[str, str]) -> float:
    multiply, side = jax.jit(jnp.matmul, compiler_options=options), len(square)
    times = []
    for _ in range(_RUNS + 1):
        start_time = time.perf_counter()
        jax.block_until_ready(multiply(square, square))
        times.append(time.perf_counter() - start_time)
    return 2 * side**3 / min(times[1:])


def matmul_ceiling(devices: Devices, dtype: Any) -> float:
    """Returns the FLOP/s that all devices of a run reach together, from a measurement on one.

    This takes a few tenths of a second. Simulated devices of a CPU share its cores; on CPU each
    process counts once.

    Args:
      devices: the devices of the run in all processes.
      dtype: the type in which the network computes.
    """
    if devices[0].platform != "cpu":
        return len(devices) * matmul_rate(8192, dtype)
    return matmul_rate(1024, dtype) * len({device.process_index for device in devices})


def peak_memory(devices: Devices) -> dict[str, int]:
    """Returns peak memory so far in bytes: `host` of the process, `device` of its fullest device.

    Args:
      devices: the devices of the run. CPU devices report no memory; then `device` is missing.
    """
    peak = {}
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak["host"] = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    local = [device for device in devices if device.process_index == jax.process_index()]
    stats = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in local]
    reported = [peak_bytes for peak_bytes in stats if peak_bytes is not None]
    return {**peak, "device": max(reported)} if reported else peak
