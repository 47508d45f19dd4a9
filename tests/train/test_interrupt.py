"""Ctrl-C: a request first, a stop the second time, and nothing left behind."""

import os
import signal
import threading

import pytest

from ferjax.train.interrupt import interrupt_requests


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
