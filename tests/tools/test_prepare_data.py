"""The four tasks of `launch.prepare` (audit, crops, cache, preview) on synthetic images."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferjax.tools.prepare_data
from ferjax.config.tool_configs import PrepareConfig
from ferjax.data.registry import load_dataset
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.faces.detectors import DETECTORS, FaceDetector
from ferjax.faces.face import Box, Face
from ferjax.tools import crops_and_sheets
from ferjax.tools.prepare_data import run_prepare


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Returns class folders of synthetic faces; one face is there twice, with two labels."""
    labels = np.arange(24) % 3
    faces = render_faces(labels, np.arange(24), size=40)
    root = tmp_path / "faces"
    for k, (face, label) in enumerate(zip(faces, labels, strict=True)):
        folder = root / EMOTIONS[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(folder / f"f{k:02}.png")
    Image.fromarray(faces[0]).save(root / EMOTIONS[1] / "again.png")
    return root


def finds(monkeypatch: pytest.MonkeyPatch, faces: list[Face]) -> None:
    """Replaces the default detector by one that finds these faces in every image."""
    found = FaceDetector(lambda image: faces, lambda image, face: None)
    monkeypatch.setitem(DETECTORS, "mtcnn", lambda smallest: found)


def prepare(**given: Any) -> list[str]:
    return run_prepare(PrepareConfig(progress=False, **given))


def test_the_audit_finds_the_planted_duplicate(tree: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = dict(dataset="folder", data_dir=str(tree), audit=True)
    lines = prepare(**given, out=str(tmp_path / "audit"), image_size=40)
    assert lines[-1] == str(tmp_path / "audit" / "audit.md")
    result = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert (result["files"]["files"], result["files"]["sizes"]) == (25, {"40x40": 25})
    assert "labels differ" in " ".join(lines)
    for name in ("classes.png", "samples.png", "conflicts.png"):
        Image.open(tmp_path / "audit" / name).verify()
    # An audit is written again, without the figure that has nothing to show any more.
    (tree / EMOTIONS[1] / "again.png").unlink()
    (tmp_path / "audit" / "audit.json").unlink()  # as after a kill
    assert prepare(**given, out=str(tmp_path / "audit"), image_size=40)[-1] == lines[-1]
    again = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert again["files"]["files"] == 24
    assert not (tmp_path / "audit" / "conflicts.png").exists()
    (tmp_path / "audit" / "notes.txt").touch()
    with pytest.raises(UserError, match="is not empty"):
        prepare(**given, out=str(tmp_path / "audit"))


def test_the_audit_reads_headers_only_of_images_that_are_files(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files_of(dataset: str, data_dir: Path) -> Any:
        out = tmp_path / f"audit-{dataset}"
        prepare(dataset=dataset, data_dir=str(data_dir), audit=True, out=str(out))
        return json.loads((out / "audit.json").read_text())["files"]

    finds(monkeypatch, [Face(Box(10, 8, 20, 24))])
    prepare(data_dir=str(tree), crops=True, margin=4, out=str(tmp_path / "crops"))
    assert (tmp_path / "crops" / "crops.csv").is_file()
    assert files_of("folder", tmp_path / "crops")["sizes"] == {"32x28": 25}
    rng = np.random.default_rng(0)
    rows = [
        f"{k % 7},{' '.join(map(str, rng.integers(0, 256, 2304)))},{usage}"
        for usage in ("Training", "PublicTest")
        for k in range(14)
    ]
    (tmp_path / "data" / "fer2013").mkdir(parents=True)
    path = tmp_path / "data" / "fer2013" / "fer2013.csv"
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]))
    assert files_of("fer2013", tmp_path / "data") is None


