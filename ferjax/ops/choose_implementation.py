"""Chooses, by platform and size, whether an operation runs ferjax's custom code or plain XLA."""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class Domain:
    """The platforms and sizes for which an operation takes its custom implementation.

    Attributes:
      platforms: jax's names of the platforms; no operation needs a custom implementation on TPU.
      least: the smallest size; the unit is written next to each operation in `DOMAINS`.
      most: the largest size.
    """

    platforms: tuple[str, ...]
    least: float = 0
    most: float = math.inf


# The numbers come from earlier measurements (docs/results/speed.md). Nothing is measured at run
# time, because all processes of a run must make the same choice. `conv_relu_max_pool` also saves
# memory, so a GPU takes it although its speed there was not measured.
DOMAINS: dict[str, Domain] = {
    # Size: side of the pooling window. With small windows many pixels are maxima; then dense
    # matrix products are cheaper.
    "conv_relu_max_pool": Domain(("cpu", "gpu"), least=8),
    # Size: side of the window. Each of its positions costs one pass over the map.
    "max_pool": Domain(("cpu",), most=8),
    # Size: number of channels.
    "depthwise": Domain(("cpu",)),
    # Size: positions of the kernel minus pixels of the map.
    "small_map_conv": Domain(("cpu",), least=1),
    # Size: side of the kernel. With 25 positions the kernel gradient's matrix product is too thin.
    "one_channel_conv": Domain(("cpu",), most=3),
    # Size: number of input channels. With fewer channels there is little to transpose.
    "conv": Domain(("cpu",), least=16),
}

# Forms of a max pool in plain code. `reduce_window`: XLA's operation. Converters turn it into a
# four-dimensional pool, which onnxruntime refuses. `linen`: Linen's function, which converters
# recognise. `linen_edge`: Linen's function with edge pixels as padding instead of -inf, because
# numbers of eight bits have no infinity.
POOLS = ("reduce_window", "linen", "linen_edge")

_plain = contextvars.ContextVar("plain", default=False)
_platform = contextvars.ContextVar[str | None]("platform", default=None)
_pools = contextvars.ContextVar("pools", default=POOLS[0])


def use_custom_implementation(operation: str, size: int) -> bool:
    """Returns whether an operation of this size takes its custom implementation.

    The answer depends on the default backend, or on the platform of `implementations_of`. It is
    used while tracing, so a compiled function keeps the implementation that it was traced with.

    Args:
      operation: a key of `DOMAINS`.
      size: the size; its unit is written next to the operation in `DOMAINS`.
    """
    domain = DOMAINS[operation]
    platform = _platform.get() or jax.default_backend()
    available = platform in domain.platforms and not _plain.get()
    return available and domain.least <= size <= domain.most


def pool_form() -> str:
    """Returns the plain form of a max pool, a name of `POOLS`."""
    return _pools.get()


@contextlib.contextmanager
def plain_implementations(pools: str = "reduce_window") -> Iterator[None]:
    """Makes every function traced in the block use XLA's implementations.

    Benchmarks, tests and exports use it.

    Args:
      pools: form of the max pools, a name of `POOLS`.
    """
    plain_token, pools_token = _plain.set(True), _pools.set(pools)
    try:
        yield
    finally:
        _plain.reset(plain_token)
        _pools.reset(pools_token)


@contextlib.contextmanager
def implementations_of(platform: str) -> Iterator[None]:
    """Makes every function traced in the block choose implementations as on another platform.

    A program for a GPU can then be traced on a machine without one, and a test can run the custom
    implementations of CPUs on a GPU. As with plain implementations, jit must not have traced the
    same function before.

    Args:
      platform: jax's name of the platform: `cpu`, `gpu` or `tpu`.
    """
    token = _platform.set(platform)
    try:
        yield
    finally:
        _platform.reset(token)


def with_plain_implementations(
    function: Callable[..., Any], pools: str = "reduce_window"
) -> Callable[..., Any]:
    """Returns a function that uses XLA's implementations only.

    Each call returns a new function: jit caches traces by function, and a trace keeps its
    implementations.

    Args:
      function: any function of positional arguments.
      pools: as in `plain_implementations`.
    """

    def plain(*arguments: Any) -> Any:
        with plain_implementations(pools):
            return function(*arguments)

    return plain
