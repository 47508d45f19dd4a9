"""Fixtures for weight conversion: random state dicts, ONNX files, an HTTP server with faults."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def random_state() -> Callable[..., dict[str, np.ndarray]]:
    """Returns a function (shapes by key) → random float32 arrays."""

    def draw(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        return {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()}

    return draw


# Operation, its name, inputs, outputs and attributes.
Node = tuple[str, str, Sequence[str], Sequence[str], Mapping[str, Any]]


def wire_field(number: int, value: int | float | bytes | str | Sequence[int]) -> bytes:
    """Returns one field of a protobuf message."""
    if isinstance(value, int):
        return wire_varint(number << 3) + wire_varint(value)
    if isinstance(value, float):
        return wire_varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        value = b"".join(map(wire_varint, value))
    return wire_varint(number << 3 | 2) + wire_varint(len(value)) + value


def wire_varint(value: int) -> bytes:
    digits = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([digit | 0x80 for digit in digits[:-1]] + digits[-1:])


def wire_tensor(name: str, array: np.ndarray) -> bytes:
    """Returns a TensorProto with raw data."""
    codes = {"float32": 1, "int8": 3, "int64": 7, "float16": 10, "float64": 11}
    head = wire_field(1, array.shape) + wire_field(2, codes[array.dtype.name])
    return head + wire_field(8, name) + wire_field(9, array.tobytes())


def wire_node(node: Node) -> bytes:
    """Returns a NodeProto."""
    operation, name, inputs, outputs, attributes = node
    fields = [wire_field(1, text) for text in inputs] + [wire_field(2, text) for text in outputs]
    fields += [wire_field(3, name), wire_field(4, operation)]
    numbers = {float: 2, int: 3, str: 4, tuple: 8}
    for key, value in attributes.items():
        fields.append(wire_field(5, wire_field(1, key) + wire_field(numbers[type(value)], value)))
    return b"".join(fields)


@pytest.fixture(scope="session")
def onnx_bytes() -> Callable[..., bytes]:
    """Returns a function (tensors, nodes) → an ONNX file, after the format's description.

    Tensors are arrays by name, or ready TensorProtos.
    """

    def write(
        tensors: Mapping[str, np.ndarray | bytes], nodes: Sequence[Node] = (), side: int = 0
    ) -> bytes:
        graph = [wire_field(1, wire_node(node)) for node in nodes] + [wire_field(2, "graph")]
        for name, array in tensors.items():
            content = array if isinstance(array, bytes) else wire_tensor(name, array)
            graph.append(wire_field(5, content))
        sizes = [wire_field(2, "N"), *(wire_field(1, size) for size in (side, side, 3))]
        shape = b"".join(wire_field(1, size) for size in sizes)
        image = wire_field(1, wire_field(1, 1) + wire_field(2, shape))
        graph.append(wire_field(11, wire_field(1, "image") + wire_field(2, image)))
        graph.append(wire_field(12, wire_field(1, "probabilities")))
        opset = wire_field(8, wire_field(1, "") + wire_field(2, 13))
        return wire_field(1, 7) + wire_field(2, "a test") + wire_field(7, b"".join(graph)) + opset

    return write


class Server(ThreadingHTTPServer):
    """Serves one file over HTTP; attributes set its faults and record the requests."""

    content = b""
    name = "file.bin"
    etag: str | None = '"one"'
    ranges = True  # whether it supports Range
    cuts: list[int]  # number of bytes after which each of the next responses is cut
    refuse: list[int]  # error statuses of the next responses
    requested_ranges: list[str | None]  # the Range header of every request

    def handle_error(self, *_: Any) -> None:
        """Prints nothing: a client that closes the connection is part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, range_header = self.server, self.headers.get("Range")
        server.requested_ranges.append(range_header)
        if self.path != f"/{server.name}" or server.refuse:
            return self.send_error(server.refuse.pop(0) if server.refuse else 404)
        size, offset = len(server.content), 0
        unchanged = self.headers.get("If-Range") in (None, server.etag)
        if range_header and server.ranges and unchanged:
            offset = int(range_header.removeprefix("bytes=").removesuffix("-"))
            if offset >= size:
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {offset}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - offset))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else size
        self.wfile.write(server.content[offset:][:cut])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.cuts, running.refuse, running.requested_ranges = [], [], []
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
