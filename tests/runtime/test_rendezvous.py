"""Processes meet before they join: threads stand for them."""

import socket
import threading
import time
from collections.abc import Callable

import pytest

from ferjax.errors import UserError
from ferjax.runtime.rendezvous import meet


@pytest.fixture
def port() -> int:
    """Returns a port that nothing listens at."""
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def together(*calls: Callable[[], None]) -> list[str]:
    """Returns what each call, all made at once, raised; nothing where it returned."""
    said = [""] * len(calls)

    def run(number: int) -> None:
        try:
            calls[number]()
        except UserError as error:
            said[number] = str(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def process(port: int, number: int, count: int = 3, seconds: float = 5) -> Callable[[], None]:
    return lambda: meet(f"127.0.0.1:{port}", count, number, seconds)


def late(call: Callable[[], None]) -> Callable[[], None]:
    def wait() -> None:
        time.sleep(0.5)
        call()

    return wait


def test_all_return_once_all_have_come_in_any_order(port: int) -> None:
    first, *others = (process(port, number) for number in range(3))
    assert together(late(first), *others) == ["", "", ""]
    assert together(first, late(others[1]), others[0]) == ["", "", ""]


def test_who_is_missing_is_said_by_all(port: int) -> None:
    said = together(process(port, 0, 4, 2), process(port, 2, 4, 2))
    assert said[0] == said[1]
    assert "of 4 processes, processes 1, 3 did not come" in said[0]


def test_nobody_answers(port: int) -> None:
    with pytest.raises(UserError, match=r"process 1 waited .* process 0: nobody answers"):
        process(port, 1, seconds=-1.5)()
    with pytest.raises(UserError, match="no such host"):
        meet("no-such-host.invalid:1", 2, 1, -1.5)


def test_a_port_that_is_taken(port: int) -> None:
    with socket.create_server(("", port)), pytest.raises(UserError, match="cannot listen there"):
        process(port, 0)()


def test_what_answers_is_something_else(port: int) -> None:
    with socket.create_server(("", port)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        said = together(answer, process(port, 1, seconds=-1))
    assert "what answers is not process 0 of this run" in said[1]


def test_a_stranger_who_calls_is_passed_over(port: int) -> None:
    def stranger() -> None:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as peer:
                    peer.sendall(b"GET / HTTP/1.1\n")
                    return
            except OSError:
                time.sleep(0.05)

    said = together(process(port, 0, 2), stranger, late(process(port, 1, 2)))
    assert said == ["", "", ""]


def test_one_number_given_twice_is_said_by_all(port: int) -> None:
    said = together(process(port, 0), process(port, 1), process(port, 1))
    assert all("--process_id=1 was given to two processes" in word for word in said)


def test_other_counts_are_said_by_both(port: int) -> None:
    said = together(process(port, 0, 2), process(port, 1, 3))
    assert said[0] == said[1]
    assert "--num_processes=2 here, 3 in process 1" in said[0]


@pytest.mark.parametrize("address", ["node1", "node1:", ":12", "node1:0", "node1:x", "a:70000"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UserError, match=r"expected host:port"):
        meet(address, 2, 0, 1)
