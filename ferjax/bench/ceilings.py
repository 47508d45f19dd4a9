"""What this machine can do at best, measured: matrix products and copies in float32."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ferjax.bench.work import Work
from ferjax.sharding import compiler_options

# platform → side of the matrices, floats copied: large enough to leave the caches.
_SIZES = {"cpu": (2048, 2**25)}
_DEVICE_SIZES = (8192, 2**28)


@dataclass(frozen=True)
class Ceilings:
    """The measured rates.

    Attributes:
      flops: operations a second in a product of large float32 matrices.
      bytes: bytes a second, read and written, when an array is updated in place.
    """

    flops: float
    bytes: float


def measure_ceilings() -> Ceilings:
    """Returns the rates of the first device, each the best of several runs."""
    platform = jax.default_backend()
    side, floats = _SIZES.get(platform, _DEVICE_SIZES)
    square, line = jnp.ones((side, side)), jnp.ones((floats,))
    # XLA has two libraries for matrix products on CPU; our compiler options choose between them.
    choices = [{}, compiler_options(platform)]
    product = min(_product_seconds(square, options) for options in choices)
    copy = _update_seconds(line)
    return Ceilings(flops=2 * side**3 / product, bytes=2 * 4 * floats / copy)


def floor_seconds(work: Work, ceilings: Ceilings) -> float:
    """Returns the seconds below which this machine cannot do the work."""
    return max(work.flops / ceilings.flops, work.bytes / ceilings.bytes)


def _product_seconds(square: jax.Array, options: dict[str, str]) -> float:
    multiply = jax.jit(jnp.matmul, compiler_options=options)
    return _best_of(lambda _: multiply(square, square))


def _update_seconds(line: jax.Array) -> float:
    # In place: fresh memory would be paid for page by page.
    return _best_of(jax.jit(lambda x: x + 1, donate_argnums=0), line)


def _best_of(function: Callable[[Any], jax.Array], value: Any = None) -> float:
    """Returns the shortest of several runs, each on what the one before returned."""
    times = []
    for _ in range(8):
        start = time.perf_counter()
        value = jax.block_until_ready(function(value))
        times.append(time.perf_counter() - start)
    return min(times)
