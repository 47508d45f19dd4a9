"""Faces cut out of pictures by boxes: pixels, channels, borders, bad boxes and files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.decoding.boxed_split import boxed_id, boxed_split
from ferjax.errors import UserError


@pytest.fixture
def picture(tmp_path: Path) -> tuple[Path, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png", pixels


def test_pixels_are_those_of_pillow(picture: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path, pixels = picture
    grey = pixels[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    boxes = np.array([(3, 5, 23, 25), (-4, 30, 40, 99), (0, 0, 8, 8)])
    paths = [path, path, tmp_path / "grey.png"]
    split = boxed_split("all", paths, boxes, np.array([1, 0, 1]), ["x", "y", "z"], 8)
    expected = [
        Image.fromarray(pixels[5:25, 3:23]).resize((8, 8), Image.Resampling.BILINEAR),
        Image.fromarray(pixels[30:]).resize((8, 8), Image.Resampling.BILINEAR),
        Image.fromarray(grey[:8, :8]).convert("RGB"),
    ]
    assert split.shape == (8, 8, 3)
    # Any order, and an image twice.
    order = np.array([2, 0, 1, 0])
    assert np.array_equal(split.read(order), np.stack([np.asarray(expected[i]) for i in order]))
    assert split.labels.tolist() == [1, 0, 1]
    assert split.originals is not None
    assert list(split.originals(np.array([2, 0]))) == [tmp_path / "grey.png", path]


def test_grey_pictures_have_one_channel(tmp_path: Path) -> None:
    Image.new("L", (9, 9), 77).save(tmp_path / "a.png")
    split = boxed_split(
        "all", [tmp_path / "a.png"], np.array([(0, 0, 4, 4)]), np.zeros(1), ["x"], 4
    )
    assert (split.read(np.array([0])) == 77).all()
    assert split.shape == (4, 4, 1)


def test_ids_name_the_box() -> None:
    assert boxed_id("origin/a.jpg", (10, 20, 40, 60)) == "origin/a.jpg#xywh=10,20,30,40"


@pytest.mark.parametrize("box", [(30, 0, 40, 10), (0, -9, 10, 0), (5, 5, 5, 9), (9, 9, 3, 20)])
def test_boxes_outside(box: tuple[int, ...], picture: tuple[Path, np.ndarray]) -> None:
    paths, boxes = [picture[0]] * 2, np.array([(0, 0, 9, 9), box])
    with pytest.raises(UserError, match=r"outside of the picture of 30 by 40 .*on_bad_image=skip"):
        boxed_split("all", paths, boxes, np.zeros(2), ["x", "y"], 8)
    split = boxed_split("all", paths, boxes, np.zeros(2), ["x", "y"], 8, on_bad_image="skip")
    assert split.read(np.array([0])).shape == (1, 8, 8, 3)
    with pytest.raises(UserError, match="outside of the picture"):
        split.read(np.array([1]))


def test_files_that_cannot_be_read(picture: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(picture[0].read_bytes()[:200])
    boxes, ids = np.array([(0, 0, 9, 9)] * 2), ["x", "y"]
    split = boxed_split("all", [picture[0], bad], boxes, np.zeros(2), ids, 8)  # its header is whole
    with pytest.raises(UserError, match=r"bad\.png: cannot be read .*on_bad_image=skip"):
        split.read(np.array([0, 1]))
    with pytest.raises(UserError, match="no such image file"):
        boxed_split("all", [tmp_path / "no.png"], boxes[:1], np.zeros(1), ["x"], 8,
                    on_bad_image="skip")  # fmt: skip
