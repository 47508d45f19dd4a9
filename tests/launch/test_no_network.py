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
    network_watch: tuple[dict[str, str], Path],
    commands: Callable[..., list[tuple[int, str, str]]],
    name: str,
    arguments: Sequence[str],
) -> None:
    variables, log = network_watch
    face = render_faces(np.arange(1), np.arange(1), size=48)[0]
    Image.fromarray(face).save(tmp_path / "face.png")
    ((status, _, errors),) = commands(name, arguments, **variables)
    assert status == 0, errors
    assert not log.exists(), log.read_text()


def test_the_watch_sees_a_request(network_watch: tuple[dict[str, str], Path]) -> None:
    variables, log = network_watch
    code = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9', timeout=5)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)
    assert "the network is cut" in done.stderr
    assert "127.0.0.1" in log.read_text()
