"""Pixel csv files: accepted formats, and every error with its row and line."""

from pathlib import Path

import numpy as np
import pytest

from ferjax.data.reading.pixel_csv import read_pixel_csv, read_pixels
from ferjax.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
TEXTS = [" ".join(map(str, image.ravel())) for image in PIXELS]


def write(path: Path, *lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
    path.write_bytes(end.join([*lines, ""]).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("emotion,pixels,Usage", "{0},{1},{2}"),
        ("emotion, Usage, pixels", "{0},{2},{1}"),
        ("pixels,Usage,emotion,id", '"{1}"," {2} ",{0},7'),
    ],
)
def test_columns_in_any_order(
    tmp_path: Path, header: str, row: str, end: str, encoding: str
) -> None:
    usages = ("Training", "PrivateTest", "PublicTest")
    lines = [row.format(e, TEXTS[i], usages[i]) for i, e in enumerate((6, 0, 3))]
    lines.insert(1, "")  # blank lines are no rows
    rows = read_pixel_csv(write(tmp_path / "a.csv", header, *lines, encoding=encoding, end=end), 7)
    np.testing.assert_array_equal(rows.images, PIXELS[..., None])
    np.testing.assert_array_equal(rows.emotion, [6, 0, 3])
    assert rows.usage.tolist() == list(usages)
    assert (rows.images.dtype, rows.emotion.dtype) == (np.uint8, np.int32)


SHORT = TEXTS[0].rpartition(" ")[0]
LOCATION = "a.csv: row 2 (line 4)"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (f"0,{SHORT},Training", "2,303 values in pixels, expected 2,304"),
        (f"0,{TEXTS[0]} 1,Training", "2,305 values"),
        (f"0,{SHORT} 256,Training", "the value 256"),
        (f"0,{SHORT} -1,Training", "the value -1"),
        (f"0,{SHORT} 99999999999999999999,Training", "the value"),
        (f"0,{SHORT} 65537,Training", "the value 65537"),
        (f"0,{SHORT} 1.5,Training", "'1.5' in pixels"),
        (f"0,{TEXTS[0]} x,Training", "'x' in pixels"),
        (f"0,{SHORT} nan,Training", "'nan' in pixels"),
        ("0,,Training", "0 values"),
        (f"9,{TEXTS[0]},Training", "emotion '9', expected a whole number from 0 to 6"),
        (f"happy,{TEXTS[0]},Training", "emotion 'happy'"),
        (f",{TEXTS[0]},Training", "emotion ''"),
        (f"0,{TEXTS[0]},training", "Usage 'training', expected Training, PublicTest, PrivateTest"),
        (f"0,{TEXTS[0]}", "2 fields, expected 3"),
        (f"0,{TEXTS[0]},Training,1", "4 fields, expected 3"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: str, words: str) -> None:
    path = write(
        tmp_path / "a.csv", "emotion,pixels,Usage", f"0,{TEXTS[1]},Training", "", row, "more"
    )
    with pytest.raises(UserError) as caught:
        read_pixel_csv(path, 7)
    assert LOCATION in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "columns none; expected emotion, pixels, Usage"),
        (
            b"emotion,pixels\n0,1 2\n",
            "emotion, pixels, Usage. Without Usage name the file train.csv",
        ),
        (b"emotion,pixels,Usage\n", "a header and no rows"),
        (b"\x89PNG\r\n\xff\xfe", "not a readable csv file"),
        ("emotion,pixels,Usage\n".encode("utf-16"), "not a readable csv file"),
        (b'emotion,pixels,Usage\n0,"' + b"1 " * 99999, "not a readable csv file"),
    ],
)
def test_files_that_are_no_pixel_csv_are_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (path := tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_pixel_csv(path, 7)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.csv: not a readable csv file"):
        read_pixel_csv(tmp_path / "no.csv", 7)


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "id, pixels ,x", "pixels,emotion,a"])
def test_pixels_are_read_without_labels(tmp_path: Path, header: str) -> None:
    """A broken row yields its error, and the others are read."""
    position = [name.strip() for name in header.split(",")].index("pixels")
    rows = [["", "", ""] for _ in range(4)]
    for row, text in zip(rows, [*TEXTS[:2], "1 2 x", TEXTS[2]], strict=True):
        row[position] = text
    path = write(tmp_path / "faces.csv", header, *map(",".join, rows))
    first, second, broken, last = read_pixels(path)
    np.testing.assert_array_equal([first, second, last], PIXELS[..., None])
    assert isinstance(broken, UserError)
    assert "faces.csv: row 3 (line 4): 'x' in pixels" in str(broken)


def test_a_csv_without_pixels_says_what_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "list.csv", "path,label", "a.png,sad")
    with pytest.raises(UserError, match=r"list.csv: columns path, label; expected pixels \(48x48"):
        next(read_pixels(path))
