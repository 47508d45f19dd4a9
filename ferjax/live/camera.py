"""A camera, or a video at its own pace: each frame is shown or written as it comes."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ferjax.config.predict_and_export import LiveConfig
from ferjax.errors import UserError
from ferjax.faces.crop_face import crop_at
from ferjax.faces.detectors import crop_plan
from ferjax.faces.face import Face
from ferjax.faces.viola_jones import opencv
from ferjax.live.annotated_video import annotated_frame
from ferjax.live.follow_faces import FaceOfFrame, FollowSettings
from ferjax.live.tracks import Track, expected_face, follow, smoothed
from ferjax.live.video_frames import Frame, read_frames
from ferjax.live.video_table import VideoColumns, rows_of_frame
from ferjax.predict.journal import check_is_new
from ferjax.predict.predictor import Predictor, load_predictor
from ferjax.predict.table_files import csv_text

# Least side of a face in pixels: a camera's picture has to be done in a few hundredths of a second.
_SMALLEST = 60
_QUIT = (ord("q"), 27)


def run_live(config: LiveConfig) -> str:
    """Names the faces before a camera until it ends; returns what was done in one line.

    Frames are shown in a window where there is a display, and rows are written to `config.out`, or
    printed where neither is there. Key q or Escape, Ctrl-C, an unplugged camera and the end of a
    file end it; what was seen until then is written.

    Raises:
      UserError: no such camera, a table that exists already, or a package that is missing.
    """
    out = Path(config.out) if config.out else None
    if out and out.suffix.lower() != ".csv":
        raise UserError(f"--out={out}: the table of a camera is a .csv file.")
    if out:
        check_is_new(out)
    source = Path(config.workdir) if config.workdir else config.weights
    predictor = load_predictor(source, config.checkpoint)
    plan = crop_plan(config.detector, smallest=_SMALLEST)
    settings = FollowSettings(plan, config.every, config.smooth)
    columns = VideoColumns(predictor.classes)
    with _window(config.display) as show, _table(out, shown=show is not None) as file:
        count, begun = 0, time.monotonic()
        with suppress(KeyboardInterrupt):
            for frame, faces in live_faces(_frames(config.source), predictor, settings):
                if file:
                    rows = rows_of_frame(frame, faces)
                    file.write(csv_text(rows, columns, header=count == 0))
                    file.flush()
                count += 1
                if show and not show(annotated_frame(frame, faces, predictor.classes)):
                    break
        seconds = max(time.monotonic() - begun, 1e-6)
    return f"{count:,} frames in {seconds:.0f} s, {count / seconds:.1f} a second"


def live_faces(
    frames: Iterator[Frame], predictor: Predictor, settings: FollowSettings
) -> Iterator[tuple[Frame, list[FaceOfFrame]]]:
    """Yields each frame with its persons at once, without waiting for later frames.

    Between the frames in which faces are searched a face is where its movement leads.
    """
    tracks: list[Track] = []
    seen: list[Track] = []
    persons = 0
    for frame in frames:
        if frame.number % settings.every == 0:
            found = list(settings.plan.detector(frame.image))
            tracks, seen, persons = follow(tracks, found, frame.seconds, persons)
        else:
            found = [expected_face(track, frame.seconds) for track in seen]
        named = _named(frame, seen, found, predictor, settings)
        seen = [track for track, _ in named]
        newest = {track.person: track for track in seen}
        tracks = [newest.get(track.person, track) for track in tracks]
        yield (
            frame,
            [FaceOfFrame(track.person, face, track.probabilities) for track, face in named],
        )


def _named(
    frame: Frame,
    tracks: Sequence[Track],
    faces: Sequence[Face],
    predictor: Predictor,
    settings: FollowSettings,
) -> list[tuple[Track, Face]]:
    """Returns the persons that are in the picture, with their newest probabilities."""
    crops = [crop_at(frame.image, face, settings.plan) for face in faces]
    inside = [k for k, crop in enumerate(crops) if crop.size]
    values = predictor.probabilities([crops[k] for k in inside])
    return [
        (smoothed(tracks[k], row, frame.seconds, settings.window), faces[k])
        for k, row in zip(inside, values, strict=True)
    ]


def _frames(source: str) -> Iterator[Frame]:
    """Yields the frames of a camera by its number, or of a file or stream."""
    if not source.isdecimal():
        yield from read_frames(Path(source).expanduser())
        return
    cv2 = opencv("A camera")
    camera = cv2.VideoCapture(int(source))
    try:
        begun, number = time.monotonic(), 0
        while True:
            read, image = camera.read()
            if not read and number == 0:
                raise UserError(
                    f"--source={source}: no camera of this number gives pictures. Is it plugged in,"
                    " and not in use? --source=1 is the second one, --source=FILE a video."
                )
            if not read:
                print(f"camera {source} gives no more pictures", file=sys.stderr)
                return
            seconds = time.monotonic() - begun
            yield Frame(number, seconds, np.ascontiguousarray(image[..., ::-1]))
            number += 1
    finally:
        camera.release()


@contextmanager
def _window(wanted: bool) -> Iterator[Callable[[np.ndarray], bool] | None]:
    """Yields a function that shows a frame and says whether to go on; None without a display."""
    cv2: Any = opencv("A window") if wanted else None
    if cv2 is None or not _has_window(cv2):
        yield None
        return

    def show(image: np.ndarray) -> bool:
        cv2.imshow("ferjax", image[..., ::-1])
        return cv2.waitKey(1) & 0xFF not in _QUIT

    try:
        yield show
    finally:
        cv2.destroyAllWindows()


def _has_window(cv2: Any) -> bool:
    """Opens a window; says so where there is no display, or OpenCV has no windows."""
    try:
        cv2.namedWindow("ferjax", cv2.WINDOW_NORMAL)
    except cv2.error:
        print("note: no display, or OpenCV without windows; rows are written", file=sys.stderr)
        return False
    return True


@contextmanager
def _table(out: Path | None, *, shown: bool) -> Iterator[TextIO | None]:
    """Yields the file that rows are written to, line by line, so that a kill loses none.

    Standard output without `out`, or None where frames are shown instead.
    """
    if out is None:
        yield None if shown else sys.stdout
        return
    try:
        file = out.open("x", encoding="utf-8", newline="", buffering=1)
    except OSError as error:
        raise UserError(f"--out={out} cannot be written: {error.strerror}.") from None
    with file:
        yield file
