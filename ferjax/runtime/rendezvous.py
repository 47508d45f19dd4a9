"""Rendezvous of the processes of a run before jax.distributed: clear errors for missing peers.

`jax.distributed` aborts the process if a peer is missing, and crashes if its port is taken. So the
processes first connect over plain sockets at the address of the coordinator: each sends its number
to process 0, process 0 answers when all have connected, and then frees the port for JAX.
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
_MESSAGE_BYTES = 4096  # the longest message, one line of JSON
_MESSAGE_SECONDS = 2  # the time a peer has to send a message
# The other processes wait this much longer than process 0, which reports the error first.
_EXTRA_SECONDS = 2


def wait_for_all_processes(coordinator: str, count: int, number: int, seconds: float) -> None:
    """Waits until all processes of a run have called this function.

    Args:
      coordinator: `host:port` of process 0.
      count: the number of processes.
      number: the number of this process, from 0.
      seconds: how long to wait for the other processes.

    Raises:
      UserError: an invalid address or a port in use; processes that do not connect in time; two
        processes with the same number; or processes with different counts.
    """
    host, port = _parse_address(coordinator)
    if number:
        _connect_to_first(host, port, count, number, seconds)
    else:
        _wait_for_others(host, port, count, seconds)


def _parse_address(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(f"--coordinator={coordinator}: expected host:port, as in node1:12355.")
    return host.strip("[]"), int(port)


def _wait_for_others(host: str, port: int, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    connected: dict[int, socket.socket] = {}
    dual_stack = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual_stack else socket.AF_INET
    try:
        server = socket.create_server(("", port), family=family, dualstack_ipv6=dual_stack)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UserError(
            f"--coordinator={host}:{port}: process 0 cannot listen there: {reason}."
            " Is it this machine, and does no other program use the port? Give another."
        ) from None
    with server, contextlib.ExitStack() as stack:
        while len(connected) < count - 1:
            server.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                peer, _ = server.accept()
            except TimeoutError:
                missing = [number for number in range(1, count) if number not in connected]
                peers = _list_processes(missing)
                problem = f"of {count} processes, {peers} did not connect in {seconds:.0f} s"
                raise _send_error(connected, f"{problem}; see what they printed.") from None
            stack.enter_context(peer).settimeout(_MESSAGE_SECONDS)
            message = _receive_line(peer)
            if message is None or message.get("hello") != _HELLO:
                continue  # not a process of this run; a port scanner, for example
            number, peer_count = message.get("process_id"), message.get("num_processes")
            if peer_count != count:
                connected[-1] = peer
                problem = f"--num_processes={count} in process 0, {peer_count} in process {number}"
                raise _send_error(connected, f"{problem}: give all processes the same number.")
            if number in connected or not isinstance(number, int) or not 0 < number < count:
                connected[-1] = peer
                raise _send_error(connected, f"--process_id={number} was given to two processes.")
            connected[number] = peer
        for peer in connected.values():
            _send_line(peer, {"hello": _HELLO})


def _send_error(connected: Mapping[int, socket.socket], problem: str) -> UserError:
    """Sends the error to all connected processes and returns it."""
    for peer in connected.values():
        _send_line(peer, {"hello": _HELLO, "error": problem})
    return UserError(problem)


def _connect_to_first(host: str, port: int, count: int, number: int, seconds: float) -> None:
    deadline, problem = time.monotonic() + seconds + _EXTRA_SECONDS, "no answer"
    hello = {"hello": _HELLO, "process_id": number, "num_processes": count}
    while (remaining := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), timeout=remaining) as peer:
                _send_line(peer, hello)
                peer.settimeout(max(0.01, deadline - time.monotonic()))
                message = _receive_line(peer)
        except socket.gaierror as error:
            problem = f"no such host ({error.strerror})"
        except OSError:
            problem = "no answer"
        else:
            if message and message.get("error"):
                raise UserError(message["error"])
            if message and message.get("hello") == _HELLO:
                return
            problem = "another program answers, not process 0 of this run"
        time.sleep(0.2)
    raise UserError(
        f"--coordinator={host}:{port}: process {number} waited {seconds:.0f} s for process 0:"
        f" {problem}. Was it started, and is the address right?"
    )


def _send_line(peer: socket.socket, message: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        peer.sendall(json.dumps(message).encode() + b"\n")


def _receive_line(peer: socket.socket) -> dict[str, Any] | None:
    """Returns the next message of the peer, or None if it is not a line with a JSON object."""
    received = b""
    with contextlib.suppress(OSError, ValueError):
        while not received.endswith(b"\n") and len(received) < _MESSAGE_BYTES:
            more = peer.recv(_MESSAGE_BYTES)
            if not more:
                return None
            received += more
        message = json.loads(received)
        return message if isinstance(message, dict) else None
    return None


def _list_processes(numbers: list[int]) -> str:
    """Returns the text `process 3` or `processes 1, 2, 5 ...`."""
    if len(numbers) == 1:
        return f"process {numbers[0]}"
    shown = ", ".join(str(number) for number in numbers[:8])
    return f"processes {shown}{' ...' if len(numbers) > 8 else ''}"
