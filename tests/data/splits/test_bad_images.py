"""Unreadable images are found, named, counted and left out; no bytes lead to a traceback."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ferjax.data.decoding.image_file import image_header, read_image
from ferjax.data.decoding.image_split import image_split
from ferjax.data.splits.bad_images import (
    BadImage,
    read_blocks,
    skip_unreadable,
    skipped_note,
    without_bad,
)
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.storage.memory_cache import cached
from ferjax.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)
BAD = {"b.png": b"", "d.png": b"no pixels", "e.jpg": b"\xff\xd8\xff\xe0"}


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    for name in ("a.png", "c.png", "f.png"):
        Image.fromarray(RGB).save(tmp_path / name)
    for name, content in BAD.items():
        (tmp_path / name).write_bytes(content)
    whole = (tmp_path / "f.png").read_bytes()
    (tmp_path / "f.png").write_bytes(whole[:-200])  # the header is whole, the pixels are not
    return sorted(tmp_path.iterdir())


def make_split(paths: list[Path]) -> Split:
    labels, names = np.arange(len(paths)) % 2, [p.name for p in paths]
    return image_split("train", paths, labels, names, 24, on_bad_image="skip")


def test_skipping_leaves_them_out_and_says_so(paths: list[Path]) -> None:
    bundle = DatasetBundle({"train": make_split(paths)}, ("anger", "fear"), "x", {}, ("first",))
    done = skip_unreadable(bundle, cached)
    train = done.splits["train"]
    assert train.ids == ("a.png", "c.png")
    np.testing.assert_array_equal(train.labels, [0, 0])
    assert train.shape == (24, 20, 3)
    np.testing.assert_array_equal(train.read(np.arange(2)), [RGB, RGB])
    assert done.notes == ("first", "train: 4 unreadable images skipped: b.png, d.png, e.jpg, f.png")
    for path in paths:
        path.unlink()
    np.testing.assert_array_equal(train.read(np.arange(2)), [RGB, RGB])


def test_a_clean_bundle_stays_as_it_is(paths: list[Path]) -> None:
    bundle = DatasetBundle({"train": make_split(paths[:1])}, ("anger",), "x", {})
    assert skip_unreadable(bundle) == bundle


def test_nothing_left_is_an_error(paths: list[Path]) -> None:
    bad = [paths[1], paths[3]]
    with pytest.raises(UserError, match=r"d\.png"):
        make_split(bad)
    split = replace(make_split([paths[0], paths[5]]))
    (_, _, found), *_ = read_blocks(split, "skip")
    assert [*found] == [1]
    assert found[1].name == "f.png"
    assert found[1].reason.startswith(str(paths[5]))
    with pytest.raises(UserError, match=r"none of the 1 images of train can be read: .*f\.png"):
        without_bad(replace(split, labels=split.labels[:1], ids=split.ids[:1]), {0: found[1]})


def test_policies(paths: list[Path]) -> None:
    with pytest.raises(UserError, match=r"b\.png"):
        list(read_blocks(make_split(paths), "error"))
    with pytest.raises(UserError, match="--on_bad_image=keep: unknown, expected error or skip"):
        list(read_blocks(make_split(paths), "keep"))


def test_the_note_is_short() -> None:
    found = [BadImage(f"{k}.png", "broken") for k in range(9)]
    assert skipped_note(found).startswith("9 unreadable images skipped: ")
    assert skipped_note(found).endswith(" and 4 more")
    assert skipped_note(found[:1]).startswith("1 unreadable image skipped: ")


def encoded(kind: str, mode: str) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).convert("L" if mode == "I;16" else "RGB").convert(mode).save(
        buffer, kind, exif=exif.tobytes()
    )
    return buffer.getvalue()


KINDS = [("PNG", "RGB"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "RGB"), ("JPEG", "CMYK")]
KINDS += [("BMP", "L"), ("PPM", "RGB"), ("TIFF", "RGBA"), ("WEBP", "RGB"), ("GIF", "P")]
FILES = [encoded(*kind) for kind in KINDS]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on metadata that it passes over
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.none() | st.floats(0, 1),
    st.sampled_from([1, 3]),
)
def test_any_bytes_are_an_image_or_a_users_error(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    changes: list[tuple[float, int]],
    cut: float | None,
    channels: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    changed = bytearray(content)
    for place, value in changes:
        # Headers come first, and matter most.
        changed[int(place**3 * (len(changed) - 1))] = value
    path.write_bytes(changed if cut is None else changed[: int(cut * len(changed))])
    image, header = (
        outcome(lambda: read_image(path, (8, 8), channels)),
        outcome(lambda: image_header(path)),
    )
    if isinstance(image, str):
        assert str(path) in image
    else:
        assert (image.shape, image.dtype) == ((8, 8, channels), np.uint8)
    assert str(path) in header if isinstance(header, str) else len(header) == 3


def outcome(read: Callable[[], Any]) -> Any:
    """Returns what `read` returns, or the words of its UserError; all else is a failure."""
    try:
        return read()
    except UserError as error:
        return str(error)
