"""One page about a table of predictions, as a single HTML file that opens offline."""

import base64
import heapq
import html
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferjax.report.figures.style import class_colours
from ferjax.runtime.atomic_files import write_atomically

# Faces that are shown of each emotion, and of the least certain ones; their side in pixels.
_MOST, _LEAST, _SIDE = 8, 16, 72
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#202124;max-width:60em;margin:2em auto;padding:0 1em}
h1{font-size:1.5em;margin-bottom:.2em}h2{font-size:1.1em;margin:1.8em 0 .6em}
table{border-collapse:collapse}td,th{padding:.15em .8em .15em 0;text-align:left;font-weight:400}
th{color:#5f6368}td.n{text-align:right;font-variant-numeric:tabular-nums}
.bar{display:inline-block;height:.9em;min-width:1px;vertical-align:-1px}
.faces{display:flex;flex-wrap:wrap;gap:.5em}figure{margin:0;width:72px}
figure img{width:72px;height:72px;object-fit:cover;display:block}
figcaption{font-size:11px;color:#5f6368;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
img.wide{width:100%}p.note{color:#5f6368;max-width:46em}
"""


@dataclass(frozen=True)
class Named:
    """A face with its probabilities, that may be shown.

    Attributes:
      where: the row that it is about: a tuple, whose first part is the picture or frame.
      probabilities: of the emotions.
      caption: what is written below it, besides the probability.
      example: whether it may be shown; it is counted all the same.
    """

    where: tuple[Any, ...]
    probabilities: tuple[float, ...]
    caption: str
    example: bool = True


# A face by how much it is wanted, and by its place in the table.
_Entry = tuple[float, int, Named]


@dataclass(frozen=True)
class Chosen:
    """What a pass over a table finds for its page.

    Attributes:
      counts: faces with each emotion as the most probable one, by its number.
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
        best = int(np.argmax(face.probabilities))
        confidence = face.probabilities[best]
        counts[best] += 1
        sums = sums + np.array(face.probabilities)
        total += 1
        if not face.example:
            continue
        # Of equals the first is kept: the number makes every entry different.
        _keep(most.setdefault(best, []), (confidence, -number, face), _MOST)
        _keep(least, (-confidence, -number, face), _LEAST)
    return Chosen(
        counts,
        np.asarray(sums / max(total, 1)),
        total,
        {k: [face for _, _, face in sorted(kept, reverse=True)] for k, kept in most.items()},
        [face for _, _, face in sorted(least, reverse=True)],
    )


def places_of_examples(chosen: Chosen) -> dict[Any, list[Any]]:
    """Returns first part of `Named.where` → the places of its examples, whose pictures are read."""
    places: dict[Any, list[Any]] = {}
    for face in [*chosen.least, *(face for faces in chosen.most.values() for face in faces)]:
        places.setdefault(face.where[0], []).append(face.where)
    return places


def _keep(heap: list[_Entry], item: _Entry, count: int) -> None:
    (heapq.heappush if len(heap) < count else heapq.heappushpop)(heap, item)


def write_summary(
    path: Path,
    title: str,
    facts: Mapping[str, str],
    chosen: Chosen,
    classes: Sequence[str],
    pictures: Mapping[Any, np.ndarray],
    figures: Sequence[tuple[str, Path]] = (),
) -> None:
    """Writes the page.

    Args:
      path: the HTML file.
      title: of the page.
      facts: name → value, such as numbers of inputs.
      chosen: from `choose_examples`.
      classes: names of the emotions.
      pictures: `Named.where` → the face's `thumbnail`; faces without one are left out.
      figures: headings and PNG files that are shown whole.

    Raises:
      UserError: the file cannot be written.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", _table(facts), "<h2>Emotions</h2>"]
    parts.append(_shares(chosen, classes))
    for heading, file in figures:
        data = base64.b64encode(file.read_bytes()).decode()
        alt = html.escape(heading)
        parts.append(f'<h2>{alt}</h2><img class="wide" alt="{alt}" src="data:image/png;base64,')
        parts[-1] += f'{data}">'
    for k, faces in sorted(chosen.most.items(), key=lambda item: -chosen.counts[item[0]]):
        shown = _faces(faces, pictures, lambda face, k=k: face.probabilities[k])
        parts.append(f"<h2>Most clearly {html.escape(classes[k])}</h2>{shown}")
    shown = _faces(chosen.least, pictures, lambda face: max(face.probabilities))
    parts.append(f"<h2>Least certain</h2>{shown}")
    parts.append(
        '<p class="note">An emotion here is what people would name in the picture, not what'
        " somebody feels. In the European Union it is prohibited to infer emotions at work and in"
        " education, but for medical and safety reasons, and elsewhere people must be told"
        " (Regulation 2024/1689, Articles 5 and 50).</p>"
    )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style>{''.join(parts)}</html>\n"
    )
    write_atomically(path, page)


def _table(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table>{rows}</table>"


def _shares(chosen: Chosen, classes: Sequence[str]) -> str:
    """Returns a table with a bar for each emotion: how many faces, and the mean probability."""
    colours, rows = class_colours(classes), ""
    for k in sorted(range(len(classes)), key=lambda k: -chosen.counts.get(k, 0)):
        count = chosen.counts.get(k, 0)
        share = 100 * count / max(chosen.total, 1)
        mean = 100 * float(chosen.means[k]) if chosen.total else 0.0
        bar = f'<span class="bar" style="width:{3 * share:.1f}px;background:{colours[classes[k]]}">'
        rows += (
            f'<tr><th>{html.escape(classes[k])}</th><td class="n">{count:,}</td>'
            f'<td class="n">{share:.1f} %</td><td>{bar}</span></td>'
            f'<td class="n">{mean:.1f} %</td></tr>'
        )
    head = "<tr><th></th><th>faces</th><th>share</th><th></th><th>mean probability</th></tr>"
    return f"<table>{head}{rows}</table>"


def _faces(faces: Sequence[Named], pictures: Mapping[Any, np.ndarray], value: Any) -> str:
    shown = ""
    for face in faces:
        if face.where in pictures:
            caption = html.escape(face.caption)
            shown += (
                f'<figure><img alt="{caption}" src="data:image/jpeg;base64,'
                f'{_jpeg(pictures[face.where])}"><figcaption title="{caption}">'
                f"{100 * value(face):.0f} % {caption}</figcaption></figure>"
            )
    return f'<div class="faces">{shown}</div>'


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Returns a picture uint8 [h, w, C] as small as a page shows it; the large one may be freed."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((2 * _SIDE, 2 * _SIDE))
    return np.array(image).reshape(image.height, image.width, pixels.shape[-1])


def _jpeg(pixels: np.ndarray) -> str:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return base64.b64encode(file.getvalue()).decode()
