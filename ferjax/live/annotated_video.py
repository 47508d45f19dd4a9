"""An annotated copy of a video: encoded in segments, joined with the sound at the end.

A segment is complete or not there, so that a killed command goes on with the next one. Frames keep
the times of the stream, also where its rate varies.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.decoding.image_file import resize_image
from ferjax.errors import UserError
from ferjax.live.follow_faces import FaceOfFrame
from ferjax.live.video_frames import Frame, open_video, pyav
from ferjax.predict.annotate import draw_faces
from ferjax.runtime.atomic_files import temporary_beside

# Times are kept to a ninety-thousandth of a second, as in MPEG transport streams.
_TIME_BASE = Fraction(1, 90_000)
# Without frames that refer to later ones, the packets of a segment are in the order of their times.
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
      number: of the segment.
      rate: average frames a second, for the encoder.
    """
    av, path = pyav(), segment_path(copy, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with av.open(str(temporary), "w", format="nut") as container:
        stream = container.add_stream("libx264", rate=max(1, round(rate)), options=_OPTIONS)
        stream.codec_context.time_base = _TIME_BASE
        stream.pix_fmt = "yuv420p"

        def add(frame: Frame, faces: Sequence[FaceOfFrame], classes: Sequence[str]) -> None:
            image = _even(annotated_frame(frame, faces, classes))
            if not stream.codec_context.is_open:
                stream.height, stream.width = image.shape[:2]
            # A stream may change its size in its middle.
            image = resize_image(image, (stream.height, stream.width))
            encoded = av.VideoFrame.from_ndarray(image, format="rgb24")
            encoded.pts, encoded.time_base = round(frame.seconds / _TIME_BASE), _TIME_BASE
            container.mux(stream.encode(encoded))

        yield add
        container.mux(stream.encode(None))
    os.replace(temporary, path)


def join_segments(copy: Path, count: int, source: Path) -> None:
    """Writes the copy from so many segments, with the sound of the source.

    Raises:
      UserError: the copy cannot be written.
    """
    av, parts = pyav(), [segment_path(copy, number) for number in range(count)]
    try:
        with temporary_beside(copy) as temporary:
            with (
                av.open(str(temporary), "w", format=_container_format(copy)) as container,
                open_video(source) as original,
            ):
                _join(container, parts, original)
            os.replace(temporary, copy)
    except (OSError, av.FFmpegError) as error:
        raise UserError(f"{copy} cannot be written: {error.strerror or error}.") from None


def _join(container: Any, parts: Sequence[Path], original: Any) -> None:
    av = pyav()
    with av.open(str(parts[0])) as first:
        video = container.add_stream_from_template(first.streams.video[0])
    sound = None
    if original.streams.audio:
        with contextlib.suppress(av.FFmpegError, ValueError):
            sound = container.add_stream_from_template(original.streams.audio[0])
    for part in parts:
        with av.open(str(part)) as segment:
            for packet in segment.demux(segment.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = video
                    container.mux(packet)
    if sound is not None:
        for packet in original.demux(original.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                container.mux(packet)


def _container_format(copy: Path) -> str:
    return {".mkv": "matroska", ".mov": "mov"}.get(copy.suffix.lower(), "mp4")


def annotated_frame(
    frame: Frame, faces: Sequence[FaceOfFrame], classes: Sequence[str]
) -> np.ndarray:
    """Returns the frame with a box, the person's number and the emotion for each face."""
    if not faces:
        return frame.image
    labelled = [
        (face.face.box, f"{face.person}: {_best(face.probabilities, classes)}") for face in faces
    ]
    return np.asarray(draw_faces(frame.image, labelled))


def _best(probabilities: Sequence[float], classes: Sequence[str]) -> str:
    best = int(np.argmax(probabilities))
    return f"{classes[best]} {100 * probabilities[best]:.0f} %"


def _even(image: np.ndarray) -> np.ndarray:
    """Returns a frame with even sides, which the encoder wants: the last row or column twice."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
