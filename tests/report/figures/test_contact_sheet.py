"""Contact sheets and the class histogram: positions, colours and number of the images drawn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.errors import UserError
from ferjax.report.figures.class_histogram import draw_class_histogram
from ferjax.report.figures.contact_sheet import (
    _EDGE,
    _GAP,
    _SIDE,
    _TOP,
    Cell,
    draw_contact_sheets,
    draw_sheet,
)
from ferjax.report.figures.style import DPI

STEP = _SIDE + _GAP


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def thumbnail(page: np.ndarray, column: int, top: int = _TOP) -> np.ndarray:
    left = _EDGE + column * STEP
    return page[top : top + _SIDE, left : left + _SIDE]


def grey(level: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.full((height, width, 1), level, np.uint8)


def test_thumbnails_bars_and_rows(tmp_path: Path) -> None:
    cells = [Cell(grey(40 * k), ("a",), "#009E73" if k == 1 else "#D55E00") for k in range(5)]
    path = draw_sheet([[cell] for cell in cells], tmp_path / "s.png", "title", columns=3)
    page = pixels(path)
    assert page.shape[1] == 2 * _EDGE + 3 * STEP - _GAP
    for k in range(3):
        assert abs(thumbnail(page, k).astype(int) - 40 * k).max() <= 3
        bar = page[_TOP + _SIDE + 2, _EDGE + k * STEP + 5]
        assert bar.tolist() == ([0, 0x9E, 0x73] if k == 1 else [0xD5, 0x5E, 0])
    # The second row has the other two cells.
    bars = (page == [0xD5, 0x5E, 0]).all(axis=2).sum(axis=1)
    assert len(np.unique(bars[bars > 0])) == 1
    assert (bars > 0).sum() == 6


def test_rare_colours_survive_among_colour_photographs(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 40, 3), np.uint8)
    groups = [[Cell(image, ("name",), "#56B4E9")] for image in noise]
    page = pixels(draw_sheet(groups, tmp_path / "s.png", "title"))
    assert page[_TOP + _SIDE + 1, _EDGE].tolist() == [0x56, 0xB4, 0xE9]


def test_groups_stay_together_on_a_panel(tmp_path: Path) -> None:
    group = [Cell(grey(0), ("x",))] * 3
    page = pixels(draw_sheet([group, group], tmp_path / "s.png", "title", columns=4))
    assert (thumbnail(page, 3) == 255).all(), "the second group was split over two rows"
    between = page[_TOP + 5, _EDGE + _SIDE + _GAP // 2]
    assert (between < 255).all()
    assert (page[_TOP + 5, _EDGE + 3 * STEP + 5] == 255).all()


def test_images_of_unequal_sides_keep_their_aspect_ratio(tmp_path: Path) -> None:
    cells = [Cell(grey(0, 10, 40), ()), Cell(grey(0, 300, 100), ()), Cell(grey(0, 1, 1), ())]
    page = pixels(draw_sheet([[cell] for cell in cells], tmp_path / "s.png", "title"))
    dark = [(thumbnail(page, k) < 9).all(axis=2).sum() for k in range(3)]
    assert dark == pytest.approx([_SIDE * _SIDE / 4, _SIDE * _SIDE / 3, _SIDE * _SIDE], rel=0.05)


def test_an_empty_sheet_and_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    assert pixels(draw_sheet([], tmp_path / "s.png", "nothing")).min() < 100
    with pytest.raises(UserError, match=r"cannot write .*s.png"):
        draw_sheet([], tmp_path / "s.png" / "t.png", "nothing")


def test_contact_sheets_follow_the_folders(tmp_path: Path) -> None:
    root = tmp_path / "crops"
    for name, count in {"train/anger": 5, "train/fear": 1, "test/anger": 2}.items():
        (root / name).mkdir(parents=True)
        for k in range(count):
            Image.new("L", (48, 48), 30 * k).save(root / name / f"{k}_\udcff{'long' * 20}.png")
    (root / "train" / "fear" / "broken.jpg").write_bytes(b"\xff\xd8")
    done: list[int] = []
    drawn = draw_contact_sheets(root, tmp_path / "sheets", columns=2, rows=2, progress=done.append)
    assert [path.relative_to(tmp_path / "sheets").as_posix() for path in drawn] == [
        "test/anger_01.png",
        "train/anger_01.png",
        "train/anger_02.png",
        "train/fear_01.png",
    ]
    assert done == [2, 4, 1, 2]
    assert thumbnail(pixels(drawn[1]), 1).mean() == pytest.approx(30, abs=2)
    assert pixels(drawn[1]).shape[1] == 2 * _EDGE + 2 * STEP - _GAP


def test_contact_sheet_of_one_folder(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    drawn = draw_contact_sheets(tmp_path, tmp_path / "sheets")
    assert [path.name for path in drawn] == ["images_01.png"]
    with pytest.raises(UserError, match="no such file"):
        draw_contact_sheets(tmp_path / "gone", tmp_path / "sheets")


@pytest.mark.parametrize("splits", [1, 3])
def test_histogram(tmp_path: Path, splits: int) -> None:
    counts = {"anger": 10, "a class with a long name": 0, "neutral": 3995}
    given = dict.fromkeys(["train", "val", "test"][:splits], counts)
    draw_class_histogram(given, tmp_path / "h.png", "title")
    page = pixels(tmp_path / "h.png")
    assert page.shape[1] == pytest.approx(DPI * (1.15 + 3 * splits), abs=2)
    # Neutral is black: one long bar in each panel.
    black = (page < 5).all(axis=2).sum(axis=1).max()
    assert black == pytest.approx(splits * 2.1 * DPI, rel=0.1)


def test_histogram_without_images(tmp_path: Path) -> None:
    draw_class_histogram({"train": {"anger": 0, "fear": 0}}, tmp_path / "h.png", "title")
    assert (tmp_path / "h.png").exists()
