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
    """Writes the page about a video; reads the video again for the frames on the page.

    Args:
      page: the HTML file.
      video: the video.
      rows: rows of the video's table.
      classes: names of the emotions.
      frames: number of frames, and number of searched frames without a face.
      timeline: the image file of the timeline.

    Raises:
      UserError: the page cannot be written.
    """
    examples = choose_examples(_faces(rows))
    places_by_frame = places_of_examples(examples)
    pictures = {}
    for frame in islice(read_frames(video), max(places_by_frame, default=-1) + 1):
        for place in places_by_frame.get(frame.number, ()):
            pictures[place] = thumbnail(cut(frame.image, Box(*place[1])))
    facts = {
        "frames": f"{frames[0]:,}",
        "searched frames without a face": f"{frames[1]:,}",
        "faces": f"{examples.total:,}",
    }
    figures = [("Over time", timeline)]
    write_summary(page, video.name, facts, examples, classes, pictures, figures)


def _faces(rows: Iterable[FrameRow]) -> Iterator[Named]:
    """Yields the faces of a video; each person's first face in a second may be an example."""
    example_seconds: dict[int, int] = {}
    for row in rows:
        if row.person is not None:
            second, caption = int(row.seconds), f"{row.seconds:.1f} s, person {row.person}"
            example = example_seconds.get(row.person) != second
            example_seconds[row.person] = second
            yield Named((row.frame, row.box), row.probabilities, caption, example)
