"""Commands that were not asked for a download use no network: nothing is looked up or connected."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ("--model=base_cnn", "--dataset=synthetic", "--image_size=32", "--smoke", "--epochs=1")
Watch = tuple[dict[str, str], Path]
Namespace = tuple[tuple[str, ...], dict[str, str]]
# The command, whose programs are compiled when they are needed.
SERVER = """
import sys
from ferjax.serve import service
from launch.command.app import run
from launch.serve import main

service.compile_steps = lambda recogniser: iter(())
sys.argv[0] = "serve"
run(main)
"""
# Connects to an address that is kept for documentation, without Python's module socket.
CONNECT_IN_C = """
import ctypes, socket, struct
library = ctypes.CDLL(None)
address = struct.pack("=HH", 2, 0x0900) + bytes([192, 0, 2, 1]) + bytes(8)
assert library.connect(library.socket(2, 1, 0), address, len(address)) == -1
"""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("predict", ("--out=p.csv", "face.png")),
        ("train", (*TRAIN, "--workdir=run")),
        ("export", ("--weights=fernet-fer2013", "--format=safetensors", "--out=exported")),
        ("matrix", ("--weights=fernet-fer2013", "--data=folder:faces", "--progress=false")),
        ("gallery", ("--out=all.html", "{run}")),
    ],
)
def test_a_command_runs_with_the_network_cut(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    network_watch: Watch,
    namespace: Namespace,
    commands: Callable[..., list[tuple[int, str, str]]],
    name: str,
    arguments: Sequence[str],
) -> None:
    (variables, log), (before, cut) = network_watch, namespace
    write_faces(tmp_path)
    # Only the gallery needs a run that was trained.
    run = request.getfixturevalue("tiny_run") if name == "gallery" else None
    given = [word.format(run=run) for word in arguments]
    ((status, _, errors),) = commands(name, given, before=before, **variables, **cut)
    assert status == 0, errors
    assert not log.exists(), log.read_text()


def write_faces(folder: Path) -> None:
    """Writes face.png, and a data set of one face of each emotion: faces/EMOTION/0.png."""
    faces = render_faces(np.arange(8), np.arange(8), size=48)
    for emotion, face in zip(EMOTIONS, faces, strict=True):
        path = folder / "faces" / emotion / "0.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(face).save(path)
    Image.fromarray(faces[0]).save(folder / "face.png")


def test_a_server_answers_with_the_network_cut(tmp_path: Path, network_watch: Watch) -> None:
    """It may listen at 127.0.0.1, and nothing else."""
    for package in ("uvicorn", "fastapi", "python_multipart", "prometheus_client", "av"):
        pytest.importorskip(package)
    variables, log = network_watch
    write_faces(tmp_path)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, "--port=0"],
        cwd=ROOT,
        env={**os.environ, **variables, "FERJAX_TEST_ALLOWED": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        line = server.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), (line, server.communicate())
        port, deadline = int(line.split()[0].rpartition(":")[2]), time.monotonic() + 300
        while ask(port, "GET", "/ready") != 200:
            assert time.monotonic() < deadline
        face = (tmp_path / "face.png").read_bytes()
        for path in ("/", "/api", "/api/card", "/health", "/metrics", "/static/page.css"):
            assert ask(port, "GET", path) == 200, path
        for path in ("/api/crops", "/api/faces?faces=whole", "/api/explain?faces=whole"):
            assert ask(port, "POST", path, face) == 200, path
        server.terminate()
        _, errors = server.communicate(timeout=60)
        assert (server.returncode, errors) == (0, "")
    finally:
        server.kill()
        server.communicate()
    assert not log.exists(), log.read_text()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> int:
    """Returns the status of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=300)) as connection:
        connection.request(method, path, body, {"Content-Type": "image/png"})
        answer = connection.getresponse()
        answer.read()
        return answer.status


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("import urllib.request as u; u.urlopen('http://127.0.0.1:9', timeout=5)", "127.0.0.1"),
        ("import socket; socket.socket().bind(('0.0.0.0', 0))", "socket.bind"),
        ("import socket; socket.getaddrinfo('example.org', 80)", "example.org"),
    ],
)
def test_the_watch_sees_a_request(network_watch: Watch, code: str, seen: str) -> None:
    variables, log = network_watch
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)
    assert "the network is cut" in done.stderr
    assert seen in log.read_text()


def test_the_watch_sees_a_connection_of_a_library_in_c(
    network_watch: Watch, namespace: Namespace
) -> None:
    (variables, log), (before, cut) = network_watch, namespace
    if not before:
        pytest.skip("needs a user who may make network namespaces")
    environment = {**os.environ, **variables, **cut}
    subprocess.run([*before, sys.executable, "-c", CONNECT_IN_C], env=environment, check=True)
    assert log.read_text() == "1 packets without a route\n"
