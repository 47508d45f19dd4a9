"""Contact sheets: pages of image thumbnails with file names, to inspect a data set by class."""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ferjax.data.decoding.image_file import read_unresized
from ferjax.data.reading.class_folders import image_files
from ferjax.errors import UserError, printable
from ferjax.report.figures.line_end_labels import shorten
from ferjax.report.figures.style import FAINT, INK, MUTED
from ferjax.runtime.atomic_files import write_atomically

COLUMNS, ROWS = 12, 10
# In pixels: side of a thumbnail (twice a 48-pixel face), gap between two, height of a line of text,
# margin around the sheet, height of the title.
_SIDE, _GAP, _LINE, _EDGE, _TOP = 96, 16, 13, 18, 64
_PANEL = "#F1F3F4"


class Cell(NamedTuple):
    """One thumbnail: uint8 [H, W, C] (C 1 or 3), lines of text under it, colour of its bar."""

    image: np.ndarray
    lines: tuple[str, ...]
    colour: str = FAINT


def draw_sheet(
    groups: Sequence[Sequence[Cell]],
    path: Path,
    title: str,
    subtitle: str = "",
    columns: int = COLUMNS,
) -> Path:
    """Draws thumbnails row by row; a group of several has a grey background and stays in one row.

    Args:
      groups: cells that belong together, at most `columns` each.
      path: the PNG to write.
      title: printed large at the top.
      subtitle: what the reader should do with the sheet, in grey under the title.
      columns: thumbnails in a row.

    Returns:
      The path of the PNG.

    Raises:
      UserError: the file cannot be written.
    """
    positions, rows = _row_and_column([len(group) for group in groups], columns)
    lines = max((len(cell.lines) for group in groups for cell in group), default=0)
    height, width = _SIDE + 6 + lines * _LINE, _SIDE + _GAP
    size = 2 * _EDGE + columns * width - _GAP, _TOP + max(rows, 1) * (height + _GAP) + _EDGE - _GAP
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    bars: list[tuple[int, int, str]] = []
    _write_line(pen, (_EDGE, 14), title, _font(19, bold=True), INK, size[0] - 2 * _EDGE)
    _write_line(pen, (_EDGE, 40), subtitle, _font(11), MUTED, size[0] - 2 * _EDGE)
    for group, (row, column) in zip(groups, positions, strict=True):
        left, top = _EDGE + column * width, _TOP + row * (height + _GAP)
        if len(group) > 1:
            right = left + len(group) * width - _GAP
            panel = (left - 4, top - 4, right + 3, top + height + 3)
            pen.rounded_rectangle(panel, 5, fill=_PANEL)
        for k, cell in enumerate(group):
            _draw_cell(sheet, pen, cell, left + k * width, top)
            bars.append((left + k * width, top + _SIDE + 1, cell.colour))
    buffer = io.BytesIO()
    _with_palette(sheet, bars).save(buffer, "PNG")
    return write_atomically(path, buffer.getvalue())


def draw_contact_sheets(
    root: Path,
    directory: Path,
    *,
    columns: int = COLUMNS,
    rows: int = ROWS,
    exclude: str = "exclude.txt",
    progress: Callable[[int], None] = lambda images: None,
) -> list[Path]:
    """Draws all images below a folder with their file names, class by class.

    Args:
      root: the folder; the images of each folder below it are a class.
      directory: the folder of the sheets; the images of train/anger go to train/anger_01.png,
        train/anger_02.png and so on.
      columns: thumbnails in a row.
      rows: rows on a sheet.
      exclude: name of the file in which the reader lists images to leave out, printed on the sheet.
      progress: called with the number of images of each sheet once it is drawn.

    Returns:
      The paths of the sheets, in order. A file that is no image has an empty cell with a note.

    Raises:
      UserError: no images below `root`, or a sheet cannot be written.
    """
    root, drawn = Path(root), []
    for folder, files in groupby(image_files(root), lambda path: path.parent):
        name = folder.relative_to(root)
        paths = list(files)
        pages = [paths[k : k + columns * rows] for k in range(0, len(paths), columns * rows)]
        for number, page in enumerate(pages, 1):
            target = Path(directory) / name.parent / f"{name.name or 'images'}_{number:02d}.png"
            folder_name = printable((name if name.name else root).as_posix())
            title = f"{folder_name}: {len(paths):,} images, sheet {number} of {len(pages)}"
            example = printable((name / page[0].name).as_posix())
            subtitle = f"Leave an image out: write its path, like {example}, into {exclude}"
            cells = [[_thumbnail(path)] for path in page]
            drawn.append(draw_sheet(cells, target, title, subtitle, columns=columns))
            progress(len(page))
    return drawn


