"""Face crops of a folder of photographs: files written, images left out, errors."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.data.decoding.image_file import read_image
from ferjax.data.registry import load_dataset
from ferjax.errors import UserError
from ferjax.faces.crop_face import CropPlan
from ferjax.faces.detectors import crop_plan
from ferjax.faces.face import Box, Face, largest
from ferjax.tools.crop_folder import crop_folder


def bright(image: np.ndarray) -> list[Face]:
    """Detects the bounding box of bright pixels, which is the face in the images below."""
    rows, columns = np.nonzero((image > 200).all(-1))
    if not rows.size:
        return []
    left, top = int(columns.min()), int(rows.min())
    return [Face(Box(left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1))]


PLAN = CropPlan(bright, largest, margin=5)


def photograph(path: Path, mode: str = "RGB", face: bool = True) -> None:
    image = Image.new(mode, (80, 60), 50 if mode == "L" else (50, 60, 70))
    if face:
        image.paste(255 if mode == "L" else (255, 255, 255), (30, 20, 50, 40))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=100)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    photograph(root / "train" / "anger" / "a.jpg")
    photograph(root / "train" / "anger" / "b.png", "L")
    photograph(root / "train" / "fear" / "a.jpg", face=False)
    photograph(root / "test" / "fear" / "c.PNG")
    (root / "readme.txt").write_text("not an image")
    return root


def crop(source: Path, **given: Any) -> dict[str, int]:
    return crop_folder(source, source.with_name("out"), PLAN, progress=False, **given)


def record(out: Path) -> dict[str, dict[str, str]]:
    with (out / "crops.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def files(out: Path) -> list[str]:
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())


def test_keeps_folders_and_names(source: Path) -> None:
    assert crop(source) == {"cropped": 3, "kept whole": 1}
    out = source.with_name("out")
    crops = ["test/fear/c.png", "train/anger/a.png", "train/anger/b.png", "train/fear/a.png"]
    assert files(out) == ["crops.csv", *crops]
    assert read_image(out / crops[0], None, 3).shape == (30, 30, 3)
    whole = read_image(source / "train" / "fear" / "a.jpg", None, 3)
    np.testing.assert_array_equal(read_image(out / crops[3], None, 3), whole)
    with Image.open(out / "train" / "anger" / "b.png") as grey:
        assert grey.mode == "L"
    rows = record(out)
    row = rows["train/anger/b.png"]
    assert (row["crop"], row["faces"], row["decision"]) == ("train/anger/b.png", "1", "cropped")
    assert [row[k] for k in ("left", "top", "width", "height")] == ["25", "15", "30", "30"]
    assert rows["train/fear/a.jpg"]["faces"] == "0"
    assert sorted(source.parent.iterdir()) == [out, source]


@pytest.mark.parametrize(("choice", "decision"), [("drop", "dropped"), ("list", "listed")])
def test_images_without_a_face(source: Path, choice: str, decision: str) -> None:
    assert crop(source, no_face=choice) == {"cropped": 3, decision: 1}
    out = source.with_name("out")
    assert not (out / "train" / "fear").exists()
    assert record(out)["train/fear/a.jpg"]["decision"] == decision
    assert (out / "no_face.txt").exists() == (choice == "list")
    if choice == "list":
        # The file can be used as exclude.txt without changes.
        assert (out / "no_face.txt").read_text() == "train/fear/a.jpg\n"


def test_exclude_names_images_or_their_crops(source: Path) -> None:
    text = "﻿# looked at\n\ntrain\\anger\\a.png\r\n./test/fear/c.PNG\n"
    (source / "exclude.txt").write_text(text, "utf-8")
    assert crop(source) == {"cropped": 1, "excluded": 2, "kept whole": 1}
    out = source.with_name("out")
    assert files(out) == ["crops.csv", "train/anger/b.png", "train/fear/a.png"]
    assert record(out)["train/anger/a.jpg"]["decision"] == "excluded"


@pytest.mark.parametrize("line", ["train/anger/a.jpg", "anger/a.jpg"])
def test_exclude_file_in_a_folder_of_the_data_set(source: Path, line: str) -> None:
    (source / "train" / "exclude.txt").write_text(line)
    assert crop(source)["excluded"] == 1
    assert record(source.with_name("out"))["train/anger/a.jpg"]["decision"] == "excluded"


def test_exclude_file_in_another_folder(source: Path, tmp_path: Path) -> None:
    (source / "exclude.txt").write_text("train/fear/a.jpg")
    (tmp_path / "mine.txt").write_text("train/anger/b.png")
    assert crop(source, exclude=tmp_path / "mine.txt")["excluded"] == 1
    assert record(source.with_name("out"))["train/anger/b.png"]["decision"] == "excluded"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# x\nfear/a.jpg", r"exclude.txt, line 2: no image 'fear/a.jpg'.*'train/fear/a.jpg'"),
        (b"\xff\xfe\x00", r"exclude.txt: cannot be read \(not UTF-8 text\)"),
    ],
)
def test_a_bad_exclude_file_is_refused(source: Path, content: bytes, message: str) -> None:
    (source / "exclude.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        crop(source)
    assert not source.with_name("out").exists()


def test_a_missing_exclude_file_is_refused(source: Path) -> None:
    with pytest.raises(UserError, match=r"gone.txt: cannot be read \(No such file"):
        crop(source, exclude=source / "gone.txt")


def test_bad_images(source: Path) -> None:
    (source / "train" / "fear" / "z.jpg").write_bytes(b"\xff\xd8 no")
    with pytest.raises(UserError, match=r"z.jpg: cannot be read as an image"):
        crop(source)
    assert sorted(source.parent.iterdir()) == [source], "an unfinished folder remains"
    assert crop(source, on_bad_image="skip")["unreadable"] == 1
    assert record(source.with_name("out"))["train/fear/z.jpg"]["decision"] == "unreadable"


def test_nothing_is_overwritten(source: Path) -> None:
    crop(source)
    mine = source.with_name("out") / "train" / "anger" / "a.png"
    mine.write_bytes(b"mine")
    with pytest.raises(UserError, match=r"out holds .*Give another one"):
        crop(source)
    assert mine.read_bytes() == b"mine"
    empty = source.with_name("empty")
    empty.mkdir()
    crop_folder(source, empty, PLAN, progress=False)
    assert (empty / "crops.csv").exists()


@pytest.mark.parametrize("out", [".", "deeper/out", ".."])
def test_nested_folders_are_refused(source: Path, out: str) -> None:
    with pytest.raises(UserError, match=r"one contains the other|Give another one"):
        crop_folder(source, source / out, PLAN, progress=False)


def test_equal_names_keep_their_suffix(source: Path) -> None:
    photograph(source / "train" / "anger" / "A.jpeg")
    photograph(source / "train" / "anger" / "b.bmp")
    crop(source)
    crops = [p.name for p in (source.with_name("out") / "train" / "anger").iterdir()]
    assert sorted(crops) == ["A.jpeg.png", "a.jpg.png", "b.bmp.png", "b.png.png"]


@pytest.mark.parametrize(
    ("given", "message"),
    [({"no_face": "kep"}, "Did you mean 'keep'"), ({"on_bad_image": "stop"}, "error, skip")],
)
def test_unknown_choices(source: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        crop(source, **given)


def test_missing_and_empty_source_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        crop(tmp_path / "gone")
    (tmp_path / "void").mkdir()
    with pytest.raises(UserError, match="no images in this folder"):
        crop(tmp_path / "void")


def test_a_link_to_a_folder_elsewhere_is_filled(source: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = source.with_name("out")
    link.symlink_to(tmp_path / "disk")
    crop(source)
    assert link.is_symlink()
    assert "crops.csv" in files(tmp_path / "disk")


def test_a_folder_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file.out"):
        crop_folder(source, tmp_path / "file" / "out", PLAN, progress=False)


@pytest.mark.faces
@pytest.mark.parametrize(("detector", "least"), [("haar", 12), ("mtcnn", 18)])
def test_real_faces_in_scenes(faces: Path, tmp_path: Path, detector: str, least: int) -> None:
    if detector == "haar":
        pytest.importorskip("cv2")
    files = sorted((faces / "folders" / "test" / "happy").glob("*.png"))[:20]
    files = files or sorted((faces / "folders" / "test").rglob("*.png"))[:20]
    for path in files:
        scene = Image.new("L", (400, 300), 120)
        with Image.open(path) as face:
            scene.paste(face.resize((144, 144), Image.Resampling.BICUBIC), (180, 90))
        (tmp_path / "in" / "happy").mkdir(parents=True, exist_ok=True)
        scene.save(tmp_path / "in" / "happy" / path.name)
    plan = crop_plan(detector)
    counts = crop_folder(tmp_path / "in", tmp_path / "out", plan, progress=False)
    assert counts["cropped"] >= least
    for row in record(tmp_path / "out").values():
        if row["decision"] == "cropped":
            left, top, width, height = (int(row[k]) for k in ("left", "top", "width", "height"))
            assert width == height
            assert abs(left + width / 2 - 252) < 40
            assert abs(top + height / 2 - 162) < 40


@pytest.mark.parametrize("inside", [".", "unpacked/deeper"])
def test_the_names_of_numbered_classes_are_copied(inside: str, tmp_path: Path) -> None:
    """The crops are read as class folders, which need these names."""
    source = tmp_path / "source"
    for number in (1, 2):
        for k in range(2):
            photograph(source / inside / str(number) / f"{k}.png")
    (source / inside / "classes.txt").write_text("1 sad\n2 happy\n")
    crop(source)
    bundle = load_dataset("folder", source.with_name("out"), image_size=8)
    assert bundle.classes == ("happiness", "sadness")
