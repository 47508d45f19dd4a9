"""Which form of an operation is traced: ferjax's own, or the plain one that XLA lowers."""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class Domain:
    """Where an operation's own form is taken.

    Attributes:
      platforms: jax's names of them; TPU never needs one.
      least: the smallest size, in the operation's own measure.
      most: the largest.
    """

    platforms: tuple[str, ...]
    least: float = 0
    most: float = math.inf


# Filled from measurements (BUILD.md, "Which form"), never by measuring at run time: processes that
# share a run must agree. The jumper's is for memory too, so a GPU takes it unmeasured.
DOMAINS: dict[str, Domain] = {
    # side of the pooling window: under a small one winners are dense, and dense products cheap
    "conv_relu_max_pool": Domain(("cpu", "gpu"), least=8),
    # side of the window: each of its places is one pass over the map
    "max_pool": Domain(("cpu",), most=8),
    # channels
    "depthwise": Domain(("cpu",)),
    # places of the kernel more than pixels of the map
    "small_map_conv": Domain(("cpu",), least=1),
    # input channels: with fewer there is little to turn
    "conv": Domain(("cpu",), least=16),
}

_plain = contextvars.ContextVar("plain", default=False)


def own_form(operation: str, size: int) -> bool:
    """Returns whether an operation of this size takes its own form on the default backend.

    Asked while tracing, so a compiled function keeps the form it was traced with.

    Args:
      operation: a key of `DOMAINS`.
      size: in the measure named there.
    """
    domain = DOMAINS[operation]
    here = jax.default_backend() in domain.platforms and not _plain.get()
    return here and domain.least <= size <= domain.most


@contextlib.contextmanager
def plain_forms() -> Iterator[None]:
    """Whatever is traced inside takes the plain forms: for benchmarks, tests and doubts."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that takes the plain forms.

    A new one at each call: jit remembers traces by function, and a trace keeps its forms.
    """

    def plain(*arguments: Any) -> Any:
        with plain_forms():
            return function(*arguments)

    return plain
