"""The page about a video: numbers, the timeline, and examples of each emotion."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ferjax.faces.crop_face import cut
from ferjax.faces.face import Box
from ferjax.live.video_frames import read_frames
from ferjax.live.video_table import FrameRow
from ferjax.predict.summary_page import (
    Named,
    choose_examples,
    places_of_examples,
    thumbnail,
    write_summary,
)


def write_video_summary(
    page: Path,
    video: Path,
    rows: Iterable[FrameRow],
    classes: tuple[str, ...],
    frames: tuple[int, int],
    timeline: Path,
) -> None:
    """Writes the page about a video; the frames that it shows are read again.

    Args:
      page: the HTML file.
      video: the video.
      rows: of its table.
      classes: names of the emotions.
      frames: how many it has, and in how many of them faces were searched and none was found.
      timeline: the picture of the timeline.

    Raises:
      UserError: the page cannot be written.
    """
    chosen = choose_examples(_faces(rows))
    shown = places_of_examples(chosen)
    pictures = {}
    for frame in islice(read_frames(video), max(shown, default=-1) + 1):
        for where in shown.get(frame.number, ()):
            pictures[where] = thumbnail(cut(frame.image, Box(*where[1])))
    facts = {
        "frames": f"{frames[0]:,}",
        "searched frames without a face": f"{frames[1]:,}",
        "faces": f"{chosen.total:,}",
    }
    figures = [("Over time", timeline)]
    write_summary(page, video.name, facts, chosen, classes, pictures, figures)


def _faces(rows: Iterable[FrameRow]) -> Iterator[Named]:
    """Yields the faces of a video; the first one of a person in each second may be an example."""
    newest: dict[int, int] = {}
    for row in rows:
        if row.person is not None:
            second, caption = int(row.seconds), f"{row.seconds:.1f} s, person {row.person}"
            example = newest.get(row.person) != second
            newest[row.person] = second
            yield Named((row.frame, row.box), row.probabilities, caption, example)
