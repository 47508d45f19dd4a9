"""SIGKILL at random moments of `launch.predict`, same command again: the same results."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "launch.predict", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def make_folder(folder: Path) -> list[str]:
    """Makes 3,000 faces; returns the words that name them."""
    (folder / "faces").mkdir()
    faces = render_faces(np.arange(60) % 7, np.arange(60), size=48)
    for number in range(3000):
        face = np.roll(faces[number % 60], number // 60, axis=1)
        Image.fromarray(face).save(folder / "faces" / f"{number}.png")
    return ["faces"]


def make_video(folder: Path) -> list[str]:
    """Makes ten seconds in which two drawn faces move; returns the words that name them."""
    av = pytest.importorskip("av")
    faces = render_faces(np.arange(2), np.arange(2), size=120)
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(250):
            image = np.full((360, 640, 3), 110, np.uint8)
            for k, face in enumerate(faces):
                left = 20 + 2 * number if k == 0 else 500 - 2 * number
                image[20 + 170 * k : 140 + 170 * k, left : left + 120] = face
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return ["--annotate={}.mp4", "clip.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_folder, make_video])
def test_killed_ten_times(tmp_path: Path, make: object) -> None:
    words = make(tmp_path)  # type: ignore[operator]

    def command(name: str) -> list[str]:
        return [f"--out={name}.csv", *(word.format(name) for word in words)]

    begun = time.monotonic()
    assert start(tmp_path, command("whole")).wait() == 0
    length, moments = time.monotonic() - begun, random.Random(0)
    kills = 0
    while kills < 10:
        process = start(tmp_path, command("cut"))
        time.sleep(moments.uniform(0.2, 1) * length / 3)
        if process.poll() is not None:
            # It was done before: a fresh one is killed.
            assert process.returncode == 0
            for path in tmp_path.glob("cut*"):
                path.unlink()
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    if not (tmp_path / "cut.csv").exists():
        assert start(tmp_path, command("cut")).wait() == 0
    names = sorted(path.name.replace("cut", "") for path in tmp_path.glob("cut*"))
    assert names == sorted(path.name.replace("whole", "") for path in tmp_path.glob("whole*"))
    for name in names:
        assert (tmp_path / f"cut{name}").read_bytes() == (tmp_path / f"whole{name}").read_bytes()
