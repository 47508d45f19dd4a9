"""Videos as phones write them: turned by the matrix in their header."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.live.open_video import FrameTooLarge, VideoBytes
from ferjax.live.video_frames import read_frames, video_facts

av = pytest.importorskip("av")

# a, b, c, d of the header's matrix: a stored pixel (x, y) is shown at (a x + c y, b x + d y), moved
# into the picture.
MATRICES = {
    "upright": (1, 0, 0, 1),
    "quarter clockwise": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "quarter counter-clockwise": (0, -1, 1, 0),
}


def write_mp4(
    path: Path, image: np.ndarray, frames: int = 3, aspect: Fraction | None = None
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_codec_without_decoder_is_told(tmp_path: Path) -> None:
    path = tmp_path / "unknown.mkv"
    write_mp4(path, np.full((48, 80, 3), 60, np.uint8))
    known = path.read_bytes()
    assert known.count(b"V_MPEG4/ISO/AVC") == 1
    path.write_bytes(known.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    for video in (path, VideoBytes("unknown.mkv", path.read_bytes())):
        with pytest.raises(UserError, match=r"unknown\.mkv: its codec cannot be decoded here"):
            video_facts(video)
        with pytest.raises(UserError, match=r"for instance to H\.264"):
            list(read_frames(video))


def make_stream(codec: str, *sizes: tuple[int, int]) -> bytes:
    """Returns an MPEG transport stream whose frames change their size (height, width)."""
    parts = []
    for height, width in sizes:
        file = io.BytesIO()
        with av.open(file, "w", format="mpegts") as container:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            for number in range(6):
                grey = np.full((height, width, 3), 60 + number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode(None))
        parts.append(file.getvalue())
    return b"".join(parts)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_frames_of_too_many_pixels_end_a_video_before_they_are_copied(codec: str) -> None:
    grows = make_stream(codec, (48, 64), (480, 640))
    found = {frame.image.shape for frame in read_frames(VideoBytes("a.ts", grows))}
    assert found == {(48, 64, 3), (480, 640, 3)}
    # 200,000: the decoder makes the frame, and its pixels are counted; 4,000: it makes none.
    for limit in (200_000, 4000):
        frames = []
        with pytest.raises(FrameTooLarge, match=rf"a\.ts: frames of more than {limit:,} pixels"):
            frames.extend(read_frames(VideoBytes("a.ts", grows, limit)))
    whole = make_stream(codec, (480, 640))
    with pytest.raises(FrameTooLarge):
        video_facts(VideoBytes("a.ts", whole, 480 * 640 - 1))
    assert len(list(read_frames(VideoBytes("a.ts", whole, 480 * 640)))) == 6
    # Sides that are no multiples of a decoder's blocks.
    odd = make_stream(codec, (34, 34))
    assert len(list(read_frames(VideoBytes("a.ts", odd, 34 * 34)))) == 6


@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(10, 11), Fraction(2)])
def test_pixels_that_are_not_square_become_square(tmp_path: Path, aspect: Fraction) -> None:
    image = np.full((48, 88, 3), 60, np.uint8)
    image[8:40, 22:66] = 220
    path = tmp_path / "wide.mp4"
    write_mp4(path, image, aspect=aspect)
    width = round(88 * aspect)
    assert video_facts(path).shorter_side == 48
    for frame in read_frames(path):
        assert frame.image.shape == (48, width, 3)
        # The bright half in the middle stays there, between the quarters of the width.
        columns = np.nonzero(frame.image[24, :, 0] > 140)[0]
        assert abs(columns[0] - width / 4) <= 2
        assert abs(columns[-1] + 1 - 3 * width / 4) <= 2
    # The width of the stored frame, which a phone's matrix makes the height.
    write_matrix(path, MATRICES["quarter clockwise"])
    assert [frame.image.shape for frame in read_frames(path)] == [(width, 48, 3)] * 3


def test_the_limit_of_pixels_holds_for_stored_and_for_shown_frames(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    for aspect, most in ((Fraction(16, 11), 48 * 128), (Fraction(10, 11), 48 * 88)):
        write_mp4(path, np.full((48, 88, 3), 60, np.uint8), aspect=aspect)
        data = path.read_bytes()
        assert len(list(read_frames(VideoBytes("a.mp4", data, most)))) == 3
        with pytest.raises(FrameTooLarge):
            video_facts(VideoBytes("a.mp4", data, most - 1))


@pytest.mark.parametrize("aspect", [(1000, 1), (1, 1000), (101, 100), (0, 1), (1, 1)])
def test_impossible_ratios_and_rounding_change_no_frame(
    tmp_path: Path, aspect: tuple[int, int]
) -> None:
    path = tmp_path / "wide.mp4"
    write_mp4(path, np.full((48, 88, 3), 60, np.uint8), aspect=Fraction(16, 11))
    # The box of the pixel's ratio in an MP4 file (ISO 14496-12, 12.1.4).
    data = path.read_bytes()
    assert data.count(b"pasp") == 1
    at = data.index(b"pasp") + 4
    path.write_bytes(data[:at] + struct.pack(">2I", *aspect) + data[at + 8 :])
    shapes = [frame.image.shape for frame in read_frames(path)]
    # Without a ratio in the box, that of the H.264 stream holds.
    assert shapes == [(48, 128 if aspect[0] == 0 else 88, 3)] * 3


def write_matrix(path: Path, matrix: tuple[int, ...]) -> None:
    """Writes a matrix into the track header of an MP4 file (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    assert data.count(b"tkhd") == 1
    at = data.index(b"tkhd") + 4
    assert data[at] == 0  # version, whose fields have 32 bits
    a, b, c, d = (65536 * value for value in matrix)
    data[at + 40 : at + 76] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def shown(image: np.ndarray, matrix: tuple[int, ...]) -> np.ndarray:
    """Returns the picture that the matrix asks for, pixel by pixel."""
    a, b, c, d = matrix
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    column, row = a * x + c * y, b * x + d * y
    column, row = column - column.min(), row - row.min()
    result = np.zeros((row.max() + 1, column.max() + 1, 3), image.dtype)
    result[row, column] = image
    return result


@pytest.mark.parametrize("name", MATRICES)
def test_frames_are_upright(tmp_path: Path, name: str) -> None:
    image = np.full((48, 80, 3), 60, np.uint8)
    image[4:20, 6:30] = 220
    path = tmp_path / "phone.mp4"
    write_mp4(path, image)
    write_matrix(path, MATRICES[name])
    frames = list(read_frames(path))
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.1, 0.2])
    expected = shown(image, MATRICES[name]).astype(int)
    for frame in frames:
        assert frame.image.shape == expected.shape
        assert np.abs(frame.image - expected).mean() < 4
