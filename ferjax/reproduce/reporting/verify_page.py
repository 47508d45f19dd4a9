"""Checks a page: every number is computed again from the predictions in it, and compared.

The page may come from anybody. It is parsed, never shown or executed; its results are read with
limits on their size; and the claims are those of this ferjax, not those of the page.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2

from ferjax.config.reproduce_config import PAPERS
from ferjax.errors import UserError
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.reporting.build_report import build_report
from ferjax.reproduce.reporting.embedded_results import results_from_json
from ferjax.reproduce.reporting.page import LARGEST, render_report
from ferjax.reproduce.stand_ins import with_stand_ins

# Elements that have no end tag.
_EMPTY = frozenset({"br", "img", "link", "meta", "hr", "input"})
_DATA = "data:image/png;base64,"
# What results that do not fit together end in.
_DAMAGES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    jinja2.TemplateError,
)


@dataclass
class _Content:
    """What a page shows.

    Attributes:
      cells: id → text of every element with `data-cell`.
      rest: all other texts, in their order.
      pictures: figure → sha256 of its pictures.
      block: text of the JSON block.
      repeated: ids that occur twice.
    """

    cells: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)
    pictures: dict[str, list[str]] = field(default_factory=dict)
    block: str = ""
    repeated: list[str] = field(default_factory=list)


class _Parser(HTMLParser):
    """Collects a page's content."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.content = _Content()
        # (tag, id of the cell, figure) of every open element.
        self.open: list[tuple[str, str | None, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        cell, figure = given.get("data-cell"), None
        if tag == "figure":
            figure = str(given.get("id") or "").removeprefix("figure-")
        if cell is not None:
            if cell in self.content.cells:
                self.content.repeated.append(cell)
            self.content.cells[cell] = ""
        if tag == "img":
            name = next((f for _, _, f in reversed(self.open) if f is not None), "")
            self.content.pictures.setdefault(name, []).append(_digest(given.get("src") or ""))
        if tag not in _EMPTY:
            self.open.append((tag, cell, figure))

    def handle_endtag(self, tag: str) -> None:
        for k in range(len(self.open) - 1, -1, -1):
            if self.open[k][0] == tag:
                del self.open[k:]
                return

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _, _ in self.open]
        if "script" in tags:
            self.content.block += data
            return
        if "style" in tags:
            return
        cell = next((c for _, c, _ in reversed(self.open) if c is not None), None)
        if cell is not None:
            self.content.cells[cell] += data
        elif text := " ".join(data.split()):
            self.content.rest.append(text)


def verify_page(path: Path) -> tuple[list[str], int]:
    """Returns what differs, one line for each, and how many cells were compared.

    Args:
      path: the page.

    Raises:
      UserError: it is no page of launch.reproduce, or its results are damaged.
    """
    content = _parse(path)
    try:
        block = json.loads(content.block)
        name, lacks, missing, settings = (
            block[key] for key in ("paper", "lacks", "missing", "settings")
        )
        stated = block["pictures"]
        results = block["results"]
    except _DAMAGES as error:
        raise _foreign(path, f"no results in it ({error})") from None
    if name not in PAPERS:
        raise _foreign(path, f"it is about {name!r:.60}")
    try:
        found = results_from_json(results)
        paper, _ = with_stand_ins(find_paper(name), lambda one: lacks.get(one.name))
        report = build_report(paper, found, missing, settings)
        again = _Parser()
        shown = {one["name"]: [] for one in report["figures"]}
        again.feed(render_report(report, shown, {}))
    except UserError as error:
        raise UserError(f"--verify={path}: {error}") from None
    except _DAMAGES as error:
        raise _foreign(path, f"its results do not fit together: {error!r:.200}") from None
    differences = list(_differences(content, again.content, stated))
    return differences, len(again.content.cells)


def _parse(path: Path) -> _Content:
    try:
        if path.stat().st_size > 2 * LARGEST:
            raise _foreign(path, "it is too large")
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"--verify={path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise _foreign(path, "it is no text") from None
    parser = _Parser()
    parser.feed(text)
    parser.close()
    if not parser.content.block or not parser.content.cells:
        raise _foreign(path, "no results in it")
    return parser.content


def _differences(page: _Content, again: _Content, stated: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for each cell, picture and text that is not what the results give."""
    for cell in page.repeated:
        yield f"{cell}: is on the page twice"
    for cell, text in again.cells.items():
        if cell not in page.cells:
            yield f"{cell}: is missing; the predictions give {text!r}"
        elif page.cells[cell] != text:
            yield f"{cell}: the page says {page.cells[cell]!r}, the predictions give {text!r}"
    for cell in page.cells.keys() - again.cells.keys():
        yield f"{cell}: the page says {page.cells[cell]!r}, which nothing gives"
    if page.rest != again.rest:
        pairs = zip([*page.rest, ""], [*again.rest, ""], strict=False)
        one, other = next((a, b) for a, b in pairs if a != b)
        yield f"text of the page: {one!r:.100} in place of {other!r:.100}"
    for figure in dict.fromkeys([*stated, *page.pictures]):
        if page.pictures.get(figure, []) != stated.get(figure, []):
            yield f"figure {figure}: its pictures are not those that were written"


def _digest(source: str) -> str:
    """Returns the sha256 of a picture inside a page, or the start of another address."""
    try:
        return hashlib.sha256(base64.b64decode(source.removeprefix(_DATA))).hexdigest()
    except ValueError:
        return source[:80]


def _foreign(path: Path, why: str) -> UserError:
    return UserError(
        f"--verify={path}: it is no report of launch.reproduce, or a damaged one: {why}. Give a"
        " report.html as it was written."
    )
