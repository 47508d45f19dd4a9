"""Predictions of files: what counts as an image, and a table that is complete or not there."""

import contextlib
import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.errors import UserError
from ferjax.predict import Predictor, load_predictor, predict_files, write_predictions
from ferjax.predict.prediction_table import Row, left_out, open_table, predict_readable_files, table

FACES = render_faces(np.arange(11) % 7, np.arange(11) + 500, size=48)


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> Predictor:
    return load_predictor(tiny_run, batch_size=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder of four pictures, one of them grey, one in a folder below."""
    (tmp_path / "faces" / "more").mkdir(parents=True)
    names = ("b.png", "a.png", "more/c.jpg", "d.bmp")
    for name, face in zip(names, FACES, strict=False):
        Image.fromarray(face).convert("L" if name == "d.bmp" else "RGB").save(
            tmp_path / "faces" / name
        )
    (tmp_path / "faces" / "notes.txt").write_text("not a picture")
    return tmp_path / "faces"


def test_files_and_folders(predictor: Predictor, folder: Path) -> None:
    rows = predict_files(predictor, [folder, folder / "b.png"])
    names = [Path(file).relative_to(folder).as_posix() for file, _ in rows]
    assert names == ["a.png", "b.png", "d.bmp", "more/c.jpg", "b.png"]
    # Computed in a batch of four here, alone there.
    np.testing.assert_allclose(rows[1][1], predictor(FACES[:1])[0], atol=1e-6)
    np.testing.assert_array_equal(rows[1][1], rows[-1][1])


@pytest.mark.parametrize("name", ["gone.png", "notes.txt", "empty"])
def test_files_that_are_no_images_are_named(
    name: str, predictor: Predictor, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    path = tmp_path / "empty" if name == "empty" else folder / name
    with pytest.raises(UserError, match=name):
        predict_files(predictor, [folder / "a.png", path])


def test_csv_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    rows: list[Row] = [("odd, name.png", np.array([0.25, 0.75], np.float32))]
    write_predictions(rows, ("anger", "fear"), out)
    assert out.read_text("utf-8").splitlines() == [
        "file,emotion,anger,fear",
        '"odd, name.png",fear,0.250000,0.750000',
    ]
    for path, words in ((out, "exists already"), (tmp_path / "no" / "p.csv", "cannot be written")):
        with pytest.raises(UserError, match=words):
            write_predictions([], ("anger",), path)
    assert "odd, name.png" in out.read_text("utf-8")


def test_what_counts_as_an_image(predictor: Predictor, folder: Path) -> None:
    """As for the readers: suffixes of all formats, none at all, and nothing that is hidden."""
    face = Image.fromarray(FACES[0])
    for name, kind in (("e.jfif", "JPEG"), ("f.GIF", "GIF"), ("g", "PNG")):
        face.save(folder / name, kind)
    (folder / ".hidden").mkdir()
    for name in ("._a.png", ".hidden/h.png", "Thumbs.db"):
        face.save(folder / name, "PNG")
    (folder / "LICENSE").write_text("no image either")
    rows = predict_files(predictor, [folder])
    names = [Path(file).relative_to(folder).as_posix() for file, _ in rows]
    assert names == ["a.png", "b.png", "d.bmp", "e.jfif", "f.GIF", "g", "more/c.jpg"]
    assert left_out(rows, [folder]) == [
        f"{folder}: files that are no images: 2, first LICENSE",
    ]


def test_a_bad_image_loses_only_its_own_row(predictor: Predictor, folder: Path) -> None:
    whole = dict(predict_files(predictor, [folder]))
    (folder / "a2.png").write_bytes((folder / "a.png").read_bytes()[:60])
    (folder / "empty.jpg").touch()
    rows = predict_readable_files(predictor, [folder])
    assert len(rows) == 6
    lines = table(rows, predictor.classes).splitlines()
    for (file, row), line in zip(rows, lines[1:], strict=True):
        if Path(file).name in ("a2.png", "empty.jpg"):
            assert isinstance(row, UserError)
            assert line == file + "," * 8
        else:
            np.testing.assert_allclose(row, whole[file], atol=1e-6)
    first, second, third = left_out(rows, [folder])
    assert first.startswith(f"{folder / 'a2.png'}: cannot be read as an image")
    assert "empty.jpg: the file is empty" in second
    assert third == f"{folder}: files that are no images: 1, first notes.txt"
    with pytest.raises(UserError, match=r"a2\.png"):
        predict_files(predictor, [folder])
    with pytest.raises(UserError, match=r"none of the 2 images could be read; the first: .*a2"):
        predict_readable_files(predictor, [folder / "a2.png", folder / "empty.jpg"])


def test_the_table_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    with open_table(out) as write:
        assert [path.name for path in tmp_path.iterdir()] == [f".p.csv.{os.getpid()}.tmp"]
        write("a\n")
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]
    with contextlib.suppress(ZeroDivisionError), open_table(tmp_path / "q.csv"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]
    out.unlink()
    out.symlink_to("nowhere")
    with pytest.raises(UserError, match="exists already"), open_table(out):
        raise AssertionError("the work has begun")


def test_odd_names_come_back(tmp_path: Path) -> None:
    names = [os.fsdecode(b"caf\xe9.png"), "two\nlines.png", 'a "b", c.png', "\u6f22.png"]
    rows: list[Row] = [(name, np.array([0.25, 0.75], np.float32)) for name in names]
    write_predictions(rows, ("anger", "fear"), tmp_path / "p.csv")
    with open(tmp_path / "p.csv", newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert [row[0] for row in csv.reader(file)] == ["file", *names]


def test_rows_of_a_pixel_csv_are_images(predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    """A broken row loses only itself; labels, even wrong ones, are not read."""
    grey = FACES[:5, :, :, :1]
    texts = [" ".join(map(str, face.ravel())) for face in grey]
    lines = ["emotion,pixels,Usage", *(f"?,{text},any" for text in texts)]
    path = tmp_path / "Faces.CSV"
    path.write_text("\n".join(lines))
    rows = predict_files(predictor, [path, folder / "a.png"])
    assert [name for name, _ in rows] == [
        *(f"{path}:{row}" for row in range(1, 6)),
        str(folder / "a.png"),
    ]
    np.testing.assert_allclose([row for _, row in rows[:5]], predictor(grey), atol=1e-6)
    path.write_text("\n".join([*lines[:2], "0,1 2 3,", *lines[2:]]))
    found = predict_readable_files(predictor, [path])
    assert [isinstance(row, UserError) for _, row in found] == [False, True, *[False] * 4]
    np.testing.assert_array_equal(found[2][1], rows[1][1])
    with pytest.raises(UserError, match=r"Faces.CSV: row 2 \(line 3\): 3 values in pixels"):
        predict_files(predictor, [path])


@pytest.mark.parametrize(
    ("text", "words"),
    [("path,label\na.png,sad\n", "expected pixels"), ("emotion,pixels\n", "a header and no rows")],
)
def test_a_csv_without_faces_is_refused(
    text: str, words: str, predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        predict_files(predictor, [tmp_path / "list.csv"])
