"""Checks a page: every number is computed again from the predictions in it, and compared.

The page may come from anybody: its results are read with limits on their size, and what they are
judged by are the tables of this ferjax, not those of the page.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from ferjax.errors import UserError
from ferjax.reproduce.reporting.parsed_page import (
    PageContent,
    no_report,
    other_markup,
    parse_text,
    read_page,
)
from ferjax.reproduce.run_result import RunResult

# (results inside a page, figure → its pictures) → the page that they give.
PageOf = Callable[[Mapping[str, Any], Mapping[str, list[dict[str, Any]]]], str]
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


def verify_page(path: Path, page_of: Mapping[str, PageOf]) -> tuple[list[str], int]:
    """Returns what differs, one line for each, and how many cells were compared.

    Args:
      path: the page.
      page_of: what a page can be about, `paper` or `study` → how it is written again.

    Raises:
      UserError: it is no page of launch.reproduce, or its results are damaged.
    """
    content = read_page(path)
    try:
        block = json.loads(content.block)
        about = next(name for name in page_of if name in block)
        stated = dict(block["pictures"])
    except (*_DAMAGES, StopIteration) as error:
        raise no_report(path, f"no results in it ({error})") from None
    try:
        again = parse_text(page_of[about](block, content.images))
    except UserError as error:
        raise UserError(f"--verify={path}: {error}") from None
    except _DAMAGES as error:
        raise no_report(path, f"its results do not fit together: {error!r:.200}") from None
    return list(_differences(content, again, stated)), len(again.cells)


def settings_of_page(
    settings: Mapping[str, Any], results: Mapping[str, Sequence[RunResult]]
) -> dict[str, Any]:
    """Returns the settings of a page; it is a smoke run if one of its runs says so."""
    configs = [run.facts["config"] for group in results.values() for run in group]
    smoke = settings["smoke"] or any(config.get("smoke") for config in configs)
    return {**settings, "smoke": smoke}


def _differences(page: PageContent, again: PageContent, stated: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for each cell, picture and text that is not what the results give."""
    found = False
    for line in _named_differences(page, again, stated):
        found = True
        yield line
    if not found and (number := other_markup(page.text, again.text)):
        yield f"line {number} of the page: it is not what is written there"


def _named_differences(
    page: PageContent, again: PageContent, stated: Mapping[str, Any]
) -> Iterator[str]:
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
