"""Roofline of this machine, measured: FLOP/s of matrix products and memory bandwidth, float32."""

import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ferjax.bench.measuring.operation_counts import Work
from ferjax.runtime.programs.machine_limits import matmul_rate

# platform → side of the matrices, floats of the updated array: both are larger than the caches.
_SIZES = {"cpu": (2048, 2**25)}
_DEVICE_SIZES = (8192, 2**28)


@dataclass(frozen=True)
class Ceilings:
    """The measured rates.

    Attributes:
      flops: FLOP/s of a product of large float32 matrices.
      bytes: bytes per second, read and written, when an array is updated in place.
    """

    flops: float
    bytes: float


def measure_ceilings() -> Ceilings:
    """Returns the rates of the first device, each the best of several runs."""
    platform = jax.default_backend()
    side, floats = _SIZES.get(platform, _DEVICE_SIZES)
    flops = matmul_rate(side, jnp.float32)
    return Ceilings(flops, bytes=2 * 4 * floats / _update_seconds(jnp.ones((floats,))))


def floor_seconds(work: Work, ceilings: Ceilings) -> float:
    """Returns the least seconds that the ceilings allow for the work."""
    return max(work.flops / ceilings.flops, work.bytes / ceilings.bytes)


def _update_seconds(array: jax.Array) -> float:
    """Returns the shortest time of 8 in-place updates of an array."""
    # The update is in place, so that the time has no allocation of new pages.
    update = jax.jit(lambda x: x + 1, donate_argnums=0)
    times = []
    for _ in range(8):
        start = time.perf_counter()
        array = jax.block_until_ready(update(array))
        times.append(time.perf_counter() - start)
    return min(times)
