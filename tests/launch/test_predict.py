"""`launch.predict` as its user meets it."""

import csv
import os
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
    box = ["face", "left", "top", "width", "height", "score"]
    assert header[:11] == ["file", "status", "emotion", "confidence", *EMOTIONS[:7]]
    assert header[11:17] == box
    assert [row[0] for row in rows] == [
        "faces/a.png",
        "faces/b.png",
        "faces/d.bmp",
        "faces/more/c.jpg",
    ]
    for row in rows:
        numbers = [float(cell) for cell in row[4:11]]
        assert row[2] == EMOTIONS[int(np.argmax(numbers))]
        assert sum(numbers) == pytest.approx(1, abs=1e-5)
    # The second command would have left one row.
    assert refused[0] == 1
    assert "--out=p.csv exists already" in refused[2]


def test_one_bad_image_costs_one_row(
    tiny_run: Path, tmp_path: Path, commands: Callable[..., list[tuple[int, str, str]]]
) -> None:
    face = Image.fromarray(render_faces(np.arange(1), np.arange(1), size=48)[0])
    (tmp_path / "faces").mkdir()
    face.save(tmp_path / "faces" / "good.png")
    (tmp_path / "faces" / "cut.png").write_bytes(b"\x89PNG")
    (tmp_path / "taken.csv").touch()
    given = (f"--workdir={tiny_run}", "--batch_size=1")
    printed, written, taken, lost = commands(
        "predict",
        (*given, "faces"),
        (*given, "--out=p.csv", "faces"),
        # Refused before the work, of which there is none here: no such run, no such images.
        ("--workdir=nowhere", "--out=taken.csv", "faces"),
        (*given, "--out=q.csv", "gone.png"),
    )
    for status, _, errors in (printed, written):
        assert status == 0
        assert errors.startswith("warning: faces/cut.png: cannot be read as an image")
    text = (tmp_path / "p.csv").read_bytes().decode()
    assert printed[1] == text
    assert "2 inputs; 1 rows with emotions" in written[1]
    assert text.splitlines()[1].startswith("faces/cut.png,unreadable,,")
    assert text.splitlines()[2].startswith("faces/good.png,read,")
    assert "--out=taken.csv exists already" in taken[2]
    assert lost[0] == 1
    # Nothing is left that would block the next run.
    assert sorted(os.listdir(tmp_path)) == ["faces", "p.csv", "taken.csv"]


def test_without_a_run_the_shipped_recogniser_answers(
    tiny_run: Path, tmp_path: Path, commands: Callable[..., list[tuple[int, str, str]]]
) -> None:
    face = Image.fromarray(render_faces(np.arange(1), np.arange(1), size=48)[0])
    face.save(tmp_path / "face.png")
    plain, sets, both, views, run, near, last = commands(
        "predict",
        ("face.png",),
        ("--weights=fernet-ferplus", "--sets=0.9", "face.png"),
        ("--weights=fernet-ferplus", f"--workdir={tiny_run}", "face.png"),
        ("--sets=0.9", "--tta=flip", "face.png"),
        (f"--workdir={tiny_run}", "--sets=0.9", "face.png"),
        ("--weights=fernet-ferpls", "face.png"),
        ("--checkpoint=last", "face.png"),
    )
    header, row = csv.reader(plain[1].splitlines())
    assert header[:12] == ["file", "status", "emotion", "confidence", *EMOTIONS]
    header, with_set = csv.reader(sets[1].splitlines())
    assert header[12] == "set"
    assert with_set[:12] == row[:12]
    assert with_set[12].split()[0] == row[2]
    for answer, words in (
        (both, "two networks"),
        (views, "the calibration is that of single views"),
        (run, "a run directory holds no calibration"),
        (near, "Did you mean 'fernet-ferplus'?"),
        (last, "--checkpoint=last: fernet-ferplus holds one set of parameters"),
    ):
        assert answer[0] == 1
        assert words in answer[2]


def test_nothing_is_written_outside_out_and_the_caches(
    tiny_run: Path, tmp_path: Path, commands: Callable[..., list[tuple[int, str, str]]]
) -> None:
    """Neither beside the pictures nor in the run, the home folder or the temporary one.

    The caches are those of ferjax, JAX and matplotlib.
    """
    own = {name: tmp_path / name for name in ("home", "temporary", "cache", "out", "faces")}
    for folder in own.values():
        folder.mkdir()
    faces = render_faces(np.arange(2), np.arange(2), size=48)
    for number, face in enumerate(faces):
        Image.fromarray(face).save(own["faces"] / f"{number}.png")

    def files() -> set[str]:
        found = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
        return {str(path) for path in found if path.parts[:1] != ("cache",)}

    before, of_run = files(), {p: p.stat().st_mtime_ns for p in tiny_run.rglob("*")}
    (done,) = commands(
        "predict",
        (f"--workdir={tiny_run}", "--out=out/p.csv", "faces"),
        HOME=str(own["home"]),
        TMPDIR=str(own["temporary"]),
        FERJAX_CACHE=str(own["cache"]),
        JAX_COMPILATION_CACHE_DIR=str(own["cache"] / "compiled"),
        MPLCONFIGDIR=str(own["cache"] / "matplotlib"),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert done[0] == 0, done
    assert files() - before == {"out/p.csv"}
    assert {p: p.stat().st_mtime_ns for p in tiny_run.rglob("*")} == of_run
