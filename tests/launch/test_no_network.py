"""Commands that were not asked for a download use no network: nothing is looked up or connected."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces

ROOT = Path(__file__).resolve().parents[2]
# Runs in every Python process before anything else, processes of processes too.
WATCH = """
import os, sys
def note(event, arguments):
    lookup = event.startswith("socket.getaddrinfo") or event.startswith("socket.gethostby")
    # A path is the address of a socket on this machine.
    reached = event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple)
    if lookup or reached:
        with open(os.environ["FERJAX_TEST_NETWORK"], "a") as file:
            file.write(f"{event} {arguments}\\n")
        raise OSError("the network is cut")
sys.addaudithook(note)
"""
TRAIN = ("--model=base_cnn", "--dataset=synthetic", "--image_size=32", "--smoke", "--epochs=1")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("predict", ("--out=p.csv", "face.png")),
        ("train", (*TRAIN, "--workdir=run")),
        ("export", ("--weights=fernet-fer2013", "--format=safetensors", "--out=exported")),
    ],
)
def test_a_command_runs_with_the_network_cut(
    tmp_path: Path,
    commands: Callable[..., list[tuple[int, str, str]]],
    name: str,
    arguments: Sequence[str],
) -> None:
    log, watch = tmp_path / "network.log", tmp_path / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH)
    face = render_faces(np.arange(1), np.arange(1), size=48)[0]
    Image.fromarray(face).save(tmp_path / "face.png")
    watched = {
        "PYTHONPATH": os.pathsep.join((str(watch), str(ROOT))),
        "FERJAX_TEST_NETWORK": str(log),
    }
    ((status, _, errors),) = commands(name, arguments, **watched)
    assert status == 0, errors
    assert not log.exists(), log.read_text()


def test_the_watch_sees_a_request(tmp_path: Path) -> None:
    log = tmp_path / "network.log"
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    code = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9', timeout=5)"
    watched = {"PYTHONPATH": str(tmp_path), "FERJAX_TEST_NETWORK": str(log)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **watched}, capture_output=True, text=True)
    assert "the network is cut" in done.stderr
    assert "127.0.0.1" in log.read_text()
