"""Writes one page about a table of predictions, as a single HTML file that opens offline."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferjax.report.figures.style import class_colours
from ferjax.report.html.embedded_pictures import embedded_picture, embedded_pixels
from ferjax.report.html.page_templates import render_page
from ferjax.runtime.atomic_files import write_atomically

# Number of faces shown for each emotion, number of the least certain faces shown, and the side of a
# face in pixels.
_MOST, _LEAST, _SIDE = 8, 16, 72
# A face is least certain only if its most probable emotion has a lower probability.
_CERTAIN = 0.7


@dataclass(frozen=True)
class Named:
    """A face with its probabilities, which may be shown as an example.

    Attributes:
      where: its row in the table, as a tuple; the first part is the picture or frame.
      probabilities: of the emotions.
      caption: text below it, beside the probability.
      example: whether it may be shown as an example; it is counted in any case.
    """

    where: tuple[Any, ...]
    probabilities: tuple[float, ...]
    caption: str
    example: bool = True


# (rank as an example, minus its position in the table, face): larger tuples are kept.
_Entry = tuple[float, int, Named]


@dataclass(frozen=True)
class Chosen:
    """Counts and examples of a table, for its page.

    Attributes:
      counts: number of an emotion → number of faces whose most probable emotion it is.
      means: float [K], mean probabilities.
      total: number of faces.
      most: number of an emotion → the faces that show it most clearly, by falling probability.
      least: the faces with the lowest largest probability, by rising probability.
    """

    counts: Mapping[int, int]
    means: np.ndarray
    total: int
    most: Mapping[int, list[Named]]
    least: list[Named]


def choose_examples(faces: Iterable[Named]) -> Chosen:
    """Returns counts and examples of a table; memory does not grow with its length."""
    counts: Counter[int] = Counter()
    sums: np.ndarray | float = 0.0
    most: dict[int, list[_Entry]] = {}
    least: list[_Entry] = []
    total = 0
    for number, face in enumerate(faces):
        emotion = int(np.argmax(face.probabilities))
        confidence = face.probabilities[emotion]
        counts[emotion] += 1
        sums = sums + np.array(face.probabilities)
        total += 1
        if not face.example:
            continue
        # Of equal probabilities the first face is kept: the number makes every entry different.
        _keep(most.setdefault(emotion, []), (confidence, -number, face), _MOST)
        _keep(least, (-confidence, -number, face), _LEAST)
    return Chosen(
        counts,
        np.asarray(sums / max(total, 1)),
        total,
        {k: [face for _, _, face in sorted(kept, reverse=True)] for k, kept in most.items()},
        [face for _, _, face in sorted(least, reverse=True)],
    )


def places_of_examples(chosen: Chosen) -> dict[Any, list[Any]]:
    """Returns picture or frame → `Named.where` of each example in it, whose pixels are needed."""
    places: dict[Any, list[Any]] = {}
    for face in [*chosen.least, *(face for faces in chosen.most.values() for face in faces)]:
        places.setdefault(face.where[0], []).append(face.where)
    return places


def _keep(heap: list[_Entry], item: _Entry, count: int) -> None:
    """Adds an item to a heap that keeps its `count` largest items."""
    if len(heap) < count:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)


def write_summary(
    path: Path,
    title: str,
    facts: Mapping[str, str],
    chosen: Chosen,
    classes: Sequence[str],
    pictures: Mapping[Any, np.ndarray],
    figures: Sequence[tuple[str, Path]] = (),
) -> None:
    """Writes the summary page.

    Args:
      path: the HTML file.
      title: title of the page.
      facts: name → value, such as numbers of inputs.
      chosen: from `choose_examples`.
      classes: names of the emotions.
      pictures: `Named.where` → the face's `thumbnail`; faces without one are left out.
      figures: (heading, PNG file) of each figure, which is shown whole.

    Raises:
      UserError: the file cannot be written.
    """
    order = [k for k in _by_count(chosen, len(classes)) if k in chosen.most]
    uncertain = [face for face in chosen.least if max(face.probabilities) < _CERTAIN]
    page = render_page(
        "predictions.html",
        title=title,
        facts=facts,
        shares=_shares(chosen, classes),
        figures=[(heading, embedded_picture(file)) for heading, file in figures],
        most=[
            (classes[k], _faces(chosen.most[k], pictures, lambda face, k=k: face.probabilities[k]))
            for k in order
        ],
        least=_faces(uncertain, pictures, lambda face: max(face.probabilities)),
        certain=f"{100 * _CERTAIN:.0f}",
    )
    write_atomically(path, page + "\n")


def _shares(chosen: Chosen, classes: Sequence[str]) -> list[dict[str, str]]:
    """Returns for each emotion the number of faces that show it, and the mean probability."""
    colours = class_colours(classes)
    return [
        {
            "emotion": classes[k],
            "count": f"{chosen.counts.get(k, 0):,}",
            "percent": f"{100 * chosen.counts.get(k, 0) / max(chosen.total, 1):.1f}",
            "mean": f"{100 * float(chosen.means[k]) if chosen.total else 0.0:.1f}",
            "colour": colours[classes[k]],
        }
        for k in _by_count(chosen, len(classes))
    ]


def _by_count(chosen: Chosen, classes: int) -> list[int]:
    """Returns the emotions by falling number of faces; ties keep the order of the network."""
    return sorted(range(classes), key=lambda k: -chosen.counts.get(k, 0))


def _faces(
    faces: Sequence[Named], pictures: Mapping[Any, np.ndarray], value: Callable[[Named], float]
) -> list[dict[str, str]]:
    """Returns picture, caption and probability of each face that has a picture."""
    return [
        {
            "picture": embedded_pixels(pictures[face.where], "JPEG"),
            "caption": face.caption,
            "percent": f"{100 * value(face):.0f}",
        }
        for face in faces
        if face.where in pictures
    ]


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Returns a copy uint8 [h, w, C] of a picture, as small as a page needs it."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((2 * _SIDE, 2 * _SIDE))
    return np.array(image).reshape(image.height, image.width, pixels.shape[-1])
