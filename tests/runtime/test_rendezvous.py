"""Rendezvous of processes before jax.distributed, with threads in the place of processes."""

import socket
import threading
import time
from collections.abc import Callable

import pytest

from ferjax.errors import UserError
from ferjax.runtime.rendezvous import wait_for_all_processes


@pytest.fixture
def port() -> int:
    """Returns a free port."""
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def call_together(*calls: Callable[[], None]) -> list[str]:
    """Makes all calls at the same time; returns the error text of each, or an empty text."""
    errors = [""] * len(calls)

    def run(number: int) -> None:
        try:
            calls[number]()
        except UserError as error:
            errors[number] = str(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def process(port: int, number: int, count: int = 3, seconds: float = 5) -> Callable[[], None]:
    return lambda: wait_for_all_processes(f"127.0.0.1:{port}", count, number, seconds)


def after_delay(call: Callable[[], None]) -> Callable[[], None]:
    def wait() -> None:
        time.sleep(0.5)
        call()

    return wait


def test_all_return_when_all_have_connected_in_any_order(port: int) -> None:
    first, *others = (process(port, number) for number in range(3))
    assert call_together(after_delay(first), *others) == ["", "", ""]
    assert call_together(first, after_delay(others[1]), others[0]) == ["", "", ""]


def test_all_processes_name_the_missing_ones(port: int) -> None:
    errors = call_together(process(port, 0, 4, 2), process(port, 2, 4, 2))
    assert errors[0] == errors[1]
    assert "of 4 processes, processes 1, 3 did not connect" in errors[0]


def test_no_answer(port: int) -> None:
    with pytest.raises(UserError, match=r"process 1 waited .* process 0: no answer"):
        process(port, 1, seconds=-1.5)()
    with pytest.raises(UserError, match="no such host"):
        wait_for_all_processes("no-such-host.invalid:1", 2, 1, -1.5)


def test_a_port_in_use(port: int) -> None:
    with socket.create_server(("", port)), pytest.raises(UserError, match="cannot listen there"):
        process(port, 0)()


def test_another_program_answers(port: int) -> None:
    with socket.create_server(("", port)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        errors = call_together(answer, process(port, 1, seconds=-1))
    assert "another program answers, not process 0 of this run" in errors[1]


def test_connections_of_other_programs_are_ignored(port: int) -> None:
    def other_program() -> None:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as peer:
                    peer.sendall(b"GET / HTTP/1.1\n")
                    return
            except OSError:
                time.sleep(0.05)

    errors = call_together(process(port, 0, 2), other_program, after_delay(process(port, 1, 2)))
    assert errors == ["", "", ""]


def test_all_processes_report_a_number_given_twice(port: int) -> None:
    errors = call_together(process(port, 0), process(port, 1), process(port, 1))
    assert all("--process_id=1 was given to two processes" in error for error in errors)


def test_both_processes_report_different_counts(port: int) -> None:
    errors = call_together(process(port, 0, 2), process(port, 1, 3))
    assert errors[0] == errors[1]
    assert "--num_processes=2 in process 0, 3 in process 1" in errors[0]


@pytest.mark.parametrize("address", ["node1", "node1:", ":12", "node1:0", "node1:x", "a:70000"])
def test_invalid_addresses(address: str) -> None:
    with pytest.raises(UserError, match=r"expected host:port"):
        wait_for_all_processes(address, 2, 0, 1)
