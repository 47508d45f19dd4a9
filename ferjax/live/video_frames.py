"""The frames of a video, upright, at the stream's own times; damage is skipped. Needs PyAV."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data.decoding.image_file import resize_image
from ferjax.errors import UserError
from ferjax.live.open_video import (
    VideoBytes,
    check_decoder,
    check_pixels,
    open_video,
    pixel_aspect,
    pyav,
    shown_width,
)

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts"),
        *(".m2ts", ".wmv", ".flv", ".3gp", ".ogv"),
    }
)
# In seconds: a time that is earlier than the previous one by more than the first value belongs to a
# clock that was set back; the second value is the least time between two frames.
_CLOCK_SET_BACK, _LEAST_STEP = 1.0, 1 / 90_000
# The smallest face that is searched is a twelfth of the frame's shorter side. Smaller faces are
# mostly background, and the search for them takes most of the time.
_FACES_IN_A_PICTURE = 12
# Consecutive unreadable packets after which the rest of a file is given up.
_MOST_DAMAGE = 1000


@dataclass(frozen=True)
class Frame:
    """One frame of a video.

    Attributes:
      number: from 0, in the order in which frames are shown.
      seconds: time at which the frame is shown, by the stream's own clock.
      image: uint8 [H, W, 3], RGB, upright, in square pixels.
    """

    number: int
    seconds: float
    image: np.ndarray


@dataclass(frozen=True)
class VideoFacts:
    """Values in the header of a video.

    Attributes:
      frames: number of frames, 0 if the header does not state it.
      seconds: length of the video, 0 if the header does not state it.
      rate: average frames a second, 0 if the header does not state it.
      shorter_side: shorter side of a frame as it is shown, in square pixels.
    """

    frames: int
    seconds: float
    rate: float
    shorter_side: int


def is_video(word: str) -> bool:
    """Returns whether a word of a command has the suffix of a video."""
    return Path(word).suffix.lower() in VIDEO_SUFFIXES


def video_facts(path: Path | VideoBytes) -> VideoFacts:
    """Returns the values in the header of a video; raises `UserError` as `open_video` does."""
    with open_video(path) as container:
        stream = container.streams.video[0]
        seconds = (container.duration or 0) / 1e6
        shorter = min(shown_width(stream.width, pixel_aspect(stream)), stream.height)
        return VideoFacts(stream.frames, seconds, float(stream.average_rate or 0), shorter)


def smallest_face(facts: VideoFacts) -> int:
    """Returns the least side of the faces that are searched in a video, in pixels."""
    return max(20, facts.shorter_side // _FACES_IN_A_PICTURE)


def read_frames(
    path: Path | VideoBytes, first: int = 0, on_damage: Callable[[], None] = lambda: None
) -> Iterator[Frame]:
    """Yields the frames of a video in the order in which they are shown.

    Times are those of the stream, also where the rate varies, and they always rise. A frame without
    a time follows the previous frame after the average time between frames. So does the first frame
    after the clock was set back, which occurs in videos that were joined. Frames whose pixels are
    not square are resized in width.

    Args:
      path: the video: a file, or its bytes.
      first: number of the first frame to yield; earlier frames are only decoded.
      on_damage: called for every damaged packet and frame; reading continues after the damage.

    Raises:
      UserError: see `open_video`, or no frame can be read.
      FrameTooLarge: see `VideoBytes`; a stream may change its size.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        step, aspect = 1 / float(stream.average_rate or 25), pixel_aspect(stream)
        seconds, number, offset = -step, -1, 0.0
        for number, frame in enumerate(_decoded(path, container, stream, on_damage)):
            time = seconds + step if frame.time is None else frame.time + offset
            if number and time < seconds - _CLOCK_SET_BACK:
                offset += seconds + step - time
                time = seconds + step
            # Frames with equal times are shown one after the other.
            seconds = max(time, seconds + _LEAST_STEP) if number else time
            if number >= first:
                check_pixels(path, frame.width * frame.height)
                check_pixels(path, shown_width(frame.width, aspect) * frame.height)
                yield Frame(number, seconds, _upright(frame, aspect))
        if number < 0:
            raise UserError(f"{path}: not one frame can be read; copy the video again.")


def _decoded(
    source: Path | VideoBytes, container: Any, stream: Any, on_damage: Callable[[], None]
) -> Iterator[Any]:
    """Yields PyAV's frames; reports and skips damaged packets."""
    av, damaged = pyav(), 0
    packets = container.demux(stream)
    while damaged < _MOST_DAMAGE:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            damaged += 1
            on_damage()
            packets = container.demux(stream)
            continue
        try:
            frames = packet.decode()
        except av.FFmpegError:
            check_decoder(source, stream.codec_context)
            on_damage()
            continue
        damaged = 0
        for frame in frames:
            if frame.is_corrupt:
                on_damage()
            yield frame


def _upright(frame: Any, aspect: Fraction) -> np.ndarray:
    """Returns the pixels of a frame as it is shown.

    They are made square by the width of the stored frame, and then rotated by its display matrix in
    steps of 90 degrees.
    """
    image = frame.to_ndarray(format="rgb24")
    image = resize_image(image, (frame.height, shown_width(frame.width, aspect)))
    quarters = round((frame.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image
