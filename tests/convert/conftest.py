"""Networks of other libraries, whose weights the converters take in, and a server of files."""

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
    """Serves one file over HTTP; what it does wrong, and what it was asked, are attributes."""

    content = b""
    name = "file.bin"
    etag: str | None = '"one"'
    ranges = True  # whether it honours Range
    cuts: list[int]  # bytes after which each of the next answers is cut
    refuse: list[int]  # statuses of the next answers
    asked: list[str | None]  # the Range of every request

    def handle_error(self, *_: Any) -> None:
        """Says nothing: a client that hangs up is part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if self.path != f"/{server.name}" or server.refuse:
            return self.send_error(server.refuse.pop(0) if server.refuse else 404)
        size, begin = len(server.content), 0
        same = self.headers.get("If-Range") in (None, server.etag)
        if wanted and server.ranges and same:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= size:
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - begin))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else size
        self.wfile.write(server.content[begin:][:cut])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.cuts, running.refuse, running.asked = [], [], []
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
