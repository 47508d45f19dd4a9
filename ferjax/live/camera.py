"""Live view of a camera or of a video: each frame is shown or written at once."""

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ferjax.config.predict_and_export import LiveConfig
from ferjax.errors import UserError
from ferjax.faces.detectors import crop_plan
from ferjax.faces.viola_jones import opencv
from ferjax.live.annotated_video import annotated_frame
from ferjax.live.follow_faces import FaceOfFrame, FollowSettings, named_faces
from ferjax.live.notice_strip import with_notice
from ferjax.live.tracks import Track, expected_face, follow, smoothed
from ferjax.live.video_frames import Frame, read_frames
from ferjax.live.video_table import VideoColumns, rows_of_frame
from ferjax.predict.journal import check_is_new
from ferjax.predict.predictor import Predictor, load_predictor
from ferjax.predict.table_files import csv_text
from ferjax.report.responsible_use import NOTICE
from ferjax.runs.finished_runs.load_network import network_source

# Least side of a face in pixels: a frame must be processed in a few hundredths of a second.
_SMALLEST = 60
_QUIT_KEYS = (ord("q"), 27)


def run_live(config: LiveConfig) -> str:
    """Names the faces before a camera until it ends; returns a summary in one line.

    A notice of the forbidden uses is printed first, and stands below each frame that is shown.
    Frames are shown in a window if there is a display. Rows are written to `config.out`, or printed
    if there is neither a display nor `config.out`. Key q or Escape, Ctrl-C, an unplugged camera and
    the end of a file end the view; the rows until then are written.

    Raises:
      UserError: no such camera, a table that exists already, or a package that is missing.
    """
    out = Path(config.out) if config.out else None
    if out and out.suffix.lower() != ".csv":
        raise UserError(f"--out={out}: the table of a camera is a .csv file.")
    if out:
        check_is_new(out)
    source = network_source(config.workdir, config.weights)
    predictor = load_predictor(source, config.checkpoint)
    plan = crop_plan(config.detector, smallest=_SMALLEST)
    settings = FollowSettings(plan, config.every, config.smooth)
    columns = VideoColumns(predictor.classes)
    for sentence in NOTICE:
        print(f"note: {sentence}", file=sys.stderr)
    with _window(config) as show, _table(out, shown=show is not None) as write:
        count, start = 0, time.monotonic()
        with suppress(KeyboardInterrupt):
            for frame, faces in live_faces(_frames(config.source), predictor, settings):
                if write:
                    rows = rows_of_frame(frame, faces, searched=settings.searches(frame))
                    write(csv_text(rows, columns, header=count == 0))
                count += 1
                if show and not show(annotated_frame(frame, faces, predictor.classes)):
                    break
        seconds = max(time.monotonic() - start, 1e-6)
    return f"{count:,} frames in {seconds:.0f} s, {count / seconds:.1f} a second"


def live_faces(
    frames: Iterator[Frame], predictor: Predictor, settings: FollowSettings
) -> Iterator[tuple[Frame, list[FaceOfFrame]]]:
    """Yields each frame with its persons at once, without waiting for later frames.

    Between the frames in which faces are searched, a face is expected where its movement leads.
    """
    tracks: list[Track] = []
    visible: list[Track] = []
    persons, searched_at = 0, None
    for frame in frames:
        if settings.searches(frame):
            faces = list(settings.plan.detector(frame.image))
            tracks, visible, persons = follow(tracks, faces, frame.seconds, persons, searched_at)
            searched_at = frame.seconds
        else:
            faces = [expected_face(track, frame.seconds) for track in visible]
        probabilities = named_faces([(frame, face) for face in faces], predictor, settings.plan)
        named = [
            (smoothed(visible[k], row, frame.seconds, settings.window), faces[k])
            for k, row in probabilities.items()
        ]
        visible = [track for track, _ in named]
        newest = {track.person: track for track in visible}
        tracks = [newest.get(track.person, track) for track in tracks]
        yield (
            frame,
            [FaceOfFrame(track.person, face, track.probabilities) for track, face in named],
        )


def _frames(source: str) -> Iterator[Frame]:
    """Yields the frames of a camera, if the source is its number, or of a file."""
    if not source.isdecimal():
        yield from read_frames(Path(os.path.expanduser(source)))
        return
    cv2 = opencv("A camera")
    camera = cv2.VideoCapture(int(source))
    try:
        start, number = time.monotonic(), 0
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
            seconds = time.monotonic() - start
            yield Frame(number, seconds, np.ascontiguousarray(image[..., ::-1]))
            number += 1
    finally:
        camera.release()


@contextmanager
def _window(config: LiveConfig) -> Iterator[Callable[[np.ndarray], bool] | None]:
    """Yields a function that shows a frame and returns whether to continue; None if no display."""
    cv2 = _opencv_with_window() if config.display else None
    if cv2 is None:
        yield None
        return

    def show(image: np.ndarray) -> bool:
        cv2.imshow("ferjax", with_notice(image)[..., ::-1])
        return cv2.waitKey(1) & 0xFF not in _QUIT_KEYS

    try:
        yield show
    finally:
        cv2.destroyAllWindows()


def _opencv_with_window() -> Any:
    """Returns OpenCV with an open window, or None after a note on standard error."""
    # Some builds of OpenCV end the process if there is no display.
    has_display = sys.platform != "linux" or any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))
    )
    with suppress(ImportError):
        cv2: Any = importlib.import_module("cv2")
        with suppress(cv2.error):
            if has_display:
                cv2.namedWindow("ferjax", cv2.WINDOW_NORMAL)
                return cv2
    print("note: no display, or OpenCV without windows; rows are written", file=sys.stderr)
    return None


@contextmanager
def _table(out: Path | None, *, shown: bool) -> Iterator[Callable[[str], object] | None]:
    """Yields a function that writes lines of the table at once, so that a kill loses none.

    Without `out` the lines go to standard output; if frames are shown (`shown`), it yields None
    instead. The file is created with its first line: a missing camera leaves no file.
    """
    if out is None:
        yield None if shown else _print
        return
    with ExitStack() as stack:
        file: TextIO | None = None

        def write(text: str) -> None:
            nonlocal file
            try:
                if file is None:
                    file = stack.enter_context(out.open("x", encoding="utf-8", newline=""))
                file.write(text)
                file.flush()
            except OSError as error:
                raise UserError(f"--out={out} cannot be written: {error.strerror}.") from None

        yield write


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