def test_crops_have_contact_sheets_and_can_be_loaded(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(10, 8, 20, 24)
    finds(monkeypatch, [Face(box)])
    out = tmp_path / "crops"
    lines = prepare(data_dir=str(tree), crops=True, margin=4, out=str(out))
    assert "25 images cropped" in lines
    assert len(list((tmp_path / "crops-sheets").glob("*.png"))) == 3
    (out / "exclude.txt").write_text("anger/f00.png\n")
    bundle = load_dataset("folder", out, image_size=32)
    assert sum(len(split) for split in bundle.splits.values()) == 24
    assert bundle.splits["train"].shape == (32, 28, 3)


def test_overwritten_crops_keep_the_list_of_excluded_images(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, [Face(Box(10, 8, 20, 24))])
    out = tmp_path / "crops"
    given: dict[str, Any] = dict(data_dir=str(tree), crops=True, out=str(out), overwrite=True)
    prepare(**given, margin=4)
    (out / "exclude.txt").write_text("anger/f00.png\n")
    prepare(**given, margin=5)
    assert "1 images left out by exclude.txt" in load_dataset("folder", out).notes


def test_crops_that_were_killed_before_their_sheets_are_finished(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, [Face(Box(10, 8, 20, 24))])
    whole, out = tmp_path / "whole", tmp_path / "crops"
    lines = prepare(data_dir=str(tree), crops=True, margin=4, out=str(whole))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(crops_and_sheets, "draw_contact_sheets", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(data_dir=str(tree), crops=True, margin=4, out=str(out))
    assert not (tmp_path / "crops-sheets").exists()
    with pytest.raises(UserError, match="is not empty"):
        prepare(data_dir=str(tree), crops=True, margin=5, out=str(out))
    again = prepare(data_dir=str(tree), crops=True, margin=4, out=str(out))
    assert [line.replace("crops", "whole") for line in again] == [
        line.replace("crops", "whole") for line in lines
    ]
    for mine, other in ((whole, out), (tmp_path / "whole-sheets", tmp_path / "crops-sheets")):
        files = {p.relative_to(mine): p.read_bytes() for p in mine.rglob("*") if p.is_file()}
        found = {p.relative_to(other): p.read_bytes() for p in other.rglob("*") if p.is_file()}
        assert found == files
    with pytest.raises(UserError, match="is not empty"):
        prepare(data_dir=str(tree), crops=True, margin=4, out=str(out))


def test_no_face_at_all_does_not_block_the_next_try(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, [])
    given: dict[str, Any] = dict(data_dir=str(tree), crops=True, out=str(tmp_path / "crops"))
    words = rf"no face found in any of 25 images of {tree} .*crops\.csv\. --no_face=keep"
    for _ in range(2):
        with pytest.raises(UserError, match=words):
            prepare(**given)
    assert "25 images kept whole" in prepare(**given, no_face="keep")


def test_the_cache_has_a_file_for_each_split(tree: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = dict(dataset="folder", data_dir=str(tree), image_size=40)
    lines = prepare(**given, cache=True, out=str(tmp_path / "cache"))
    assert any("--cache_dir" in line for line in lines)
    assert len(list((tmp_path / "cache").glob("folder-*"))) == 2


def test_previews_are_images(tmp_path: Path) -> None:
    out = tmp_path / "preview"
    for augment in ("none", "strong", "strong"):
        given: dict[str, Any] = dict(dataset="synthetic", image_size=32, augment=augment)
        (path,) = prepare(**given, preview=True, out=str(out))
        Image.open(path).verify()
        assert Path(path).parent == out
    assert len([*out.iterdir()]) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dataset": "synthetic"}, "one of --audit, --crops, --cache, --preview"),
        ({"dataset": "synthetic", "audit": True, "cache": True}, "found 2"),
        ({"audit": True}, "--dataset is missing"),
        ({"dataset": "synthetic", "crops": True}, "synthetic faces need no crops"),
        ({"dataset": "synthetic", "preview": True, "augment": "wild"}, "Known: fer, flip, none"),
        ({"dataset": "folder", "data_dir": "nowhere", "audit": True}, "nowhere"),
    ],
)
def test_errors_name_the_problem(
    given: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        prepare(**given)
    assert not any(tmp_path.iterdir())


ODD = ["two\nlines.png", "a, b.png", "$x$|<b>*`.png", "\udcff.png", "é😀.png", "-x.png"]


def test_odd_names_reach_every_file_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "d\udcfe\nx"
    for label in (0, 1):
        faces = render_faces(np.full(len(ODD), label), np.arange(len(ODD)), size=40)
        (root / EMOTIONS[label]).mkdir(parents=True)
        for name, face in zip(ODD, faces, strict=True):
            Image.fromarray(face).save(root / EMOTIONS[label] / name)
    Image.fromarray(faces[0]).save(root / EMOTIONS[0] / "again\n.png")
    (root / EMOTIONS[0] / "bad\udcfd\n.png").write_bytes(b"no")
    given: dict[str, Any] = dict(dataset="folder", data_dir=str(root), image_size=40)
    prepare(**given, audit=True, out=str(tmp_path / "audit"))
    found = json.loads((tmp_path / "audit" / "audit.json").read_text("utf-8"))
    bad = [item["id"] for split in found["splits"].values() for item in split["unreadable"]]
    assert bad == [r"anger/bad\xfd\n.png"]
    page = (tmp_path / "audit" / "audit.md").read_text("utf-8")
    assert r"bad\\xfd\\n.png" in page

    box = Box(10, 8, 20, 24)
    finds(monkeypatch, [Face(box)])
    out = tmp_path / "crops"
    prepare(data_dir=str(root), crops=True, on_bad_image="skip", out=str(out))
    with open(out / "crops.csv", newline="", encoding="utf-8") as file:
        rows = {row["file"]: row["decision"] for row in csv.DictReader(file)}
    assert len(rows) == 2 * len(ODD) + 2
    assert rows[r"anger/bad\xfd\n.png"] == "unreadable"
    assert rows["anger/a, b.png"] == rows[r"anger/two\nlines.png"] == "cropped"
    # The names of the record can be written into exclude.txt.
    (out / "exclude.txt").write_text("anger/two\\nlines.png\ndisgust/\\xff.png\n")
    bundle = load_dataset("folder", out, image_size=32)
    assert sum(len(split) for split in bundle.splits.values()) == 2 * len(ODD) + 1 - 2


def test_the_audit_begins_with_classes_and_counts(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "unlabelled").mkdir()
    Image.new("L", (40, 40)).save(tree / "unlabelled" / "a.png")
    Image.new("L", (40, 40)).save(tree / "unlabelled" / "b.png")
    (tree / "labels.csv").write_text("path,label\n")
    lines = prepare(
        dataset="folder", data_dir=str(tree), image_size=40, audit=True, out=str(tmp_path / "a")
    )
    first, train, *_ = capsys.readouterr().out.splitlines()
    assert first == "folder: class folders; 4 classes: anger, disgust, fear, unlabelled"
    assert train == "train: 23 images: anger 7, disgust 8, fear 7, unlabelled 1"
    assert any("unlabelled (2 images)" in line for line in lines)
    assert any("not read: labels.csv" in line for line in lines)


@pytest.mark.parametrize("classes", [3, 40])
def test_the_preview_holds_every_class_and_its_blends(
    classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Classes lie one after the other, and all but the first are rare."""
    root, seen = tmp_path / "faces", {}
    for k in range(classes):
        folder = root / f"class{k:02}"
        folder.mkdir(parents=True)
        for number in range(40 if k == 0 else 3):
            Image.new("L", (32, 32), 7 * (k + number) % 256).save(folder / f"{number}.png")

    def draw(images: np.ndarray, labels: np.ndarray, *others: Any) -> None:
        seen.update(labels=labels, mix=others[3], limit=others[4])

    monkeypatch.setattr(ferjax.tools.prepare_data, "draw_batch", draw)
    given: dict[str, Any] = dict(dataset="folder", data_dir=str(root), preview=True)
    prepare(**given, augment="strong", image_size=32, out=str(tmp_path / "preview"))
    assert set(seen["labels"][: seen["limit"]].tolist()) == set(range(classes))
    assert len(seen["labels"]) == max(32, classes)
    assert float(seen["mix"].share.min()) < 1
    prepare(**given, augment="flip", image_size=32, out=str(tmp_path / "flip"))
    assert seen["mix"] is None


def test_overwrite_moves_an_earlier_result_aside(tree: Path, tmp_path: Path) -> None:
    out, thesis = tmp_path / "preview", tmp_path / "thesis"
    given: dict[str, Any] = dict(dataset="folder", data_dir=str(tree), preview=True, image_size=40)
    prepare(**given, out=str(out), augment="none")
    (out / "notes.txt").write_text("kept")
    with pytest.raises(UserError, match="or --overwrite to move this one aside"):
        prepare(**given, out=str(out))
    with pytest.raises(UserError):
        prepare(**{**given, "dataset": "nothing"}, out=str(out), overwrite=True)
    prepare(**given, out=str(out), augment="flip", overwrite=True)
    assert [path.name for path in out.iterdir()] == ["preview_flip.png"]
    aside = sorted(path.name for path in (tmp_path / "preview.old-1").iterdir())
    assert aside == ["notes.txt", "preview_none.png"]
    thesis.mkdir()
    (thesis / "chapter1.tex").write_text("Once")
    with pytest.raises(UserError, match=r"is not empty.*another folder\.$"):
        prepare(**given, out=str(thesis), overwrite=True)
