"""Processes that meet before they join: who is missing is said in a sentence, and in time.

`jax.distributed` aborts the process where a peer is missing and crashes where its port is taken. So
the processes meet first, over plain sockets at the coordinator's own address: each tells process 0
its number, process 0 answers all once all are there, and leaves the port to JAX.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from ferjax.errors import UserError

_HELLO = "ferjax"
_WORD_BYTES = 4096  # of one message, a JSON line
_WORD_SECONDS = 2  # for a peer to send one
_LATER = 2


def meet(coordinator: str, count: int, number: int, seconds: float) -> None:
    """Returns once all processes of a run have called it.

    Args:
      coordinator: `host:port` where process 0 can be reached.
      count: of processes.
      number: of this one, from 0.
      seconds: to wait for the others.

    Raises:
      UserError: an address that is none or is taken, processes that do not come in time, two of one
        number, or processes that were told different counts.
    """
    host, port = _address(coordinator)
    if number:
        _go_to(host, port, count, number, seconds)
    else:
        _wait_for_others(host, port, count, seconds)


def _address(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(f"--coordinator={coordinator}: expected host:port, as in node1:12355.")
    return host.strip("[]"), int(port)


def _wait_for_others(host: str, port: int, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    come: dict[int, socket.socket] = {}
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise UserError(
            f"--coordinator={host}:{port}: process 0 cannot listen there: {why}."
            " Is it this machine, and does no other program use the port? Give another."
        ) from None
    with server, contextlib.ExitStack() as held:
        while len(come) < count - 1:
            server.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                peer, _ = server.accept()
            except TimeoutError:
                missing = [number for number in range(1, count) if number not in come]
                wrong = f"of {count} processes, {_numbers(missing)} did not come in {seconds:.0f} s"
                raise _refusal(come, f"{wrong}; see what they printed.") from None
            held.enter_context(peer).settimeout(_WORD_SECONDS)
            word = _hear(peer)
            if word is None or word.get("hello") != _HELLO:
                continue  # a port scanner's, say
            number, theirs = word.get("process_id"), word.get("num_processes")
            if theirs != count:
                come[-1] = peer
                wrong = f"--num_processes={count} here, {theirs} in process {number}"
                raise _refusal(come, f"{wrong}: give all the same.")
            if number in come or not isinstance(number, int) or not 0 < number < count:
                come[-1] = peer
                raise _refusal(come, f"--process_id={number} was given to two processes.")
            come[number] = peer
        for peer in come.values():
            _say(peer, {"hello": _HELLO})


def _refusal(come: Mapping[int, socket.socket], wrong: str) -> UserError:
    """Returns the error, after it was told to all that have come."""
    for peer in come.values():
        _say(peer, {"hello": _HELLO, "error": wrong})
    return UserError(wrong)


def _go_to(host: str, port: int, count: int, number: int, seconds: float) -> None:
    # Process 0 gives up first, and says why.
    deadline, wrong = time.monotonic() + seconds + _LATER, "nobody answers"
    me = {"hello": _HELLO, "process_id": number, "num_processes": count}
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), timeout=left) as peer:
                _say(peer, me)
                peer.settimeout(max(0.01, deadline - time.monotonic()))
                word = _hear(peer)
        except socket.gaierror as error:
            wrong = f"no such host ({error.strerror})"
        except OSError:
            wrong = "nobody answers"
        else:
            if word and word.get("error"):
                raise UserError(word["error"])
            if word and word.get("hello") == _HELLO:
                return
            wrong = "what answers is not process 0 of this run"
        time.sleep(0.2)
    raise UserError(
        f"--coordinator={host}:{port}: process {number} waited {seconds:.0f} s for process 0:"
        f" {wrong}. Was it started, and is the address right?"
    )


def _say(peer: socket.socket, word: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        peer.sendall(json.dumps(word).encode() + b"\n")


def _hear(peer: socket.socket) -> dict[str, Any] | None:
    """Returns the peer's next message, or None where it sends none of ours."""
    heard = b""
    with contextlib.suppress(OSError, ValueError):
        while not heard.endswith(b"\n") and len(heard) < _WORD_BYTES:
            more = peer.recv(_WORD_BYTES)
            if not more:
                return None
            heard += more
        word = json.loads(heard)
        return word if isinstance(word, dict) else None
    return None


def _numbers(numbers: list[int]) -> str:
    """Returns `process 3`, or `processes 1, 2, 5 ...`."""
    if len(numbers) == 1:
        return f"process {numbers[0]}"
    shown = ", ".join(str(number) for number in numbers[:8])
    return f"processes {shown}{' ...' if len(numbers) > 8 else ''}"
