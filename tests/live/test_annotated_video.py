"""Annotated copies whose sound does not fit them: clocks that are set back, and formats."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.live import annotated_video as module
from ferjax.live.annotated_video import join_segments, segment_writer
from ferjax.live.video_frames import read_frames

av = pytest.importorskip("av")

# Two seconds of frames, each brighter than the one before, with a tone.
FRAMES, RATE = 20, 10


def make_video(
    container_format: str, codec: str, hertz: int, aspect: Fraction = Fraction(1)
) -> bytes:
    """Returns a video whose sound has a codec and `hertz` samples a second."""
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        sound = container.add_stream(codec, rate=hertz)
        for number in range(FRAMES):
            grey = np.full((48, 64, 3), 60 + 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
        sample_format = sound.codec_context.format.name
        wave = np.sin(np.arange(hertz * FRAMES // RATE) / 10)
        if sample_format == "fltp":
            tone = wave.astype(np.float32)[None]
        else:
            tone = (8000 * wave).astype(np.int16)[None]
        for first in range(0, tone.shape[1], 960):
            part = av.AudioFrame.from_ndarray(tone[:, first : first + 960], sample_format, "mono")
            part.sample_rate, part.pts = hertz, first
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    return file.getvalue()


def copied(source: Path, suffix: str) -> Path:
    """Writes the copy of a video without faces, in two segments."""
    copy = source.with_name(f"copy{suffix}")
    frames = list(read_frames(source))
    for number, part in enumerate((frames[:15], frames[15:])):
        with segment_writer(copy, number, RATE) as add:
            for frame in part:
                add(frame, [], [])
    join_segments(copy, 2, source)
    return copy


def seconds_of_sound(path: Path) -> float:
    """Returns the length of the sound; 0 if there is none."""
    with av.open(str(path)) as container:
        streams = container.streams.audio
        frames = container.decode(streams[0]) if streams else ()
        return sum(frame.samples / frame.sample_rate for frame in frames)


def check_pictures(copy: Path, source: Path) -> None:
    frames, expected = list(read_frames(copy)), list(read_frames(source))
    assert len(frames) == len(expected)
    start, first = frames[0].seconds, expected[0].seconds
    for frame, other in zip(frames, expected, strict=True):
        assert frame.seconds - start == pytest.approx(other.seconds - first, abs=2e-3)
        assert np.abs(frame.image.astype(int) - other.image).mean() < 4


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_ends_where_its_clock_is_set_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    source = tmp_path / "joined.ts"
    source.write_bytes(2 * make_video("mpegts", "aac", 16000))
    copy = copied(source, suffix)
    check_pictures(copy, source)
    assert len(list(read_frames(copy))) == 2 * FRAMES
    assert seconds_of_sound(copy) == pytest.approx(2, abs=0.3)
    warning = "warning: the copy's sound ends early: its clock is set back\n"
    assert capsys.readouterr().err == warning


@pytest.mark.parametrize(("codec", "hertz"), [("libopus", 48000), ("flac", 16000)])
def test_sound_that_the_format_refuses_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], codec: str, hertz: int
) -> None:
    source = tmp_path / "video.mkv"
    source.write_bytes(make_video("matroska", codec, hertz))
    copy = copied(source, ".mov")
    check_pictures(copy, source)
    assert seconds_of_sound(copy) == 0
    assert capsys.readouterr().err.startswith("warning: the copy has no sound: its format cannot")
    # Matroska holds it.
    assert seconds_of_sound(copied(source, ".mkv")) == pytest.approx(2, abs=0.1)
    assert capsys.readouterr().err == ""


def test_the_copy_of_pixels_that_are_not_square_has_the_shown_shape(tmp_path: Path) -> None:
    source = tmp_path / "video.mkv"
    source.write_bytes(make_video("matroska", "aac", 16000, aspect=Fraction(16, 11)))
    copy = copied(source, ".mp4")
    with av.open(str(copy)) as container:
        stream = container.streams.video[0]
        # 64 * 16 / 11 = 93.1, and an even width for the encoder.
        assert (stream.height, stream.width) == (48, 94)
        assert stream.sample_aspect_ratio in (None, 1)


def test_a_full_disk_does_not_cost_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "video.mkv"
    source.write_bytes(make_video("matroska", "aac", 16000))
    calls = []

    def full(*given: Any) -> None:
        calls.append(given)
        raise av.error.OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_join", full)
    with pytest.raises(UserError, match=r"copy\.mp4 cannot be written: No space left"):
        copied(source, ".mp4")
    assert len(calls) == 1