def _row_and_column(sizes: Sequence[int], columns: int) -> tuple[list[tuple[int, int]], int]:
    """Returns (row, column) of each group's first cell, and the number of rows."""
    positions: list[tuple[int, int]] = []
    row = column = 0
    for size in sizes:
        if column + size > columns and column:
            row, column = row + 1, 0
        positions.append((row, column))
        column += size
    return positions, row + 1 if sizes else 0


def _thumbnail(path: Path) -> Cell:
    """Returns the cell of an image file, with its name, or an empty one if it cannot be read."""
    try:
        image = read_unresized(path)
    except UserError:
        return Cell(
            np.full((2, 2, 1), 255, np.uint8), ("cannot be read", *_wrap_name(printable(path.name)))
        )
    return Cell(image, tuple(_wrap_name(printable(path.name))))


def _wrap_name(name: str) -> Iterator[str]:
    """Yields a file name in one or two lines, split at the last separator that fits the width."""
    font, split_at = _font(10), len(name)
    while split_at > 1 and font.getlength(name[:split_at]) > _SIDE:
        split_at -= 1
    if split_at < len(name):
        split_at = max(name.rfind(mark, 1, split_at) + 1 for mark in "_- ") or split_at
    yield name[:split_at]
    if rest := name[split_at:]:
        yield shorten(rest, 16, tail=True)


def _draw_cell(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, cell: Cell, left: int, top: int
) -> None:
    """Draws one thumbnail, as large as fits its square, and its lines of text."""
    grey = cell.image.shape[-1] == 1
    image = Image.fromarray(cell.image[..., 0] if grey else cell.image).convert("RGB")
    scale = _SIDE / max(image.size)
    width, height = (max(1, round(scale * length)) for length in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    sheet.paste(image, (left + (_SIDE - width) // 2, top + (_SIDE - height) // 2))
    for k, text in enumerate(cell.lines):
        position = left, top + _SIDE + 6 + k * _LINE
        _write_line(pen, position, text, _font(10), INK if k == 0 else MUTED, _SIDE + _GAP // 2)


def _with_palette(sheet: Image.Image, bars: Sequence[tuple[int, int, str]]) -> Image.Image:
    """Returns the sheet in at most 256 colours, with bars at (left, top) in exact colours."""
    # True colour takes three times as many bytes. A palette that is chosen by frequency would lose
    # the colours of the thin bars, so these have their own entries.
    colours = sorted({colour for _, _, colour in bars})
    sheet_colours = 256 - len(colours)
    indexed = sheet.quantize(sheet_colours, dither=Image.Dither.NONE)
    palette = (indexed.getpalette() or [])[: 3 * sheet_colours]
    palette += [0] * (3 * sheet_colours - len(palette))
    for colour in colours:
        palette += ImageColor.getrgb(colour)[:3]
    indexed.putpalette(palette)
    pen = ImageDraw.Draw(indexed)
    for left, top, colour in bars:
        box = (left, top, left + _SIDE - 1, top + 2)
        pen.rectangle(box, fill=sheet_colours + colours.index(colour))
    return indexed


def _write_line(
    pen: ImageDraw.ImageDraw,
    position: tuple[int, int],
    text: str,
    font: ImageFont.FreeTypeFont,
    colour: str,
    width: int,
) -> None:
    """Writes a line of text, shortened to `width` pixels; names need not be valid Unicode."""
    text = text.encode("utf-8", "replace").decode()
    limit = len(text)
    while limit > 1 and font.getlength(shorten(text, limit)) > width:
        limit -= 1
    pen.text(position, shorten(text, limit), fill=colour, font=font)


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Returns the font of the figures, which is installed with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
