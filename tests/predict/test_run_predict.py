"""`launch.predict` in one process: a row for every input, and tables that survive a kill."""

import csv
import dataclasses
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.config.predict_and_export import PredictConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.errors import UserError
from ferjax.faces import detectors
from ferjax.faces.face import Box, Face
from ferjax.predict import (
    Predictor,
    PredictSettings,
    load_predictor,
    predict_inputs,
    run_predict,
)
from ferjax.predict.decode_ahead import read_inputs
from ferjax.predict.inputs import list_inputs
from ferjax.predict.journal import journal_path

FACES = render_faces(np.arange(11) % 7, np.arange(11) + 500, size=48)


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> Predictor:
    return load_predictor(tiny_run, batch_size=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder of ten inputs: seven faces, one cut off, one hidden, one of text."""
    root = tmp_path / "faces"
    root.mkdir()
    for number, face in enumerate(FACES[:7]):
        Image.fromarray(face).save(root / f"{number}.png")
    (root / "7.png").write_bytes((root / "0.png").read_bytes()[:60])
    Image.fromarray(FACES[0]).save(root / "._0.png")
    (root / "notes.txt").write_text("no image")
    return root


def predict(run: Path, *words: object, **given: Any) -> str:
    config = PredictConfig(workdir=(str(run),), batch_size=4, progress=False, **given)
    return run_predict.run_predict(config, [str(word) for word in words])


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_a_row_for_every_input(
    tiny_run: Path, predictor: Predictor, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.parent / "p.csv"
    done = predict(tiny_run, folder, out=str(out))
    rows = table(out)
    assert [(Path(row["file"]).name, row["status"]) for row in rows] == [
        *((f"{k}.png", "read") for k in range(7)),
        ("7.png", "unreadable"),
        ("._0.png", "hidden"),
        ("notes.txt", "no image"),
    ]
    probabilities = np.array([[float(row[name]) for name in predictor.classes] for row in rows[:7]])
    np.testing.assert_allclose(probabilities, predictor(FACES[:7]), atol=1e-6)
    for row, values in zip(rows[:7], probabilities, strict=True):
        assert row["emotion"] == predictor.classes[values.argmax()]
        assert float(row["confidence"]) == values.max()
    assert "cannot be read as an image" in rows[7]["reason"]
    assert rows[7]["emotion"] == rows[7]["anger"] == ""
    assert "7.png: cannot be read as an image" in capsys.readouterr().err
    assert "10 inputs; 7 rows with emotions" in done
    assert sorted(os.listdir(folder.parent)) == ["faces", "p.csv"]
    with pytest.raises(UserError, match=r"p\.csv exists already"):
        predict(tiny_run, folder, out=str(out))
    with pytest.raises(UserError, match=r"7\.png.*--on_bad_image=skip"):
        predict(tiny_run, folder, out=str(folder.parent / "q.csv"), on_bad_image="error")


def test_the_same_rows_in_every_format(tiny_run: Path, folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for suffix in ("csv", "jsonl", "parquet"):
        predict(tiny_run, folder, out=str(folder.parent / f"p.{suffix}"))
    rows = table(folder.parent / "p.csv")
    lines = [json.loads(line) for line in (folder.parent / "p.jsonl").read_text().splitlines()]
    columns = parquet.read_table(folder.parent / "p.parquet").to_pylist()
    for row, line, column in zip(rows, lines, columns, strict=True):
        assert {key: value for key, value in row.items() if value} == {
            key: f"{value:.6f}" if isinstance(value, float) else str(value)
            for key, value in line.items()
        }
        for key, value in line.items():
            assert column[key] == pytest.approx(value) if isinstance(value, float) else value
        assert all(column[key] is None for key in column.keys() - line.keys())
    with pytest.raises(UserError, match=r"p\.xlsx: a table's name ends in one of \.csv"):
        predict(tiny_run, folder, out="p.xlsx")


class Killed(BaseException):
    """What ends a command like a kill: nothing is cleaned up for it."""


def test_tables_of_parts_are_that_of_the_whole(tiny_run: Path, folder: Path) -> None:
    whole, parts = folder.parent / "whole.csv", []
    predict(tiny_run, folder, out=str(whole))
    for number in (1, 2, 3):
        out = folder.parent / f"{number}.csv"
        predict(tiny_run, folder, out=str(out), part=f"{number}/3")
        parts += table(out)
    named = table(whole)
    assert [row["file"] for row in parts] == [row["file"] for row in named]
    assert [row["emotion"] for row in parts] == [row["emotion"] for row in named]
    with pytest.raises(UserError, match=r"--out=.*9\.csv lies in a folder that is read"):
        predict(tiny_run, folder, out=str(folder / "9.csv"), part="1/3")
    with pytest.raises(UserError, match=r"--part=: expected K/N"):
        predict(tiny_run, folder, out=str(folder.parent / "9.csv"), part="")


@pytest.mark.parametrize("torn", [False, True])
def test_a_killed_command_goes_on_and_its_table_is_the_same(
    tiny_run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    monkeypatch.setattr(PredictSettings, "chunk", 2)
    whole, cut = folder.parent / "whole.csv", folder.parent / "cut.csv"
    predict(tiny_run, folder, out=str(whole))
    original = predict_inputs
    numbers: list[int] = []

    def killed(*arguments: Any) -> Any:
        for number, rows in enumerate(original(*arguments)):
            if number == 2 and not numbers:
                numbers.append(number)
                raise Killed
            yield rows

    monkeypatch.setattr(run_predict, "predict_inputs", killed)
    with pytest.raises(Killed):
        predict(tiny_run, folder, out=str(cut))
    assert not cut.exists()
    journal = journal_path(cut)
    if torn:
        journal.write_bytes(journal.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"cut\.csv\.partial holds the unfinished table of another"):
        predict(tiny_run, folder / "0.png", out=str(cut))
    predict(tiny_run, folder, out=str(cut))
    assert cut.read_bytes() == whole.read_bytes()
    assert not journal.exists()


def test_names_are_no_formulas_in_csv_and_a_killed_command_knows_them(
    tiny_run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PredictSettings, "chunk", 1)
    monkeypatch.chdir(folder)
    names = ["=SUM(A1).png", "@1.png", "0.png", "+2.png"]
    for name in names:
        Path(name).write_bytes(Path("1.png").read_bytes())
    original, counts = predict_inputs, Counter[str]()

    def killed(*arguments: Any) -> Any:
        counts["calls"] += 1
        for rows in original(*arguments):
            counts["chunks"] += 1
            yield rows
            if counts["calls"] == 1:
                raise Killed

    monkeypatch.setattr(run_predict, "predict_inputs", killed)
    out, lines = folder.parent / "p.csv", folder.parent / "p.jsonl"
    with pytest.raises(Killed):
        predict(tiny_run, *names, out=str(out))
    predict(tiny_run, *names, out=str(out))
    # The first row was kept: each input has been read once.
    assert counts["chunks"] == len(names)
    guarded = ["'=SUM(A1).png", "'@1.png", "0.png", "'+2.png"]
    assert [row["file"] for row in table(out)] == guarded
    predict(tiny_run, *names, out=str(lines))
    assert [json.loads(line)["file"] for line in lines.read_text().splitlines()] == names


def test_results_inside_a_folder_that_is_read(
    tiny_run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no inputs, also when a killed command is given again."""
    monkeypatch.setattr(run_predict, "_CHUNK_OF_PHOTOGRAPHS", 2)
    monkeypatch.chdir(folder)
    given = {"out": "p.csv", "annotate": "copies", "summary": "page.html"}
    with monkeypatch.context() as patch:
        patch.setattr(run_predict, "write_table", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            predict(tiny_run, ".", **given)
    (folder / ".p.csv.77.tmp").touch()
    predict(tiny_run, ".", **given)
    names = [row["file"] for row in table(folder / "p.csv")]
    assert names == [*(f"{k}.png" for k in range(8)), "._0.png", "notes.txt"]
    with pytest.raises(UserError, match=r"p\.csv is empty|one name for two results"):
        predict(tiny_run, ".", out="q.csv", annotate="q.csv")


def test_rows_of_a_csv_named_twice_and_shown_on_the_page(
    tiny_run: Path, predictor: Predictor, folder: Path
) -> None:
    grey, pixels = FACES[:9, :, :, :1], folder.parent / "f.csv"
    texts = [" ".join(map(str, face.ravel())) for face in grey]
    pixels.write_text("\n".join(["pixels", *texts]))
    out, page = folder.parent / "p.csv", folder.parent / "page.html"
    predict(tiny_run, pixels, pixels, folder / "6.png", out=str(out), summary=str(page))
    found = [[float(row[name]) for name in predictor.classes] for row in table(out)]
    np.testing.assert_allclose(found, predictor([*grey, *grey, FACES[6]]), atol=1e-6)
    # Rows far apart, read again for the page.
    wanted = [each for each in list_inputs([str(pixels)]) if each.row in (1, 5, 8)]
    for each, image in zip(wanted, read_inputs(wanted), strict=True):
        np.testing.assert_array_equal(image, grey[each.row])
    pixels.write_text("\n".join(["pixels", *texts[:6]]))
    lost = list(read_inputs(wanted))[-1]
    assert "f.csv:9: the file has lost this row" in str(lost)


def test_members_of_a_damaged_archive_are_unreadable(tiny_run: Path, folder: Path) -> None:
    archive, out = folder.parent / "a.zip", folder.parent / "p.csv"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(3):
            file.write(folder / f"{number}.png", f"{number}.png")
        middle = file.getinfo("1.png").header_offset + 60
    data = bytearray(archive.read_bytes())
    data[middle : middle + 40] = bytes(40)
    archive.write_bytes(data)
    predict(tiny_run, archive, out=str(out))
    assert [row["status"] for row in table(out)] == ["read", "unreadable", "read"]
    inputs = list_inputs([str(archive)])
    archive.unlink()
    assert all(isinstance(image, UserError) for image in read_inputs(inputs))


def test_a_journal_that_is_no_journal_is_left_alone(tiny_run: Path, folder: Path) -> None:
    out = folder.parent / "p.csv"
    journal_path(out).write_bytes(b"my notes, without an end of line")
    with pytest.raises(UserError, match=r"p\.csv\.partial holds the unfinished table"):
        predict(tiny_run, folder / "0.png", out=str(out))
    assert journal_path(out).read_bytes() == b"my notes, without an end of line"
    # One of a command that has done nothing yet gives way.
    journal_path(out).write_bytes(b'{"annotate": null, "inputs": "another"}\n')
    predict(tiny_run, folder / "0.png", out=str(out))
    assert len(table(out)) == 1


@pytest.fixture
def stopped_at_once(
    tiny_run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Returns a function (**given) → a table whose command was killed before its first chunk."""

    def killed(*_: Any) -> Any:
        raise Killed

    def stop(**given: Any) -> Path:
        out = folder.parent / "p.csv"
        with monkeypatch.context() as patch:
            patch.setattr(run_predict, "predict_inputs", killed)
            with pytest.raises(Killed):
                predict(tiny_run, folder, out=str(out), **given)
        assert journal_path(out).exists()
        return out

    return stop


def test_the_journal_of_another_command_excuses_no_results(
    tiny_run: Path, folder: Path, stopped_at_once: Callable[..., Path]
) -> None:
    out = stopped_at_once()
    page, before = folder.parent / "notes.html", (folder / "0.png").read_bytes()
    page.write_text("my notes")
    with pytest.raises(UserError, match=r"--summary=.*notes\.html exists already"):
        predict(tiny_run, folder, out=str(out), summary=str(page))
    with pytest.raises(UserError, match=r"--annotate=.*faces is not empty"):
        predict(tiny_run, folder, out=str(out), annotate=str(folder))
    assert page.read_text() == "my notes"
    assert (folder / "0.png").read_bytes() == before


@pytest.mark.parametrize("change", ["picture", "run"])
def test_a_command_on_other_content_does_not_go_on(
    tiny_run: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    monkeypatch.setattr(PredictSettings, "chunk", 2)
    out, original = folder.parent / "p.csv", predict_inputs

    def one_chunk(*arguments: Any) -> Any:
        yield next(original(*arguments))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run_predict, "predict_inputs", one_chunk)
        with pytest.raises(Killed):
            predict(tiny_run, folder, out=str(out))
    if change == "picture":
        Image.fromarray(255 - FACES[0]).save(folder / "0.png")
    else:
        load = run_predict.load_predictor

        def retrained(*given: Any) -> Predictor:
            return dataclasses.replace(load(*given), network="the same step, saved later")

        monkeypatch.setattr(run_predict, "load_predictor", retrained)
    with pytest.raises(UserError, match=r"of another command, or of other files or weights"):
        predict(tiny_run, folder, out=str(out))


def test_a_command_that_goes_on_refuses_the_unreadable_images_before_it(
    tiny_run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PredictSettings, "chunk", 8)
    out, original = folder.parent / "p.csv", predict_inputs

    def all_but_the_end(*arguments: Any) -> Any:
        yield from original(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run_predict, "predict_inputs", all_but_the_end)
        with pytest.raises(Killed):
            predict(tiny_run, folder, out=str(out))
    with pytest.raises(UserError, match=r"7\.png.*--on_bad_image=skip"):
        predict(tiny_run, folder, out=str(out), on_bad_image="error")


def test_flags_of_videos_are_refused(tiny_run: Path, folder: Path) -> None:
    for given in ({"every": 1}, {"smooth": 0.0}):
        with pytest.raises(UserError, match=r"only for videos, and no video is named"):
            predict(tiny_run, folder, **given)


def test_two_pictures_with_one_name_for_their_copies(tiny_run: Path, folder: Path) -> None:
    words = [folder / "0.png", folder / "0.png"]
    with pytest.raises(UserError, match=r"the copies of .*0\.png and .*0\.png would have one name"):
        predict(tiny_run, *words, annotate=str(folder.parent / "copies"))
    assert not (folder.parent / "copies").exists()


def test_archives_lists_and_csv_rows(tiny_run: Path, predictor: Predictor, folder: Path) -> None:
    archive, pixels = folder.parent / "a.zip", folder.parent / "Faces.CSV"
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(3):
            file.write(folder / f"{number}.png", f"in/{number}.png")
        file.writestr("in/bad.png", b"\x89PNG")
    grey = FACES[:3, :, :, :1]
    texts = [" ".join(map(str, face.ravel())) for face in grey]
    pixels.write_text("\n".join(["emotion,pixels", f"?,{texts[0]}", "0,1 2 3", f"?,{texts[2]}"]))
    out = folder.parent / "p.csv"
    predict(tiny_run, archive, pixels, folder / "6.png", out=str(out))
    rows = table(out)
    assert [row["file"] for row in rows] == [
        *(f"{archive}/in/{name}.png" for name in ("0", "1", "2", "bad")),
        *(f"{pixels}:{row}" for row in (1, 2, 3)),
        str(folder / "6.png"),
    ]
    read = [row["status"] == "read" for row in rows]
    assert read == [True, True, True, False, True, False, True, True]
    assert "row 2 (line 3): 3 values in pixels" in rows[5]["reason"]
    images = [*FACES[:3], grey[0], grey[2], FACES[6]]
    found = [[float(row[n]) for n in predictor.classes] for row in rows if row["status"] == "read"]
    np.testing.assert_allclose(found, predictor(images), atol=1e-6)


def test_names_that_are_not_unicode_come_back(tiny_run: Path, tmp_path: Path) -> None:
    names = [os.fsdecode(b"caf\xe9.png"), "two\nlines.png", 'a "b", c.png', "\u6f22.png"]
    for name in names:
        Image.fromarray(FACES[0]).save(tmp_path / name)
    out = tmp_path / "p.csv"
    predict(tiny_run, *(tmp_path / name for name in names), out=str(out))
    assert [row["file"] for row in table(out)] == [str(tmp_path / name) for name in names]


def test_faces_of_photographs(
    tiny_run: Path, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake detector finds what is drawn; small pictures are faces, unless all are searched."""
    boxes = [Box(10, 20, 60, 60), Box(200, 100, 48, 48)]
    marks = np.arange(10, dtype=np.float32).reshape(5, 2)

    def detect(image: np.ndarray) -> list[Face]:
        return [Face(boxes[0], 0.98765, marks), Face(boxes[1])] if image.max() else []

    made = detectors.FaceDetector(detect, lambda image, face: None)
    monkeypatch.setitem(detectors.DETECTORS, "mtcnn", lambda smallest: made)
    scene = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    Image.fromarray(scene).save(tmp_path / "scene.png")
    Image.fromarray(np.zeros_like(scene)).save(tmp_path / "empty.png")
    Image.fromarray(FACES[0]).save(tmp_path / "small.png")
    words = [tmp_path / name for name in ("scene.png", "empty.png", "small.png")]
    out = tmp_path / "p.csv"
    page = tmp_path / "page.html"
    predict(tiny_run, *words, out=str(out), annotate=str(tmp_path / "copies"), summary=str(page))
    text = page.read_text("utf-8")
    # Three faces, each an example of its emotion and among the least certain.
    assert text.count("<figure>") == 6
    assert "<th>no face</th><td>1</td>" in text
    assert "<th>faces found in pictures</th><td>2</td>" in text
    assert "<th>pictures taken for a whole face</th><td>1</td>" in text
    assert 'src="http' not in text
    rows = table(out)
    assert [(row["status"], row["face"], row["left"]) for row in rows] == [
        ("read", "0", "10"),
        ("read", "1", "200"),
        ("no face", "", ""),
        ("read", "", ""),
    ]
    assert (rows[0]["score"], rows[0]["left_eye_y"], rows[0]["right_mouth_x"]) == (
        *("0.9877", "1.0", "8.0"),
    )
    assert rows[1]["score"] == rows[1]["left_eye_x"] == ""
    crops = [scene[20:80, 10:70], scene[100:148, 200:248], FACES[0]]
    found = [[float(row[n]) for n in predictor.classes] for row in rows if row["emotion"]]
    np.testing.assert_allclose(found, predictor(crops), atol=1e-6)
    copies = sorted(path.name for path in (tmp_path / "copies").rglob("*.png"))
    assert copies == ["empty.png", "scene.png", "small.png"]
    (copy,) = (tmp_path / "copies").rglob("scene.png")
    drawn = np.asarray(Image.open(copy))
    assert (drawn[20, 10:70] == [255, 214, 10]).all()
    assert (drawn[190:] == scene[190:]).all()
    with pytest.raises(UserError, match=r"copies is not empty"):
        predict(tiny_run, *words, annotate=str(tmp_path / "copies"))
    predict(tiny_run, words[2], out=str(tmp_path / "q.csv"), faces="crop")
    # The second box lies outside this picture.
    assert [row["face"] for row in table(tmp_path / "q.csv")] == ["0"]
    predict(tiny_run, words[0], out=str(tmp_path / "r.csv"), faces="whole")
    assert "face" not in table(tmp_path / "r.csv")[0]


def test_several_networks_are_averaged(tiny_run: Path, predictor: Predictor, folder: Path) -> None:
    def backwards(images: np.ndarray) -> Any:
        return predictor.probabilities_fn(images)[:, ::-1]

    both = [predictor, dataclasses.replace(predictor, probabilities_fn=backwards)]
    inputs = list_inputs([str(folder / "0.png"), str(folder / "1.png")])
    (rows,) = predict_inputs(both, inputs, PredictSettings())
    alone = predictor(FACES[:2])
    found = [row.probabilities for row in rows]
    np.testing.assert_allclose(found, (alone + alone[:, ::-1]) / 2, atol=1e-6)

    given: dict[str, Any] = dict(workdir=(str(tiny_run), str(tiny_run)), sets=0.9)
    with pytest.raises(UserError, match="the mean of several networks is not calibrated"):
        run_predict.run_predict(PredictConfig(**given), [str(folder)])
    with pytest.raises(UserError, match=r"page\.html is made from the table: give --out"):
        run_predict.run_predict(PredictConfig(summary="page.html"), [str(folder)])
    with pytest.raises(UserError, match=r"--out=gone/p\.csv: there is no folder gone"):
        run_predict.run_predict(PredictConfig(out="gone/p.csv"), [str(folder)])
    with pytest.raises(UserError, match=r"page\.pdf: the page is an \.html file"):
        run_predict.run_predict(PredictConfig(summary="page.pdf", out="p.csv"), [str(folder)])
