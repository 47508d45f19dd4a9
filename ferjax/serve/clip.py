"""Names the persons in an uploaded video, from memory, with the steps of `launch.predict`."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ferjax.config.predict_and_export import PredictConfig
from ferjax.errors import UserError
from ferjax.faces.detectors import crop_plan
from ferjax.live.follow_faces import Followed, FollowSettings, follow_faces
from ferjax.live.open_video import FrameTooLarge, VideoBytes, open_video
from ferjax.live.video_frames import Frame, read_frames, smallest_face, video_facts
from ferjax.live.video_table import FrameRow, rows_of_frame
from ferjax.serve.limits import Limits, Refused
from ferjax.serve.recogniser import Recogniser

# Videos are followed as `launch.predict` does by default, so that rows are the same.
_EVERY, _SMOOTH = PredictConfig.every, PredictConfig.smooth


@dataclass(frozen=True)
class NamedClip:
    """The persons of a video.

    Attributes:
      rows: a row for each person in each frame, and a row for each frame without a person.
      size: width and height of the upright frames.
      frames: number of frames.
    """

    rows: list[FrameRow]
    size: tuple[int, int]
    frames: int


def name_clip(
    video: VideoBytes, recogniser: Recogniser, limits: Limits, stop: threading.Event
) -> NamedClip:
    """Returns the persons of a video.

    Args:
      video: the file.
      recogniser: finds and names faces.
      limits: limits of frames and their pixels.
      stop: set when no client waits for the result any more; the result is then incomplete.

    Raises:
      Refused: too many frames or pixels (413), or no video (422).
    """
    video = replace(video, most_pixels=limits.pixels)
    try:
        _check_header(video, limits)
        plan = crop_plan(recogniser.detector, smallest=smallest_face(video_facts(video)))
        settings = FollowSettings(plan, _EVERY, _SMOOTH)
        frames = _allowed_frames(video, limits, stop)
        rows: list[FrameRow] = []
        count, size = 0, (0, 0)
        for group, state in follow_faces(frames, recogniser.predictor, settings, Followed()):
            for frame, faces in group:
                searched = frame.number == state.frame
                rows += rows_of_frame(frame, faces, searched=searched)
                size = size if count else (frame.image.shape[1], frame.image.shape[0])
                count += 1
    except FrameTooLarge as error:
        raise Refused(413, str(error)) from None
    except UserError as error:
        raise Refused(422, str(error)) from None
    return NamedClip(rows, size, count)


def _check_header(video: VideoBytes, limits: Limits) -> None:
    """Raises an error if the header states too many frames or pixels, before any is decoded."""
    with open_video(video) as container:
        if container.streams.video[0].frames > limits.frames:
            raise _too_long(video, limits)


def _allowed_frames(video: VideoBytes, limits: Limits, stop: threading.Event) -> Iterator[Frame]:
    for frame in read_frames(video):
        if stop.is_set():
            return
        if frame.number >= limits.frames:
            raise _too_long(video, limits)
        yield frame


def _too_long(video: VideoBytes, limits: Limits) -> Refused:
    return Refused(
        413, f"{video}: more than {limits.frames:,} frames, the limit of this server; cut it"
    )
