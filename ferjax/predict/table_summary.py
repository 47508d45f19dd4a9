"""Writes the page about a table of pictures: numbers, shares of the emotions, examples."""

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
      rows: the rows of the table.
      inputs: the inputs of the table.
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
    places = places_of_examples(chosen)
    example_inputs = [each for each in inputs if each.name in places]
    pictures = {}
    for example, image in zip(example_inputs, read_inputs(example_inputs), strict=True):
        if isinstance(image, np.ndarray):
            for place in places[example.name]:
                box = place[2]
                pictures[place] = thumbnail(cut(image, Box(*box)) if box else image)
    numbers = {
        "inputs": len(inputs),
        "faces found in pictures": faces,
        "pictures taken for a whole face": counts.get(READ, 0) - faces,
        **{status: count for status, count in counts.items() if status != READ},
    }
    facts = {name: f"{number:,}" for name, number in numbers.items()}
    write_summary(page, f"Emotions in {facts['inputs']} inputs", facts, chosen, classes, pictures)
