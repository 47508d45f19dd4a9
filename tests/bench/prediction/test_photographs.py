"""Photographs out of packages, and what counts as a face that was found."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.bench.prediction import photographs
from ferjax.bench.prediction.detector_scores import matches, score_detectors
from ferjax.bench.prediction.photographs import Marked, Photograph, load_photographs
from ferjax.errors import UserError
from ferjax.faces import detectors
from ferjax.faces.face import Box, Face

FACE = Marked(100, 80, 60)


@pytest.mark.parametrize(
    ("boxes", "right"),
    [
        ([Box(70, 50, 50, 60)], 1),
        # Beside the nose, half as large as allowed, larger than allowed.
        ([Box(101, 50, 50, 60)], 0),
        ([Box(90, 70, 20, 29)], 0),
        ([Box(20, 20, 110, 121)], 0),
        # Only one of two boxes is right; a second face has none.
        ([Box(70, 50, 50, 60), Box(72, 50, 50, 60)], 1),
        ([], 0),
    ],
)
def test_a_face_is_found_by_a_box_about_its_nose_and_of_its_size(
    boxes: list[Box], right: int
) -> None:
    assert matches([FACE], boxes) == right
    assert matches([], boxes) == 0
    assert matches([FACE, Marked(300, 300, 60)], boxes) == right


def test_recall_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def bright(image: np.ndarray) -> list[Face]:
        rows, columns = np.nonzero(image[..., 0] > 200)
        places = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        return [Face(Box(*map(int, places)), 0.9), Face(Box(0, 0, 5, 5), 0.9)]

    made = detectors.FaceDetector(bright, lambda image, face: None)
    monkeypatch.setitem(detectors.DETECTORS, "mtcnn", lambda smallest: made)
    image = np.zeros((90, 120, 1), np.uint8)
    image[10:50, 20:60] = 255
    found = Photograph("a/b.png", image, (Marked(40, 30, 40), Marked(100, 70, 30)))
    (score,) = score_detectors(["mtcnn"], [found])
    assert (score.faces, score.found, score.boxes) == (2, 1, 2)
    assert (score.recall, score.precision) == (0.5, 0.5)
    assert score.missed == score.false_alarms == ("a/b.png",)


def picture(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side), 99).save(file, "png")
    return file.getvalue()


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    marked = {
        "one-1.0.tar.gz": {"a.png": ((3, 4, 5),)},
        "two-2.0-*.whl": {"b.png": ()},
        "gone-3.0.tar.gz": {"c.png": ()},
    }
    monkeypatch.setattr(photographs, "PHOTOGRAPHS", marked)
    with tarfile.open(tmp_path / "one-1.0.tar.gz", "w:gz") as archive:
        for name, side in (("one-1.0/tests/a.png", 8), ("one-1.0/tests/z.png", 4)):
            data = picture(side)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with zipfile.ZipFile(tmp_path / "two-2.0-py3-none-any.whl", "w") as archive:
        archive.writestr("two/data/b.png", picture(6))
    return tmp_path


def test_photographs_of_archives(packages: Path) -> None:
    first, second = load_photographs(packages)[0]
    assert (first.name, first.image.shape, first.faces) == (
        "one/a.png",
        (8, 8, 1),
        (Marked(3, 4, 5),),
    )
    assert (second.name, second.image.shape, second.faces) == ("two/b.png", (6, 6, 1), ())
    (note,) = load_photographs(packages)[1]
    assert note.startswith("gone-3.0.tar.gz is not in ")


def test_photographs_that_are_not_there(packages: Path) -> None:
    with pytest.raises(UserError, match=r"--photos=.*nowhere: no such folder"):
        load_photographs(packages / "nowhere")
    (packages / "empty").mkdir()
    with pytest.raises(UserError, match="none of the packages is there"):
        load_photographs(packages / "empty")
    archive = packages / "one-1.0.tar.gz"
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(UserError, match=r"one-1\.0\.tar\.gz is damaged .*fetch it again"):
        load_photographs(packages)
    with tarfile.open(archive, "w:gz"):
        pass
    with pytest.raises(UserError, match=r"one-1\.0\.tar\.gz lacks a\.png"):
        load_photographs(packages)
