"""An annotated copy of a video: encoded in segments, joined with the sound at the end.

A segment is either complete or absent, so that a killed command continues with the next segment.
Frames keep the times of the stream, also where its rate varies.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.decoding.image_file import resize_image
from ferjax.errors import UserError
from ferjax.live.follow_faces import FaceOfFrame
from ferjax.live.open_video import open_video, pyav
from ferjax.live.video_frames import Frame
from ferjax.predict.annotate import draw_faces, emotion_label
from ferjax.runtime.atomic_files import temporary_beside

# Suffix of a copy → FFmpeg's name of the format.
_FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}
# Times have a precision of 1/90,000 s, as in MPEG transport streams.
_TIME_BASE = Fraction(1, 90_000)
# Without B-frames, which refer to later frames, the packets of a segment are in the order of their
# times.
_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0"}


def segment_folder(copy: Path) -> Path:
    """Returns the folder of the segments of an unfinished copy."""
    return copy.with_name(f"{copy.name}.partial")


def segment_path(copy: Path, number: int) -> Path:
    """Returns the path of a segment."""
    return segment_folder(copy) / f"{number:06}.nut"


@contextlib.contextmanager
def segment_writer(
    copy: Path, number: int, rate: float
) -> Iterator[Callable[[Frame, Sequence[FaceOfFrame], Sequence[str]], None]]:
    """Yields a function (frame, its persons, classes) that adds a frame to a segment.

    Args:
      copy: the annotated video.
      number: the segment's number.
      rate: average frames a second, for the encoder.
    """
    av, path = pyav(), segment_path(copy, number)
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = _size_of(segment_path(copy, 0)) if number else None
        with av.open(os.path.abspath(temporary), "w", format="nut") as container:
            stream = container.add_stream("libx264", rate=max(1, round(rate)), options=_OPTIONS)
            stream.codec_context.time_base = _TIME_BASE
            stream.pix_fmt = "yuv420p"

            def add(frame: Frame, faces: Sequence[FaceOfFrame], classes: Sequence[str]) -> None:
                image = _even(annotated_frame(frame, faces, classes))
                if not stream.codec_context.is_open:
                    stream.height, stream.width = size or image.shape[:2]
                # The frame size of a video may change; its copy keeps the first size.
                image = resize_image(image, (stream.height, stream.width))
                encoded = av.VideoFrame.from_ndarray(image, format="rgb24")
                encoded.pts, encoded.time_base = round(frame.seconds / _TIME_BASE), _TIME_BASE
                container.mux(stream.encode(encoded))

            yield add
            container.mux(stream.encode(None))
        os.replace(temporary, path)
    except (OSError, av.FFmpegError) as error:
        raise UserError(f"{copy} cannot be written: {error.strerror or error}.") from None


def check_copy(copy: Path) -> None:
    """Raises `UserError` if the suffix of a copy is not that of a video that can be written."""
    if copy.suffix.lower() not in _FORMATS:
        suffixes = ", ".join(_FORMATS)
        raise UserError(
            f"--annotate={copy}: the copy of a video is a file that ends in {suffixes}."
        )


def join_segments(copy: Path, count: int, source: Path) -> None:
    """Writes the copy from its `count` segments, with the sound of the source.

    The sound ends at damage, and where the clock of the source is set back. Sound that the copy's
    format cannot hold is left out. Standard error says so.

    Raises:
      UserError: the copy cannot be written, or a segment is lost.
    """
    av, segments = pyav(), [segment_path(copy, number) for number in range(count)]
    if missing := [segment for segment in segments if not segment.is_file()]:
        raise UserError(
            f"{missing[0]} is lost, a part of the annotated copy. Remove"
            f" {segment_folder(copy)} and the table's .partial file, and begin again."
        )
    container_format = _FORMATS[copy.suffix.lower()]
    try:
        with temporary_beside(copy) as temporary, open_video(source) as original:
            has_sound = bool(original.streams.audio)
            try:
                _join(temporary, container_format, segments, original if has_sound else None)
            except av.FFmpegError as error:
                # Errors of the file system, such as a full disk, have nothing to do with the sound.
                if not has_sound or isinstance(error, OSError):
                    raise
                print(
                    f"warning: the copy has no sound: its format cannot hold it ({error.strerror})",
                    file=sys.stderr,
                )
                _join(temporary, container_format, segments, None)
            os.replace(temporary, copy)
    except (OSError, av.FFmpegError) as error:
        raise UserError(f"{copy} cannot be written: {error.strerror or error}.") from None


def _join(
    path: Path, container_format: str, segments: Sequence[Path], original: Any | None
) -> None:
    """Writes a video from segments, with the sound of PyAV's container `original` or without."""
    av = pyav()
    with av.open(os.path.abspath(path), "w", format=container_format) as container:
        with av.open(os.path.abspath(segments[0])) as first:
            video = container.add_stream_from_template(first.streams.video[0])
        sound = None
        if original:
            try:
                sound = container.add_stream_from_template(original.streams.audio[0])
            except (av.FFmpegError, ValueError):
                print("warning: the copy has no sound: its format cannot hold it", file=sys.stderr)
        # Packets are written in the order of their times: players read sound and pictures in
        # parallel.
        sound_packets = _sound_packets(original) if sound else iter(())
        for packet, stream in merge(
            ((packet, video) for packet in _video_packets(segments)),
            ((packet, sound) for packet in sound_packets),
            key=lambda pair: pair[0].dts * pair[0].time_base,
        ):
            packet.stream = stream
            container.mux(packet)


def _video_packets(segments: Sequence[Path]) -> Iterator[Any]:
    for path in segments:
        with pyav().open(os.path.abspath(path)) as segment:
            for packet in segment.demux(segment.streams.video[0]):
                if packet.dts is not None:
                    yield packet


def _sound_packets(original: Any) -> Iterator[Any]:
    """Yields the packets of the sound until it is damaged or its clock is set back.

    The frames continue after such a place, because their times are corrected. Sound with its own
    times would not fit them, and no format accepts times that fall.
    """
    latest, reason = None, None
    try:
        for packet in original.demux(original.streams.audio[0]):
            if packet.dts is None:
                continue
            if latest is not None and packet.dts < latest:
                reason = "its clock is set back"
                break
            latest = packet.dts
            yield packet
    except pyav().FFmpegError as error:
        reason = error
    if reason is not None:
        print(f"warning: the copy's sound ends early: {reason}", file=sys.stderr)


def _size_of(segment: Path) -> tuple[int, int]:
    """Returns the height and width of a segment."""
    with pyav().open(os.path.abspath(segment)) as container:
        stream = container.streams.video[0]
        return stream.height, stream.width


def annotated_frame(
    frame: Frame, faces: Sequence[FaceOfFrame], classes: Sequence[str]
) -> np.ndarray:
    """Returns the frame with a box, the person's number and the emotion for each face."""
    if not faces:
        return frame.image
    labelled = [
        (face.face.box, f"{face.person}: {emotion_label(face.probabilities, classes)}")
        for face in faces
    ]
    return np.asarray(draw_faces(frame.image, labelled))


def _even(image: np.ndarray) -> np.ndarray:
    """Returns a frame with even sides, as the encoder requires: repeats the last row or column."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
