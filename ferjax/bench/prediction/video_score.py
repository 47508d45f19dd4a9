"""Scores `launch.predict` on a made video, in its own process: speed, memory, frames, persons."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.bench.prediction.made_video import Scene, write_scene
from ferjax.errors import UserError
from ferjax.live.video_frames import read_frames

_CHILD = """
import sys
from ferjax.config.predict_and_export import PredictConfig
from ferjax.live.run_video import predict_video
from ferjax.runtime.programs.compile_cache import enable_compile_cache
enable_compile_cache()
predict_video(PredictConfig(out=sys.argv[2], progress=False), [sys.argv[1]])
"""
# Share of the time after which memory should not grow: until then programs are compiled.
_SETTLED = 0.25
# Largest distance between the centres of a box and of the face that it is assigned to, as a share
# of the frame's height: half a head.
_NEAR = 0.12
# Most frames that the measurement of decoding reads.
_DECODED = 600


@dataclass(frozen=True)
class TableScore:
    """Scores of the table of a made video.

    Attributes:
      frames: number of frames in the table that have the right time.
      persons: number of different persons in the table.
      mixed: persons of the table that are more than one person of the video.
      found: share of the persons, counted in every frame, that have a box at their face.
    """

    frames: int
    persons: int
    mixed: int
    found: float


@dataclass(frozen=True)
class VideoScore:
    """Measurements of the prediction of a video.

    Attributes:
      frames: number of frames of the video.
      seconds: wall time of the process.
      decoding: frames a second when the video is only decoded.
      settled_bytes: largest memory of the process between 25 and 50 % of its time.
      largest_bytes: largest memory in the second half of its time.
      table: the scores of the table.
    """

    frames: int
    seconds: float
    decoding: float
    settled_bytes: int
    largest_bytes: int
    table: TableScore

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds

    @property
    def growth(self) -> int:
        """Bytes by which memory grew in the second half."""
        return self.largest_bytes - self.settled_bytes


def score_video(scene: Scene, show: Callable[[str], None] = lambda text: None) -> VideoScore:
    """Makes the video, predicts it, and returns the measurements.

    Raises:
      UserError: PyAV is not installed, or the process failed.
    """
    with tempfile.TemporaryDirectory(prefix="ferjax-bench-") as folder:
        clip, out = Path(folder) / "clip.mp4", Path(folder) / "p.csv"
        show("draws the video")
        write_scene(scene, clip)
        show("decodes it")
        decoding = _decoding_rate(clip)
        show("predicts it")
        seconds, memory = _run_and_watch([str(clip), str(out)])
        settled = [size for at, size in memory if _SETTLED * seconds <= at < seconds / 2]
        second_half = [size for at, size in memory if at >= seconds / 2]
        with open(out, newline="", encoding="utf-8") as file:
            table = score_table(csv.DictReader(file), scene)
    return VideoScore(
        scene.frames,
        seconds,
        decoding,
        max(settled, default=0),
        max(second_half, default=0),
        table,
    )


def score_table(rows: Iterable[Mapping[str, str]], scene: Scene) -> TableScore:
    """Returns the scores of a table's rows, compared with the known positions of the scene."""
    frames_on_time, located = set[int](), set[tuple[int, int]]()
    true_persons: dict[str, set[int]] = {}
    for row in rows:
        frame, seconds = int(row["frame"]), float(row["seconds"])
        if abs(seconds - frame / scene.rate) < 0.5 / scene.rate:
            frames_on_time.add(frame)
        if row["person"]:
            centre = np.array(
                [
                    float(row["left"]) + float(row["width"]) / 2,
                    float(row["top"]) + float(row["height"]) / 2,
                ]
            )
            distances = np.linalg.norm(scene.centres(seconds) - centre, axis=1)
            # Where two persons are close together, the row may be about either of them.
            close_persons = np.flatnonzero(distances < distances.min() + _NEAR * scene.size[0])
            matches = true_persons.setdefault(row["person"], set())
            if distances.min() < _NEAR * scene.size[0]:
                located.add((frame, int(distances.argmin())))
                if len(close_persons) == 1:
                    matches.add(int(close_persons[0]))
    mixed = sum(len(matches) > 1 for matches in true_persons.values())
    share = len(located) / (scene.frames * len(scene.centres(0.0)))
    return TableScore(len(frames_on_time), len(true_persons), mixed, share)


def _decoding_rate(clip: Path) -> float:
    start, count = time.perf_counter(), 0
    for count, _ in enumerate(read_frames(clip), start=1):
        if count == _DECODED:
            break
    return count / (time.perf_counter() - start)


def _run_and_watch(arguments: list[str]) -> tuple[float, list[tuple[float, int]]]:
    """Runs the prediction; returns its seconds, and (time, bytes) of its memory every 0.25 s."""
    start, memory = time.monotonic(), []
    command = [sys.executable, "-c", _CHILD, *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            memory.append((time.monotonic() - start, _resident(child.pid)))
            time.sleep(0.25)
        seconds = time.monotonic() - start
        errors = child.stderr.read() if child.stderr else ""
    if child.returncode:
        last_line = (errors.strip().splitlines() or [f"exit status {child.returncode}"])[-1]
        raise UserError(f"the video could not be predicted: {last_line}")
    return seconds, memory


def _resident(process: int) -> int:
    """Returns the memory of a process in bytes; 0 if it is unknown or the process has ended."""
    try:
        text = Path(f"/proc/{process}/statm").read_text(encoding="utf-8")
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def to_json(score: VideoScore) -> dict[str, Any]:
    """Returns the score as JSON values."""
    return {**asdict(score), "frames per second": score.rate, "growth": score.growth}
