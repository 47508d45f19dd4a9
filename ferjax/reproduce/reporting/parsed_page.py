"""Parses the content of a page. It may come from anybody: it is never shown or executed."""

import base64
import hashlib
import struct
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from ferjax.config.given_files import special_kind
from ferjax.errors import UserError
from ferjax.reproduce.reporting.page import LARGEST

# Elements that have no end tag.
_EMPTY = frozenset({"br", "img", "link", "meta", "hr", "input"})
_DATA = "data:image/png;base64,"
_SCRIPT = '<script type="application/json" id="results">'


@dataclass
class PageContent:
    """The content of a page.

    Attributes:
      cells: id → text of every element with `data-cell`.
      rest: all other texts, in their order.
      pictures: figure → sha256 of its pictures.
      images: figure → its pictures as `render_report` takes them.
      block: text of the JSON block.
      repeated: ids of cells that occur more than once.
      text: the whole page.
    """

    cells: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)
    pictures: dict[str, list[str]] = field(default_factory=dict)
    images: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    block: str = ""
    repeated: list[str] = field(default_factory=list)
    text: str = ""


class _Parser(HTMLParser):
    """Collects a page's content."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.content = PageContent()
        # (tag, id of the cell, figure) of every open element.
        self.open_elements: list[tuple[str, str | None, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        cell, figure = attributes.get("data-cell"), None
        if tag == "figure":
            figure = str(attributes.get("id") or "").removeprefix("figure-")
        if cell is not None:
            if cell in self.content.cells:
                self.content.repeated.append(cell)
            self.content.cells[cell] = ""
        if tag == "img":
            name = next((f for _, _, f in reversed(self.open_elements) if f is not None), "")
            source = attributes.get("src") or ""
            self.content.pictures.setdefault(name, []).append(_digest(source))
            self.content.images.setdefault(name, []).append(_picture(source))
        if tag not in _EMPTY:
            self.open_elements.append((tag, cell, figure))

    def handle_endtag(self, tag: str) -> None:
        for k in range(len(self.open_elements) - 1, -1, -1):
            if self.open_elements[k][0] == tag:
                del self.open_elements[k:]
                return

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _, _ in self.open_elements]
        if "script" in tags:
            self.content.block += data
            return
        if "style" in tags:
            return
        cell = next((c for _, c, _ in reversed(self.open_elements) if c is not None), None)
        if cell is not None:
            self.content.cells[cell] += data
        elif text := " ".join(data.split()):
            self.content.rest.append(text)


def parse_text(text: str) -> PageContent:
    """Returns the content of a page."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    parser.content.text = text
    return parser.content


def other_markup(page: str, rewritten: str) -> int | None:
    """Returns the number of the first line that differs from the written page; None if none does.

    Cells and texts alone do not tell what a browser shows: a style can hide a number, or show
    another one in its place. So everything around the JSON block has to be equal, character by
    character.

    Args:
      page: text of the page.
      rewritten: text of the page as it is written again; its JSON block is not compared.
    """
    before, script, rest = rewritten.partition(_SCRIPT)
    _, end, after = rest.partition("</script>")
    before, after = before + script, end + after
    if page.startswith(before) and page.endswith(after) and len(before + after) <= len(page):
        # A written block has no "<", which could end the element.
        block = page[len(before) : len(page) - len(after)]
        if "<" not in block:
            return None
    lines = zip(page.splitlines(), (before + after).splitlines(), strict=False)
    return next((k for k, (one, other) in enumerate(lines, 1) if one != other), 1)


def read_page(path: Path) -> PageContent:
    """Returns the content of a page with results in it.

    Raises:
      UserError: the file cannot be read, or is no page of launch.reproduce.
    """
    if kind := special_kind(path):
        raise no_report(path, f"it is {kind}")
    try:
        if path.stat().st_size > 2 * LARGEST:
            raise no_report(path, "it is too large")
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"--verify={path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise no_report(path, "it is no text") from None
    content = parse_text(text)
    if not content.block or not content.cells:
        raise no_report(path, "no results in it")
    return content


def _digest(source: str) -> str:
    """Returns the sha256 of a picture inside a page, or the beginning of any other address."""
    try:
        return hashlib.sha256(base64.b64decode(source.removeprefix(_DATA))).hexdigest()
    except ValueError:
        return source[:80]


def _picture(source: str) -> dict[str, Any]:
    """Returns a picture as a page shows it: half as wide and high as its PNG, so that it is sharp.

    Only its header is read; width and height are 0 if it is no PNG.
    """
    try:
        head = base64.b64decode(source.removeprefix(_DATA)[:32], validate=True)
        width, height = struct.unpack(">II", head[16:24])
    except (ValueError, struct.error):
        width = height = 0
    return {"data": source, "width": width // 2, "height": height // 2}


def no_report(path: Path, why: str) -> UserError:
    """Returns the error for a file that is no report, or a damaged one."""
    return UserError(
        f"--verify={path}: it is no report of launch.reproduce, or a damaged one: {why}. Give a"
        " report.html as it was written."
    )
