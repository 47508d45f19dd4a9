"""A camera as its user meets it: every frame at once, unplugged, absent, without a display."""

import csv
import itertools
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.config.predict_and_export import LiveConfig
from ferjax.errors import UserError
from ferjax.faces import detectors
from ferjax.faces.face import Box, Face
from ferjax.live import camera as module
from ferjax.live.camera import run_live
from ferjax.live.notice_strip import notice_strip
from ferjax.live.video_frames import Frame
from ferjax.report.responsible_use import NOTICE


class Camera:
    """A camera that gives twelve pictures, in which a bright square moves, and is unplugged."""

    def __init__(self, number: int) -> None:
        self.numbers = iter(range(12 if number == 0 else 0))

    def read(self) -> tuple[bool, np.ndarray | None]:
        number = next(self.numbers, None)
        if number is None:
            return False, None
        image = np.zeros((120, 160, 3), np.uint8)
        # OpenCV's order: blue is first.
        image[40:90, 10 + 2 * number : 60 + 2 * number, 0] = 255
        return True, image

    def release(self) -> None:
        pass


class NoWindowError(Exception):
    """What OpenCV raises without a display."""


@pytest.fixture
def cv2(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a stand-in for OpenCV without a display, and a detector of blue squares."""
    module: Any = types.ModuleType("cv2")

    def refuse(*_: Any) -> None:
        raise NoWindowError

    module.VideoCapture, module.error, module.namedWindow = Camera, NoWindowError, refuse
    module.WINDOW_NORMAL = 0
    monkeypatch.setitem(sys.modules, "cv2", module)
    monkeypatch.setenv("DISPLAY", ":0")

    def detect(image: np.ndarray) -> list[Face]:
        rows, columns = np.nonzero(image[..., 2])
        return [Face(Box(int(columns.min()), int(rows.min()), 50, 50), 0.9)] if rows.size else []

    made = detectors.FaceDetector(detect, lambda image, face: None)
    monkeypatch.setitem(detectors.DETECTORS, "mtcnn", lambda smallest: made)
    return module


def live(run: Path, **given: Any) -> str:
    return run_live(LiveConfig(workdir=str(run), **given))


def test_a_row_for_each_frame_until_it_is_unplugged(
    cv2: Any, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p.csv"
    done = live(tiny_run, out=str(out), every=4)
    with open(out, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(12))
    assert {row["person"] for row in rows} == {"0"}
    found = [int(row["left"]) for row in rows[::4]]
    assert found == [10, 18, 26]
    # Between, the face moves on as it did.
    assert all(b >= a for a, b in itertools.pairwise(int(row["left"]) for row in rows[4:8]))
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert done.startswith("12 frames in ")
    errors = capsys.readouterr().err
    assert "no display" in errors
    assert "camera 0 gives no more pictures" in errors
    with pytest.raises(UserError, match=r"p\.csv exists already"):
        live(tiny_run, out=str(out))


def test_a_slow_camera_keeps_the_number_of_a_person(
    cv2: Any, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:90, 10:60, 2] = 255
    frames = [Frame(number, 0.5 * number, image) for number in range(9)]
    monkeypatch.setattr(module, "_frames", lambda source: iter(frames))
    live(tiny_run, out=str(tmp_path / "p.csv"), every=4)
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        assert [row["person"] for row in csv.DictReader(file)] == ["0"] * 9


def test_without_a_table_and_a_display_rows_are_printed(
    cv2: Any, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live(tiny_run, display=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("frame,seconds,status,person,emotion")
    assert len(lines) == 13


def test_frames_are_shown_until_q_is_pressed(
    cv2: Any, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[np.ndarray] = []
    cv2.namedWindow = cv2.destroyAllWindows = lambda *_: None
    cv2.imshow = lambda name, image: shown.append(image)
    cv2.waitKey = lambda delay: ord("q") if len(shown) == 3 else -1
    done = live(tiny_run)
    assert done.startswith("3 frames in ")
    assert capsys.readouterr().out == ""
    # Below the frame of 120 rows.
    notice = notice_strip(160)
    assert (shown[0][120:, :, ::-1] == notice).all()
    # The box is yellow in OpenCV's order of channels.
    assert (shown[0][60, 10] == [10, 214, 255]).all()


def test_a_notice_is_printed_before_the_first_frame(
    cv2: Any, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    class Asked(Camera):
        def read(self) -> tuple[bool, np.ndarray | None]:
            said.append(capsys.readouterr().err)
            return super().read()

    cv2.VideoCapture = Asked
    live(tiny_run, display=False)
    assert said[0] == "".join(f"note: {sentence}\n" for sentence in NOTICE)
    words = " ".join(NOTICE)
    for part in ("not what a person feels", "decisions about people", "at work and in education"):
        assert part in words
    assert "Articles 5(1)(f) and 50(3)" in words


@pytest.mark.parametrize("width", [120, 160, 640, 1920])
def test_the_notice_fits_below_frames_of_any_width(width: int) -> None:
    strip = notice_strip(width)
    assert strip.shape[1:] == (width, 3)
    # Dark margins on all sides: no line is cut off.
    border = [strip[:3], strip[-3:], strip[:, :3], strip[:, -3:]]
    assert {tuple(pixel) for part in border for pixel in part.reshape(-1, 3)} == {(32, 32, 32)}
    assert strip.max() > 200


def test_no_such_camera(cv2: Any, tiny_run: Path) -> None:
    with pytest.raises(UserError, match="--source=7: no camera of this number"):
        live(tiny_run, source="7", display=False)
    with pytest.raises(UserError, match=r"p\.jsonl: the table of a camera is a \.csv file"):
        live(tiny_run, out="p.jsonl")
