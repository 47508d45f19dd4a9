"""Signals (Ctrl-C, SIGTERM, SIGHUP) as requests to stop that the loop answers between steps."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from ferjax.errors import Terminated

_HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)  # not on Windows
_AGAIN_SECONDS = 0.02
_ENDING = {signal.SIGINT, signal.SIGTERM, _HANGUP}


@contextlib.contextmanager
def interrupt_requests(joined: bool = False) -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether a signal asked to end; a second one ends at once.

    The signals are SIGINT (Ctrl-C), SIGTERM (a scheduler) and SIGHUP (a terminal that closed). The
    `KeyboardInterrupt` of a block that was asked by another than Ctrl-C leaves as `Terminated`.
    Outside the main thread Python allows no handlers, and the function always answers no.

    Args:
      joined: whether several processes run as one: SIGTERM is then left to JAX, which tells all of
        them (`processes.stop_requested`), and whatever else asks to end ends them in its name.
    """
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            _raise(number, frame)

    with _handled(handle, {signal.SIGTERM} if joined else set()):
        try:
            yield lambda: bool(received)
        except KeyboardInterrupt:
            if joined:
                raise Terminated from None
            if received:
                raise _error_of(received[0]) from None
            raise


@contextlib.contextmanager
def ending_as_ctrl_c() -> Iterator[None]:
    """Turns the signals that end a process into `KeyboardInterrupt`, so that nothing is left."""
    with _handled(_raise):
        yield


@contextlib.contextmanager
def repeating_ignored_interrupts() -> Iterator[None]:
    """Sends a signal again whose `KeyboardInterrupt` Python ignored.

    Where the interpreter happens to be in a callback of the garbage collector (JAX has one) or in a
    finaliser, Python prints the exception, drops it and goes on.
    """
    before = sys.unraisablehook

    def hook(ignored: Any) -> None:
        if not isinstance(ignored.exc_value, KeyboardInterrupt):
            before(ignored)
            return
        number = signal.SIGTERM if isinstance(ignored.exc_value, Terminated) else signal.SIGINT
        main = threading.main_thread().ident
        # Later, and from outside: what this hook raises is ignored too.
        again = threading.Timer(_AGAIN_SECONDS, lambda: signal.pthread_kill(main or 0, number))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def holding_signals() -> Iterator[None]:
    """Holds the signals that end a process back until the block is left.

    Compiled code whose import is interrupted ends in another error, or in a crash.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _handled(
    handler: Callable[[int, Any], None], but: AbstractSet[int] = frozenset()
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # None is a handler that another language has set: it cannot be set again from here.
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in _ENDING - but}
    # A hangup that is ignored, as under nohup, stays so.
    if before.get(_HANGUP) == signal.SIG_IGN:
        del before[_HANGUP]
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _raise(number: int, frame: object) -> None:
    raise _error_of(number)


def _error_of(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()
