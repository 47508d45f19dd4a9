"""The text of a Markdown or HTML page without what says when it was made and how long it took."""

import re
import zlib
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

# Numbers and dates are not compared in a line of text, a row or a column that names one of these.
_OF_TIME = re.compile(
    r"\b(?:seconds|minutes?|hours?|milliseconds?|ms|min|GFLOP/s|utilisation|memory"
    r"|(?:image|face|frame|row)s? (?:a|per) (?:core-)?second|core-second|written|created)\b"
    r"|\d s\b"
)
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:\d\d| UTC)?)?"
    r"|\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November"
    r"|December) \d{4}"
)
COMMIT = re.compile(r"\b[0-9a-f]{40}\b(?: \+changes)?")
_PICTURE = re.compile(r"(?<=;base64,)[A-Za-z0-9+/=]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
# This section is left out, up to the next one or what is folded: it lists what was measured, and a
# run that was continued has not measured all of it.
_LEFT_OUT = re.compile(r"(?:## |<h2 id=time-and-memory>)Time and memory$")
_NEXT = re.compile(r"## |<h2 |(?:<details><summary>)?Configuration\b")
# What is folded below these headings is left out, up to the end of the JSON: the command line names
# the port at which processes meet, and the report of a run that another process has ended has two.
_ENVIRONMENT = re.compile(r"(?:<details><summary>)?Environment\b")
_JSON_END = "}"
# Marks of Markdown without a text of their own.
_MARKS = ("", "```", "</details>")

# Elements of HTML that do not begin a line, and attributes that say something.
_INSIDE_A_LINE = re.compile("a|abbr|b|bdi|br|code|em|i|small|span|strong|sub|sup|t[dh]|time")
_SAYING = {"alt", "class", "content", "d", "href", "id", "points", "src", "style", "title"}


def page_text(page: str, html: bool) -> list[str]:
    """Returns the lines of a page that must be equal; a table's row is a line.

    Args:
      page: text of the file, without the name of the folder that it lies in.
      html: whether it is HTML, of which the text, the links and the pictures are taken.
    """
    page = _PICTURE.sub(lambda found: str(zlib.crc32(found[0].encode())), page)
    page = COMMIT.sub("COMMIT", _DATE.sub("DATE", page))
    lines = _html_lines(page) if html else page.splitlines()
    return [*_without_times(" ".join(line.split()) for line in lines)]


def _without_times(lines: Iterable[str]) -> Iterator[str]:
    """Yields the lines; numbers that are times are replaced."""
    columns, in_table, left_out, in_json = set[int](), False, False, False
    for line in lines:
        left_out = _LEFT_OUT.match(line) is not None or (left_out and not _NEXT.match(line))
        in_json = in_json or _ENVIRONMENT.match(line) is not None
        if left_out or in_json:
            in_json = in_json and line != _JSON_END
            continue
        if not line.startswith("|"):
            in_table = False
            if line not in _MARKS:
                yield _NUMBER.sub("#", line) if _OF_TIME.search(line) else line
            continue
        cells = line.split("|")
        if not in_table:
            in_table = True
            columns = {k for k, cell in enumerate(cells) if _OF_TIME.search(cell)}
            yield line
        elif any(_OF_TIME.search(cell) for cell in cells):
            yield _NUMBER.sub("#", line)
        else:
            yield "|".join(_NUMBER.sub("#", c) if k in columns else c for k, c in enumerate(cells))


def _html_lines(page: str) -> list[str]:
    parser = _Lines()
    parser.feed(page)
    parser.close()
    return [*parser.lines, parser.line]


class _Lines(HTMLParser):
    """Collects the lines of an HTML page: a row of a table, a heading, a paragraph, a picture.

    Attributes:
      lines: that are complete.
      line: the one that is being collected.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.line = ""
        self._row, self._cells = False, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th"):
            self.line += " | " if self._cells else ""
            self._cells += 1
        elif not _INSIDE_A_LINE.fullmatch(tag) and not self._row:
            self._end()
        if tag == "tr":
            self._end()
            self._row, self._cells, self.line = True, 0, "| "
        values = [f"{name}={value}" for name, value in attrs if name in _SAYING]
        if values and tag not in ("td", "th"):
            self.line += f"<{tag} {' '.join(values)}>"

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self.line += " |"
            self._row = False
            self._end()
        elif not _INSIDE_A_LINE.fullmatch(tag) and not self._row:
            self._end()

    def handle_data(self, data: str) -> None:
        self.line += re.sub(r"\s+", " ", data) if self._row else data

    def _end(self) -> None:
        self.lines += [part for part in self.line.splitlines() if part.strip()]
        self.line = ""
