"""Fixtures for weight conversion: random state dicts, and an HTTP server with faults."""

from collections.abc import Callable, Iterator
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
