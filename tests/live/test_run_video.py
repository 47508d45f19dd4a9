"""Videos as their user meets them: every frame with the stream's time, persons, resumed copies."""

import csv
import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.config.predict_and_export import PredictConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.errors import UserError
from ferjax.faces import detectors
from ferjax.faces.face import Box, Face
from ferjax.live import run_video as module
from ferjax.live import video_frames
from ferjax.live.annotated_video import segment_folder
from ferjax.live.run_video import predict_video
from ferjax.live.video_frames import read_frames, video_facts
from ferjax.live.video_table import FrameRow, from_json
from ferjax.predict.journal import journal_path

av = pytest.importorskip("av")

# Milliseconds at which the 24 frames are shown: the rate varies.
TIMES = [*range(0, 400, 40), *range(400, 1000, 100), *range(1000, 1800, 100)]
SIDES = (151, 203)


def write_video(
    path: Path, images: Sequence[np.ndarray], times: Sequence[int], *, sound: bool = False
) -> Path:
    """Writes frames at times in milliseconds, without loss, and a tone if asked to."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=25, options={"crf": "0"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "rgb24"
        stream.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("aac", rate=16000) if sound else None
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            tone = np.sin(np.arange(16000 * 2) / 10).astype(np.float32)[None]
            for first in range(0, tone.shape[1], 1024):
                part = av.AudioFrame.from_ndarray(tone[:, first : first + 1024], "fltp", "mono")
                part.sample_rate, part.pts = 16000, first
                container.mux(audio.encode(part))
            container.mux(audio.encode(None))
    return path


def scene(frame: int) -> np.ndarray:
    """Two bright squares of 30 pixels that move; the second one is there from frame 8 on."""
    image = np.full((*SIDES, 3), 60, np.uint8)
    for left, top in squares(frame):
        image[top : top + 30, left : left + 30] = 250
    return image


def squares(frame: int) -> list[tuple[int, int]]:
    return [(10 + 3 * frame, 20), (150 - 2 * frame, 90)][: 1 if frame < 8 else 2]


def bright_squares(image: np.ndarray) -> list[Face]:
    """Detects the squares: one in the upper half, one in the lower."""
    found = []
    for top in (0, 70):
        rows, columns = np.nonzero(image[top : top + 70, :, 0] > 160)
        if rows.size:
            box = (columns.min(), rows.min() + top, np.ptp(columns) + 1, np.ptp(rows) + 1)
            found.append(Face(Box(*map(int, box)), 0.9))
    return found


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = detectors.FaceDetector(bright_squares, lambda image, face: None)
    monkeypatch.setitem(detectors.DETECTORS, "mtcnn", lambda smallest: made)
    return write_video(tmp_path / "clip.mkv", [scene(k) for k in range(24)], TIMES, sound=True)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def predict(run: Path, clip: Path, **given: Any) -> str:
    config = PredictConfig(workdir=(str(run),), progress=False, every=5, **given)
    return predict_video(config, [str(clip)])


def test_frames_have_the_times_of_the_stream(clip: Path) -> None:
    frames = list(read_frames(clip))
    assert [frame.number for frame in frames] == list(range(24))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.array(TIMES) / 1000)
    for frame in frames[::7]:
        np.testing.assert_array_equal(frame.image, scene(frame.number))
    later = list(read_frames(clip, first=20))
    assert [frame.number for frame in later] == [20, 21, 22, 23]
    assert video_facts(clip).shorter_side == 151


def test_rows_for_each_person_in_each_frame(tiny_run: Path, clip: Path) -> None:
    out = clip.parent / "p.csv"
    page = clip.parent / "page.html"
    done = predict(tiny_run, clip, out=str(out), summary=str(page))
    # One example of each person in each second, of an emotion and of the least certain.
    assert page.read_text("utf-8").count("<figure>") == 2 * 4
    rows = table(out)
    # Searched in frames 0, 5, 10, 15, 20 and 23. The second person is found in frame 10 first.
    expected = [(k, person) for k in range(24) for person in ([0] if k < 10 else [0, 1])]
    assert [(int(row["frame"]), int(row["person"])) for row in rows] == expected
    for row in rows:
        frame, person = int(row["frame"]), int(row["person"])
        assert float(row["seconds"]) == TIMES[frame] / 1000
        left, top = squares(frame)[person] if person < len(squares(frame)) else (0, 0)
        # Between, the movement is even in time; in pixels it is only where the rate is.
        assert abs(int(row["left"]) - left) <= (1 if frame <= 10 else 6)
        assert (int(row["top"]), int(row["width"])) == (top, 30)
        assert (row["score"] == "0.9") == (frame % 5 == 0 or frame == 23)
    assert "24 frames, 2 persons, no face in 0 of the searched frames" in done
    first, second = table(clip.parent / "p-persons.csv")
    assert (first["person"], first["frames"], first["first"], first["last"]) == (
        *("0", "24", "0.0", "1.7"),
    )
    assert (second["frames"], second["first"]) == ("14", "0.4")
    with Image.open(clip.parent / "p-timeline.png") as timeline:
        assert timeline.size[0] > 1000
    with pytest.raises(UserError, match=r"p\.csv exists already"):
        predict(tiny_run, clip, out=str(out))


def test_a_clock_that_is_set_back_goes_on(clip: Path) -> None:
    """As in streams that were put together; and two frames at one time."""
    path = clip.with_name("joined.nut")
    with av.open(str(path), "w", format="nut") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "rgb24"
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
    times = iter([5.0, 5.1, 5.1, 0.3, 0.4, None])

    class Shown:
        """A frame of PyAV with another time."""

        def __init__(self, frame: Any) -> None:
            self.frame, self.time = frame, next(times)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.frame, name)

    original = video_frames._decoded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video_frames, "_decoded", lambda *given: map(Shown, original(*given)))
        seconds = [frame.seconds for frame in read_frames(path)]
    expected = [5.0, 5.1, 5.1 + 1 / 90_000, 5.2 + 1 / 90_000, 5.3 + 1 / 90_000, 5.4 + 1 / 90_000]
    np.testing.assert_allclose(seconds, expected, atol=1e-9)


def test_frames_without_a_face_have_a_row(tiny_run: Path, clip: Path) -> None:
    empty = [np.zeros((*SIDES, 3), np.uint8)] * 7
    path = write_video(clip.with_name("empty.mkv"), empty, range(0, 280, 40))
    done = predict(tiny_run, path, out=str(clip.parent / "p.csv"))
    rows = table(clip.parent / "p.csv")
    assert [(row["frame"], row["status"], row["emotion"]) for row in rows] == [
        (str(k), "no face" if k in (0, 5, 6) else "not searched", "") for k in range(7)
    ]
    assert "7 frames, 0 persons, no face in 3 of the searched frames" in done


@pytest.mark.parametrize("step", [100, 250])
def test_a_person_is_the_same_at_a_low_frame_rate(tiny_run: Path, clip: Path, step: int) -> None:
    """At 4 frames a second the searches are 1.25 s apart."""
    path = write_video(clip.with_name("low.mkv"), [scene(0)] * 12, range(0, 12 * step, step))
    predict(tiny_run, path, out=str(clip.parent / "p.csv"))
    rows = table(clip.parent / "p.csv")
    assert [(row["frame"], row["person"]) for row in rows] == [(str(k), "0") for k in range(12)]
    assert all(row["emotion"] for row in rows)


def test_a_line_of_an_unfinished_table_of_an_earlier_version() -> None:
    row = from_json("[7, 0.28, 1, [3, 4, 5, 6], 0.9, [0.25, 0.75]]")
    assert row == FrameRow(7, 0.28, 1, (3, 4, 5, 6), 0.9, (0.25, 0.75), searched=True)


class Killed(BaseException):
    """What ends a command like a kill."""


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_video_goes_on(
    tiny_run: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(module, "_CHUNK_SECONDS", 0.3)
    folder = clip.parent
    predict(tiny_run, clip, out=str(folder / "whole.csv"), annotate=str(folder / "whole.mp4"))
    original = module.follow_faces

    def killed(*arguments: Any) -> Any:
        for number, group in enumerate(original(*arguments)):
            if number == after:
                raise Killed
            yield group

    with monkeypatch.context() as patch:
        patch.setattr(module, "follow_faces", killed)
        with pytest.raises(Killed):
            predict(tiny_run, clip, out=str(folder / "cut.csv"), annotate=str(folder / "cut.mp4"))
    assert not (folder / "cut.csv").exists()
    predict(tiny_run, clip, out=str(folder / "cut.csv"), annotate=str(folder / "cut.mp4"))
    for name in ("{}.csv", "{}-persons.csv"):
        same = [(folder / name.format(kind)).read_bytes() for kind in ("whole", "cut")]
        assert same[0] == same[1]
    assert not journal_path(folder / "cut.csv").exists()
    assert not segment_folder(folder / "cut.mp4").exists()
    whole, cut = (
        [frame.image for frame in read_frames(folder / f"{kind}.mp4")] for kind in ("whole", "cut")
    )
    assert len(whole) == len(cut) == 24
    np.testing.assert_array_equal(np.array(whole), np.array(cut))


def test_the_journal_of_another_command_excuses_no_results(
    tiny_run: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> Any:
        raise Killed

    folder = clip.parent
    with monkeypatch.context() as patch:
        patch.setattr(module, "follow_faces", killed)
        with pytest.raises(Killed):
            predict(tiny_run, clip, out=str(folder / "p.csv"))
    mine = {"annotate": "mine.mp4", "summary": "page.html"}
    for name in (*mine.values(), "p-persons.csv", "p-timeline.png"):
        (folder / name).write_text("mine")
    given = {flag: str(folder / name) for flag, name in mine.items()}
    for name in ("p-persons.csv", "p-timeline.png", *mine.values()):
        with pytest.raises(UserError, match=rf"{name} exists already"):
            predict(tiny_run, clip, out=str(folder / "p.csv"), **given)
        assert (folder / name).read_text() == "mine"
        (folder / name).unlink()


def test_unreadable_frames_are_no_error(tiny_run: Path, clip: Path) -> None:
    with pytest.raises(UserError, match=r"--on_bad_image=error: not for videos"):
        predict(tiny_run, clip, out=str(clip.parent / "p.csv"), on_bad_image="error")


@pytest.mark.parametrize("step", ["draw_timeline", "write_table", "write_video_summary"])
def test_a_video_killed_while_its_results_are_written_goes_on(
    tiny_run: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    folder = clip.parent
    given = {"annotate": str(folder / "copy.mp4"), "summary": str(folder / "page.html")}
    with monkeypatch.context() as patch:
        patch.setattr(module, step, killed)
        with pytest.raises(Killed):
            predict(tiny_run, clip, out=str(folder / "p.csv"), **given)
    predict(tiny_run, clip, out=str(folder / "p.csv"), **given)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("clip.mkv", "copy.mp4", "page.html"),
        *("p.csv", "p-persons.csv", "p-timeline.png"),
    }


def test_the_annotated_copy(tiny_run: Path, clip: Path) -> None:
    copy = clip.parent / "copy.mp4"
    predict(tiny_run, clip, out=str(clip.parent / "p.csv"), annotate=str(copy))
    frames = list(read_frames(copy))
    np.testing.assert_allclose(
        [frame.seconds for frame in frames], np.array(TIMES) / 1000, atol=1e-4
    )
    # Odd sides: a row and a column are added, nothing is cut off.
    assert frames[0].image.shape == (152, 204, 3)
    far = np.abs(frames[12].image[130:151, :203].astype(int) - 60)
    assert far.mean() < 4
    # A yellow line along the left side of the first person's box.
    left, top = squares(20)[0]
    assert (
        np.abs(frames[20].image[top + 10 : top + 20, left].astype(int) - [255, 214, 10]) < 60
    ).all()
    with av.open(str(copy)) as container:
        (sound,) = container.streams.audio
        length = sum(frame.samples for frame in container.decode(sound))
    assert length == pytest.approx(16000 * 2, abs=3000)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.mp4", None, "no such video"),
        ("empty.mp4", b"", "0 bytes"),
        ("text.mp4", b"not a video, but text " * 20, "cannot be read as a video"),
    ],
)
def test_what_is_no_video(
    tiny_run: Path, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}.*{words}"):
        predict(tiny_run, tmp_path / name, out=str(tmp_path / "p.csv"))


def test_damaged_packets_are_counted(
    tiny_run: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path = clip.with_name("damaged.mkv")
    path.write_bytes(data)
    predict(tiny_run, path, out=str(clip.parent / "p.csv"))
    frames = {row["frame"] for row in table(clip.parent / "p.csv")}
    assert len(frames) >= 10


@pytest.mark.parametrize(
    ("words", "given", "message"),
    [
        (["a.mp4", "b.png"], {"out": "p.csv"}, "a command of its own"),
        (["a.mp4"], {}, "--out is missing"),
        (["a.mp4"], {"out": "p.csv", "faces": "whole"}, "--faces=whole"),
        (["a.mp4"], {"out": "p.csv", "annotate": "copies"}, r"ends in \.mp4, \.mkv, \.mov"),
    ],
)
def test_flags_of_a_video(words: list[str], given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        predict_video(PredictConfig(**given), words)


def test_a_face_is_followed_in_a_real_encoding(tiny_run: Path, tmp_path: Path) -> None:
    """A drawn face moves; the real detector finds it in the frames of a lossy video."""
    face = render_faces(np.array([1]), np.array([1]), 128)[0]
    images = []
    for frame in range(12):
        image = np.full((200, 320, 3), 110, np.uint8)
        image[30:158, 20 + 6 * frame : 148 + 6 * frame] = face
        images.append(image)
    path = write_video(tmp_path / "face.mkv", images, range(0, 480, 40))
    predict(tiny_run, path, out=str(tmp_path / "p.csv"))
    rows = table(tmp_path / "p.csv")
    assert {row["person"] for row in rows} == {"0"}
    lefts = [int(row["left"]) for row in rows]
    assert len(lefts) == 12
    assert all(2 <= b - a <= 10 for a, b in itertools.pairwise(lefts))
