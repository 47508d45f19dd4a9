"""Which form of an operation is traced: ferjax's own, or the plain one that XLA lowers."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_plain = contextvars.ContextVar("plain", default=False)


def own_form(*platforms: str) -> bool:
    """Returns whether an operation takes its own form: on these platforms, unless switched off.

    Asked while tracing, so a compiled function keeps the form it was traced with.
    """
    return jax.default_backend() in platforms and not _plain.get()


@contextlib.contextmanager
def plain_forms() -> Iterator[None]:
    """Whatever is traced inside takes the plain forms: for benchmarks, tests and doubts."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)
