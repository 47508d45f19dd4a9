"""The page about a table of pictures: numbers, shares of the emotions, examples."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ferjax.errors import printable
from ferjax.faces.crop_face import cut
from ferjax.faces.face import Box
from ferjax.predict.decode_ahead import read_inputs
from ferjax.predict.inputs import Input
from ferjax.predict.rows import READ, Row
from ferjax.predict.summary_page import (
    Named,
    choose_examples,
    places_of_examples,
    thumbnail,
    write_summary,
)


def write_table_summary(
    page: Path,
    rows: Iterable[Row],
    inputs: Sequence[Input],
    counts: Mapping[str, int],
    faces: int,
    classes: Sequence[str],
) -> None:
    """Writes the page; the pictures that it shows are read again.

    Args:
      page: the HTML file.
      rows: of the table.
      inputs: that the table is about.
      counts: status → number of rows.
      faces: number of rows that are about a face found in a picture.
      classes: names of the emotions.

    Raises:
      UserError: the page cannot be written.
    """
    chosen = choose_examples(
        Named((row.file, row.face, row.box), row.probabilities, printable(Path(row.file).name))
        for row in rows
        if row.status == READ
    )
    shown = places_of_examples(chosen)
    wanted = [each for each in inputs if each.name in shown]
    pictures = {}
    for each, image in zip(wanted, read_inputs(wanted), strict=True):
        if isinstance(image, np.ndarray):
            for where in shown[each.name]:
                pictures[where] = thumbnail(cut(image, Box(*where[2])) if where[2] else image)
    numbers = {
        "inputs": len(inputs),
        "faces found in pictures": faces,
        "pictures taken for a whole face": counts.get(READ, 0) - faces,
        **{status: count for status, count in counts.items() if status != READ},
    }
    facts = {name: f"{number:,}" for name, number in numbers.items()}
    write_summary(page, f"Emotions in {facts['inputs']} inputs", facts, chosen, classes, pictures)
