"""Ctrl-C and SIGTERM: a request first, a stop the second time, and nothing left behind."""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from ferjax.errors import Terminated
from ferjax.training.interrupt_signals import (
    ending_as_ctrl_c,
    holding_signals,
    interrupt_requests,
    repeating_ignored_interrupts,
)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_first_press_is_a_request_and_the_second_stops() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupt_requests() as interrupted:
        assert not interrupted()
        press()
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            press()
        assert interrupted()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_scheduler_asks_as_ctrl_c_does(number: int) -> None:
    before = signal.getsignal(number)

    def run_until_asked(again: bool) -> None:
        with interrupt_requests() as interrupted:
            os.kill(os.getpid(), number)
            assert interrupted()
            if again:
                press()
            raise KeyboardInterrupt

    for again in (False, True):
        with pytest.raises(Terminated):
            run_until_asked(again)
    assert signal.getsignal(number) is before


def test_what_ends_a_process_ends_a_block_as_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), ending_as_ctrl_c():
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as caught, ending_as_ctrl_c():
        press()
    assert not isinstance(caught.value, Terminated)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupt_requests() as interrupted:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupted()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_handler_is_put_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError), interrupt_requests():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_always_hear_no() -> None:
    heard: list[bool] = []

    def work() -> None:
        with interrupt_requests() as interrupted:
            heard.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]


class _Dying:
    """An object that is interrupted while it goes away."""

    def __del__(self) -> None:
        press()
        time.sleep(0.01)


def _press_in_garbage_collection() -> None:
    def callback(phase: str, _: object) -> None:
        if phase == "start":
            gc.callbacks.remove(callback)
            press()
            time.sleep(0.01)

    gc.callbacks.append(callback)
    gc.collect()


@pytest.mark.parametrize("swallow", [_press_in_garbage_collection, _Dying])
def test_an_interrupt_that_python_ignores_comes_again(swallow: Callable[[], object]) -> None:
    before = sys.unraisablehook
    with repeating_ignored_interrupts():
        swallow()
        with pytest.raises(KeyboardInterrupt):
            time.sleep(5)
    assert sys.unraisablehook is before


def test_other_ignored_errors_are_left_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: seen.append(ignored.exc_value))

    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    with repeating_ignored_interrupts():
        Broken()
    assert [str(error) for error in seen] == ["broken"]


def test_signals_are_held_back_until_a_block_is_left() -> None:
    reached = []

    def interrupted_import() -> None:
        with holding_signals():
            # Other threads of the tests hold nothing back.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.01)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        interrupted_import()
    assert reached
