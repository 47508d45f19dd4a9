"""A Markdown report as one HTML file: pictures inside, contents from its headings, no script."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it.token import Token
from markupsafe import Markup

import ferjax
from ferjax.report.html.embedded_pictures import embedded_file
from ferjax.report.html.markdown_parser import parse, render
from ferjax.report.html.page_templates import render_page
from ferjax.runtime.atomic_files import write_atomically

_WARNING = "[!WARNING]"


def write_markdown_page(path: Path, text: str) -> Path:
    """Writes a report as Markdown, and as HTML beside it; returns the path of the Markdown file.

    Args:
      path: the Markdown file; the HTML file has the same name and ends in .html.
      text: the Markdown. The pictures that it shows must be in the folder already.

    Raises:
      UserError: a file cannot be written.
    """
    path = write_atomically(path, text)
    write_atomically(path.with_suffix(".html"), markdown_page_to_html(text, path.parent, path.name))
    return path


def markdown_page_to_html(text: str, folder: Path, source: str = "") -> str:
    """Returns a Markdown page as one HTML file that opens anywhere, without any request.

    Args:
      text: CommonMark with tables. HTML in it is shown as text. A link to a Markdown file leads to
        the HTML file beside that one, where there is one.
      folder: the folder to which its pictures and links are relative. A picture that is not in it,
        or is neither PNG nor JPEG, is replaced by its alternative text.
      source: name of the Markdown file with the same text; the last line of the page names it.
    """
    tokens = parse(text)
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                _embed_picture(child, folder)
            elif child.type == "link_open":
                _follow_to_html(child, folder)
    headings = list(_mark_headings(tokens))
    _mark_tables(tokens)
    _mark_warnings(tokens)
    _make_figures(tokens)
    title = next((heading for level, heading, _ in headings if level == 1), "Report")
    return render_page(
        "report.html",
        title=title,
        contents=[(name, anchor) for level, name, anchor in headings if level == 2],
        # `render` has escaped all text.
        body=Markup(render(tokens)),
        source=source,
        version=ferjax.__version__,
    )


def _embed_picture(token: Token, folder: Path) -> None:
    """Replaces the address of a picture by its data, or the picture by its alternative text."""
    embedded = embedded_file(str(token.attrs["src"]), folder)
    if embedded is None:
        token.type, token.tag, token.attrs = "text", "", {}
        token.content = f"(no picture: {_plain_text(token.children or ())})"
        return
    data, width, height = embedded
    token.attrs = {"src": data, "width": width, "height": height, "alt": ""}


def _follow_to_html(token: Token, folder: Path) -> None:
    """Changes a link to a Markdown file into a link to the HTML file beside it, if one exists."""
    address = str(token.attrs["href"])
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path.endswith(".md"):
        return
    if (folder / unquote(parts.path)).with_suffix(".html").is_file():
        token.attrs["href"] = parts._replace(path=parts.path[:-3] + ".html").geturl()


def _mark_headings(tokens: Sequence[Token]) -> Iterator[tuple[int, str, str]]:
    """Gives every heading a unique anchor; yields level, text and anchor."""
    taken: set[str] = set()
    for token, inline in itertools.pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = _plain_text(inline.children or ())
        name = re.sub(r"\W+", "-", text.lower()).strip("-") or "section"
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        anchor = next(name for name in names if name not in taken)
        taken.add(anchor)
        token.attrSet("id", anchor)
        yield int(token.tag[1]), text, anchor


def _mark_tables(tokens: Sequence[Token]) -> None:
    """Names each table after its heading, and aligns columns of numbers by a class."""
    heading = ""
    for token, following in itertools.pairwise(tokens):
        if token.type == "heading_open":
            heading = _plain_text(following.children or ())
        elif token.type == "table_open":
            token.meta["label"] = f"Table: {heading}"
        elif token.type in ("th_open", "td_open"):
            # The page's policy allows no style in an attribute.
            if token.attrs.pop("style", "") == "text-align:right":
                token.attrSet("class", "number")
            if token.type == "th_open":
                token.attrSet("scope", "col")


def _mark_warnings(tokens: Sequence[Token]) -> None:
    """Turns GitHub's warning mark at the beginning of a quotation into the heading of a box."""
    for quotation, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if quotation.type == "blockquote_open" and inline.content == _WARNING:
            quotation.attrSet("class", "warning")
            paragraph.attrSet("class", "kind")
            inline.children = [Token("text", "", 0, content="Warning")]


def _make_figures(tokens: list[Token]) -> None:
    """Turns each paragraph that holds only a picture, and its caption below, into a figure."""
    for k in range(len(tokens) - 2):
        if [child.type for child in tokens[k + 1].children or ()] != ["image"]:
            continue
        tokens[k].tag = tokens[k + 2].tag = "figure"
        below = [child.type for child in _children(tokens, k + 4)]
        if below[:1] == ["em_open"] and below[-1:] == ["em_close"]:
            caption = tokens[k + 3 : k + 6]
            caption[0].tag = caption[2].tag = "figcaption"
            caption[1].children = _children(tokens, k + 4)[1:-1]
            tokens[k + 2 : k + 6] = [*caption, tokens[k + 2]]


def _children(tokens: Sequence[Token], index: int) -> list[Token]:
    return list(tokens[index].children or ()) if index < len(tokens) else []


def _plain_text(children: Sequence[Token]) -> str:
    return "".join(
        _plain_text(child.children) if child.children else child.content for child in children
    )
