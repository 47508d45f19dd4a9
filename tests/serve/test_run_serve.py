"""The command: a port that is taken, a missing package, the warning, and a stop that finishes."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.config.serve_config import ServeConfig
from ferjax.errors import UserError
from ferjax.serve import run_serve
from ferjax.serve import service as services
from ferjax.serve.metrics import serve_package
from ferjax.serve.recogniser import Recogniser

ROOT = Path(__file__).resolve().parents[2]
# The command with a network that takes a second, and nothing to compile.
SLOW_SERVER = """
import sys, time, numpy as np
from ferjax.predict.predictor import Predictor
from ferjax.serve import service

def probabilities(self, faces):
    time.sleep(1)
    return np.full((len(faces), len(self.classes)), 1 / len(self.classes), np.float32)

Predictor.probabilities = probabilities
service.compile_steps = lambda recogniser: iter(())
from launch.command.app import run
from launch.serve import main
sys.argv[0] = "serve"
run(main)
"""


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"--port={port}: .*in use.* Give another --port"):
            run_serve.run_serve(ServeConfig(port=port))
    with pytest.raises(UserError, match=r"--host=192\.0\.2\.1 --port=0: cannot be listened at"):
        run_serve.run_serve(ServeConfig(host="192.0.2.1", port=0))
    for name in ("no such name", "a..b"):
        with pytest.raises(UserError, match=f"--host={name} .*cannot be listened at"):
            run_serve.run_serve(ServeConfig(host=name, port=0))


def test_a_network_that_cannot_be_compiled_ends_the_server(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise MemoryError("no room for the program")

    monkeypatch.setattr(run_serve, "load_recogniser", lambda config: recogniser)
    monkeypatch.setattr(services, "compile_steps", lambda recogniser: iter([fail]))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    with pytest.raises(MemoryError, match="no room"):
        run_serve.run_serve(ServeConfig(port=0))


def test_missing_packages_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uvicorn", "prometheus_client", "fastapi", "python_multipart"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(UserError, match=rf"needs {name}.*pip install 'ferjax\[serve\]'"):
            serve_package(name)
    with pytest.raises(UserError, match=r"'ferjax\[serve\]'"):
        run_serve.run_serve(ServeConfig(port=0))


def test_other_machines_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for host, warned in (("127.0.0.1", False), ("::1", False), ("0.0.0.0", True)):
            run_serve._say_where(ServeConfig(host=host), listener)
            output = capsys.readouterr()
            assert output.out.startswith(f"http://{'[::1]' if host == '::1' else host}:")
            assert ("lets other machines in" in output.err) is warned


def test_sigterm_finishes_what_is_under_way_and_refuses_new_requests(
    drawn_faces: np.ndarray, png: Callable[..., bytes]
) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SLOW_SERVER, "--port=0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        port = int(server.stdout.readline().split()[0].rpartition(":")[2])
        # Who asks while the network is loaded waits.
        deadline = time.monotonic() + 60
        while _get(port, "/ready") != 200:
            assert time.monotonic() < deadline
        answers: list[int] = []

        def ask() -> None:
            kind = {"Content-Type": "image/png"}
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request("POST", "/api/crops", png(drawn_faces[0]), kind)
                answers.append(connection.getresponse().status)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.4)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(ConnectionRefusedError):
            _get(port, "/health")
        asking.join()
        assert answers == [200]
        assert server.wait(20) == 0
        output, errors = server.communicate()
        assert output.strip().endswith("stopped")
        assert not errors
    finally:
        server.kill()


def _get(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status
