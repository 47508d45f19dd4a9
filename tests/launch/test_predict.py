"""`launch.predict` as its user meets it."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS


def test_a_table_is_written_once(
    tiny_run: Path,
    tmp_path: Path,
    commands: Callable[..., list[tuple[int, str, str]]],
) -> None:
    (tmp_path / "faces" / "more").mkdir(parents=True)
    faces = render_faces(np.arange(4), np.arange(4), size=48)
    for name, face in zip(("b.png", "a.png", "more/c.jpg", "d.bmp"), faces, strict=True):
        Image.fromarray(face).save(tmp_path / "faces" / name)
    given = (f"--workdir={tiny_run}", "--batch_size=4", "--out=p.csv", "faces")
    done, refused = commands("predict", given, (*given[:-1], "faces/more"))
    assert done[0] == 0, done
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "emotion", *EMOTIONS[:7]]
    assert [row[0] for row in rows] == [
        "faces/a.png",
        "faces/b.png",
        "faces/d.bmp",
        "faces/more/c.jpg",
    ]
    for row in rows:
        numbers = [float(cell) for cell in row[2:]]
        assert row[1] == EMOTIONS[int(np.argmax(numbers))]
        assert sum(numbers) == pytest.approx(1, abs=1e-5)
    # The second command would have left one row.
    assert refused[0] == 1
    assert "--out=p.csv exists already" in refused[2]
