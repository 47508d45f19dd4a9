"""Signals (Ctrl-C, SIGTERM, SIGHUP) as stop requests, which the loop checks between steps."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from ferjax.errors import Terminated

_HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)  # not on Windows
_RESEND_SECONDS = 0.02
_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, _HANGUP}


@contextlib.contextmanager
def interrupt_requests(distributed: bool = False) -> Iterator[Callable[[], bool]]:
    """Yields a function () → whether a stop signal has arrived; a second signal raises at once.

    The signals are SIGINT (Ctrl-C), SIGTERM (a scheduler) and SIGHUP (a closed terminal). If the
    block raises `KeyboardInterrupt` after SIGTERM or SIGHUP, it becomes `Terminated`. Outside the
    main thread Python allows no handlers, and the function always returns False.

    Args:
      distributed: whether the run has several processes. JAX then handles SIGTERM and informs all
        processes (`processes.stop_requested`), and every `KeyboardInterrupt` becomes `Terminated`.
    """
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            _raise(number, frame)

    with _handled(handle, {signal.SIGTERM} if distributed else set()):
        try:
            yield lambda: bool(received)
        except KeyboardInterrupt:
            if distributed:
                raise Terminated from None
            if received:
                raise _error_of(received[0]) from None
            raise


@contextlib.contextmanager
def ending_as_ctrl_c() -> Iterator[None]:
    """Turns stop signals into `KeyboardInterrupt`, so that the block can clean up."""
    with _handled(_raise):
        yield


@contextlib.contextmanager
def repeating_ignored_interrupts() -> Iterator[None]:
    """Sends a signal again if Python has ignored its `KeyboardInterrupt`.

    If the exception is raised in a callback of the garbage collector (JAX has one) or in a
    finaliser, Python prints it, ignores it and continues.
    """
    previous_hook = sys.unraisablehook

    def hook(ignored: Any) -> None:
        if not isinstance(ignored.exc_value, KeyboardInterrupt):
            previous_hook(ignored)
            return
        number = signal.SIGTERM if isinstance(ignored.exc_value, Terminated) else signal.SIGINT
        main_thread_id = threading.main_thread().ident
        # Sent later and from another thread, because Python ignores what this hook raises too.
        timer = threading.Timer(
            _RESEND_SECONDS, lambda: signal.pthread_kill(main_thread_id or 0, number)
        )
        timer.daemon = True
        timer.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = previous_hook


@contextlib.contextmanager
def holding_signals() -> Iterator[None]:
    """Blocks stop signals until the block ends.

    If the import of compiled code is interrupted, it raises another error or crashes.
    """
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)


@contextlib.contextmanager
def _handled(
    handler: Callable[[int, Any], None], excluded: AbstractSet[int] = frozenset()
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # None is a handler set outside Python; Python cannot set it again.
    previous_handlers = {
        number: signal.getsignal(number) or signal.SIG_DFL for number in _STOP_SIGNALS - excluded
    }
    # If SIGHUP is ignored, as under nohup, it stays ignored.
    if previous_handlers.get(_HANGUP) == signal.SIG_IGN:
        del previous_handlers[_HANGUP]
    for number in previous_handlers:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in previous_handlers.items():
            signal.signal(number, previous)


def _raise(number: int, frame: object) -> None:
    raise _error_of(number)


def _error_of(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()
