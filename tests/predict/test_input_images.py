"""What a predictor takes as images, and the sentence for everything else."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.data.decoding.image_file import image_header, read_image
from ferjax.errors import UserError
from ferjax.predict.input_images import face_arrays

RNG = np.random.default_rng(0)
FACE = RNG.integers(0, 256, (40, 30, 3), np.uint8)
GREY = FACE[..., 0]


def assert_faces(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (FACE, [FACE]),
        (GREY, [GREY[..., None]]),
        (GREY[..., None], [GREY[..., None]]),
        (GREY[None], [GREY[..., None]]),
        (np.stack([GREY] * 2), [GREY[..., None]] * 2),
        (np.stack([GREY] * 4), [GREY[..., None]] * 4),
        (np.stack([FACE] * 3), [FACE] * 3),
        ([FACE, GREY, FACE[:9]], [FACE, GREY[..., None], FACE[:9]]),
        (np.array([FACE, FACE[:9]], dtype=object), [FACE, FACE[:9]]),
        ([], []),
        (np.zeros((0, 40, 30, 3), np.uint8), []),
        (np.zeros((0, 40, 30), np.uint8), []),
    ],
)
def test_one_face_or_several(images: Any, expected: list[np.ndarray]) -> None:
    assert_faces(face_arrays(images), expected)


def test_arrays_of_other_libraries() -> None:
    torch = pytest.importorskip("torch")
    assert_faces(face_arrays(torch.from_numpy(FACE[None])), [FACE])
    with pytest.raises(UserError, match=r"found uint8 \[3, 40, 30\]\. The channels come last"):
        face_arrays(torch.from_numpy(FACE[None]).permute(0, 3, 1, 2))


ONE = "uint8 [H, W, 1 or 3] expected, found "
REFUSED: list[tuple[Any, str]] = [
    (None, "found NoneType."),
    (7, "found int."),
    ({"a": FACE}, "found dict."),
    ([FACE, None], f"image 1: {ONE}NoneType."),
    ([b"x"], f"image 0: {ONE}bytes."),
    (FACE[None] / 255, f"image 0: {ONE}float64 [40, 30, 3]. Values of 0 to 1"),
    (FACE.astype(np.float32), f"the image: {ONE}float32 [40, 30, 3]. Values of 0 to 255 become"),
    (FACE.astype(int), f"the image: {ONE}int64 [40, 30, 3]. Values of 0 to 255"),
    (GREY > 9, f"the image: {ONE}bool [40, 30]."),
    (np.zeros((40, 30, 4), np.uint8), "found uint8 [40, 30, 4]. Leave alpha out"),
    (np.zeros((40, 30, 2), np.uint8), "found uint8 [40, 30, 2]. Leave alpha out"),
    (np.zeros((2, 40, 30, 4), np.uint8), f"image 0: {ONE}uint8 [40, 30, 4]. Leave alpha out"),
    ([np.zeros((40, 30, 4), np.uint8)], f"image 0: {ONE}uint8 [40, 30, 4]. Leave alpha out"),
    (np.zeros((3, 40, 30), np.uint8), "uint8 [3, 40, 30] may be three grey faces or one RGB face"),
    (np.zeros((2, 3, 40, 30), np.uint8), f"{ONE}uint8 [3, 40, 30]. The channels come last"),
    (np.zeros((2, 1, 40, 30), np.uint8), f"{ONE}uint8 [1, 40, 30]. The channels come last"),
    ([np.zeros((3, 40, 30), np.uint8)], f"{ONE}uint8 [3, 40, 30]. The channels come last"),
    (np.zeros(48, np.uint8), "found uint8 [48]."),
    (np.zeros((2, 2, 9, 9, 3), np.uint8), "found uint8 [2, 2, 9, 9, 3]."),
    (np.zeros((0, 0, 3), np.uint8), "the image: it is empty, [0, 0, 3]."),
    (np.zeros((0, 48), np.uint8), "the image: it is empty, [0, 48]."),
    (np.zeros((2, 48, 0, 3), np.uint8), "image 0: it is empty, [48, 0, 3]."),
    ([FACE, FACE[:, 5:5]], "image 1: it is empty, [40, 0, 3]."),
    (np.array(None), "found ndarray."),
    ((FACE for _ in range(2)), "found generator."),
]


@pytest.mark.parametrize(("images", "words"), REFUSED)
def test_anything_else_is_one_sentence(images: Any, words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        face_arrays(images)
    assert len(str(caught.value)) < 280


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_files_and_pillow_images_are_the_same(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.fromarray(FACE).convert(mode)
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90 degrees
    image.save(path, exif=exif)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = read_image(path, None, image_header(path)[2])
    assert expected.shape[:2] == (30, 40)
    for given in (
        path,
        str(path),
        f"~/{path.name}",
        Image.open(path),
        [Image.open(path)],
        np.array([str(path)]),
    ):
        assert_faces(face_arrays(given), [expected])


def test_pillow_images_and_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"image 0: a Pillow image of 8 bits expected, .* I;16"):
        face_arrays([Image.fromarray(GREY.astype(np.uint16))])
    with pytest.raises(UserError, match=rf"the image: {tmp_path} is a folder; give"):
        face_arrays(tmp_path)
    with pytest.raises(UserError, match="no such image file"):
        face_arrays([FACE, "gone.png"])


def test_the_order_of_channels_is_an_argument(tmp_path: Path) -> None:
    backwards = FACE[..., ::-1]
    assert_faces(face_arrays(backwards, "bgr"), [FACE])
    assert_faces(face_arrays(GREY, "bgr"), [GREY[..., None]])
    # Files and Pillow images have an order of their own.
    path = tmp_path / "face.png"
    Image.fromarray(FACE).save(path)
    mixed = [backwards, path, Image.fromarray(FACE)]
    assert_faces(face_arrays(mixed, "bgr"), [FACE] * 3)
    assert_faces(face_arrays(np.array([backwards, backwards[:9]], object), "bgr"), [FACE, FACE[:9]])
    with pytest.raises(UserError, match=r"channel_order 'BGR'\. Did you mean 'bgr'"):
        face_arrays(FACE, "BGR")
