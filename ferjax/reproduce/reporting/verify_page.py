"""Checks a page: computes every number again from the predictions in it, and compares.

The page may come from anybody: its results are read with limits on their size, and are judged by
the tables of this version of ferjax, not by those of the page.
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

# Version of the pages, which changes with their rows and sentences. Pages before 2 lack it.
PAGE_FORMAT = 3
# Function: (results inside a page, figure → its pictures) → the page that they give, and a line for
# each contradiction among the results.
PageOf = Callable[[Mapping[str, Any], Mapping[str, list[dict[str, Any]]]], tuple[str, list[str]]]
# Errors that inconsistent results cause.
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
    """Returns a line for each difference, and the number of compared cells.

    Args:
      path: the page.
      page_of: subject of a page, `paper` or `study` → function that writes the page again.

    Raises:
      UserError: the file is no page of launch.reproduce, or of another version of it, or its
        results are damaged.
    """
    content = read_page(path)
    try:
        block = json.loads(content.block)
        subject = next(name for name in page_of if name in block)
        stated_pictures = dict(block["pictures"])
        found_format = int(block.get("page_format", 1))
    except (*_DAMAGES, StopIteration) as error:
        raise no_report(path, f"no results in it ({error})") from None
    if found_format != PAGE_FORMAT:
        raise UserError(
            f"--verify={path}: the page has format {found_format}, this version of ferjax writes"
            f" and verifies format {PAGE_FORMAT}. Verify it with the commit that stands at its top,"
            " or write it again from its folder: the command on the page, with --report."
        )
    try:
        page, contradictions = page_of[subject](block, content.images)
        rewritten = parse_text(page)
    except UserError as error:
        raise UserError(f"--verify={path}: {error}") from None
    except _DAMAGES as error:
        raise no_report(path, f"its results do not fit together: {error!r:.200}") from None
    differences = [*_differences(content, rewritten, stated_pictures), *contradictions]
    return differences, len(rewritten.cells)


def settings_of_page(
    settings: Mapping[str, Any], results: Mapping[str, Sequence[RunResult]]
) -> dict[str, Any]:
    """Returns the settings of a page; `smoke` is true if one of its runs is a smoke run."""
    configs = [run.facts["config"] for group in results.values() for run in group]
    smoke = settings["smoke"] or any(config.get("smoke") for config in configs)
    return {**settings, "smoke": smoke}


def _differences(
    page: PageContent, rewritten: PageContent, stated_pictures: Mapping[str, Any]
) -> Iterator[str]:
    """Yields a line for each cell, text and picture that differs from what the results give."""
    has_difference = False
    for line in _named_differences(page, rewritten, stated_pictures):
        has_difference = True
        yield line
    if not has_difference and (number := other_markup(page.text, rewritten.text)):
        yield f"line {number} of the page: it is not what is written there"


def _named_differences(
    page: PageContent, rewritten: PageContent, stated_pictures: Mapping[str, Any]
) -> Iterator[str]:
    """Yields the differences in cells, texts and pictures, but not those in the markup."""
    for cell in page.repeated:
        yield f"{cell}: is on the page twice"
    for cell, text in rewritten.cells.items():
        if cell not in page.cells:
            yield f"{cell}: is missing; the predictions give {text!r}"
        elif page.cells[cell] != text:
            yield f"{cell}: the page says {page.cells[cell]!r}, the predictions give {text!r}"
    for cell in page.cells.keys() - rewritten.cells.keys():
        yield f"{cell}: the page says {page.cells[cell]!r}, which nothing gives"
    if page.rest != rewritten.rest:
        pairs = zip([*page.rest, ""], [*rewritten.rest, ""], strict=False)
        one, other = next((a, b) for a, b in pairs if a != b)
        yield f"text of the page: {one!r:.100} in place of {other!r:.100}"
    for figure in dict.fromkeys([*stated_pictures, *page.pictures]):
        if page.pictures.get(figure, []) != stated_pictures.get(figure, []):
            yield f"figure {figure}: its pictures are not those that were written"
