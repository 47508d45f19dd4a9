"""Reports as HTML: cells and pictures against the Markdown, names with markup, no requests."""

import base64
import hashlib
import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from ferjax.report.html.markdown_page import markdown_page_to_html, write_markdown_page
from ferjax.report.pages.markdown_tables import escape, table
from ferjax.report.pages.report_files import write_report
from ferjax.report.scores import scores

CLASSES = ["<b>x</b>&|", "__init__ *y*", "[z](javascript:alert(1))", "&lt; `c` \\", "</details>"]


class Page(HTMLParser):
    """What a reader sees: the cells of each table, headings, links, pictures, and all tags."""

    # Tags that have no end.
    _SINGLE = ("meta", "img", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: list[list[list[str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self._SINGLE:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
        elif tag == "br" and "table" in self.open:
            self.tables[-1][-1][-1] += "\n"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.texts[tag][-1] += data
        if "td" in self.open or "th" in self.open:
            # The end of the line that a break stands on.
            cell = self.tables[-1][-1][-1]
            self.tables[-1][-1][-1] += data.removeprefix("\n") if cell[-1:] == "\n" else data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def markdown_tables(text: str) -> list[list[list[str]]]:
    """Returns the cells of the Markdown's tables as plain text, read without a Markdown library."""
    tables = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line.startswith("|")]
        if lines:
            rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in [lines[0], *lines[2:]]]
            tables.append([[plain(cell.strip()) for cell in row] for row in rows])
    return tables


def plain(cell: str) -> str:
    cell = re.sub(r"(?<!\\)\[([^]]*)\]\([^)]*\)", r"\1", cell.removeprefix("**").removesuffix("**"))
    cell = cell.replace("<br>", "\n")
    return html.unescape(re.sub(r"\\([\\|*`_\[\]])", r"\1", cell))


def report(folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("curves.png", "confusion [test].png"):
        Image.fromarray(np.full((4, 6, 3), 200, np.uint8)).save(folder / name)
    confusion = np.diag([5, 4, 3, 2, 1]) + 1
    result = {**scores(confusion, CLASSES), "epoch": 3, "loss": 0.5}
    return {
        "title": "net <script>alert(1)</script> on _faces_",
        "summary": "val accuracy 50 %",
        "protocol": {"classes": CLASSES, "test": "not on disk"},
        "results": {"val": {"last": result, "selected": result}},
        "config": {"model": "</code></pre><b>"},
        "environment": {},
        "warnings": ["a class is called <b>x</b>&|", "second"],
        "notes": ["`note`"],
        "figures": [
            {"file": "curves.png", "caption": "Loss *and* accuracy"},
            {"file": "confusion [test].png", "caption": 'Of <b>x</b>&| "quoted" [test]'},
        ],
    }


def test_every_cell_and_picture_of_the_markdown_is_in_the_page(tmp_path: Path) -> None:
    path = write_report(report(tmp_path), tmp_path)
    assert path.name == "report.md"
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    markdown = path.read_text("utf-8")
    assert page.tables == markdown_tables(markdown)
    # Results, protocol, scores of each class, confusion matrix.
    assert len(page.tables) == 4
    assert [row[0] for row in page.tables[2][1:6]] == CLASSES
    assert page.tables[3][0][1:] == CLASSES
    assert ["classes", "\n".join(CLASSES)] in page.tables[1]
    pictures = page.all("img")
    assert [picture["alt"] for picture in pictures] == [
        "Loss *and* accuracy",
        'Of <b>x</b>&| "quoted" [test]',
    ]
    assert page.texts["figcaption"] == [picture["alt"] for picture in pictures]
    for name, picture in zip(("curves.png", "confusion [test].png"), pictures, strict=True):
        kind, data = picture["src"].split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == (tmp_path / name).read_bytes()
        assert (picture["width"], picture["height"]) == ("6", "4")


def test_names_with_markup_stay_text(tmp_path: Path) -> None:
    write_report(report(tmp_path), tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert page.texts["h1"] == page.texts["title"] == ["net <script>alert(1)</script> on _faces_"]
    assert not page.all("script")
    assert not page.all("b")
    assert not page.all("em")
    assert page.texts["blockquote"][0].split("\n\n")[0].startswith("\nWarning")
    assert "a class is called <b>x</b>&|" in page.texts["li"]
    assert '"</code></pre><b>"' in page.texts["code"][0]
    # The configuration, closed by its own end and not by the class of that name.
    assert len(page.all("details")) == 1
    assert all(not a["href"].startswith("javascript") for a in page.all("a"))


def test_the_page_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    write_report(report(tmp_path), tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    sources = [a.get(name, "") for _, a in page.tags for name in ("src", "srcset", "data")]
    sources += [attributes["href"] for attributes in page.all("link")]
    assert all(source.startswith("data:") for source in sources if source)
    assert not re.search(r"https?://|@import|url\(", text)
    assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    digest = hashlib.sha256(page.texts["style"][0].encode()).digest()
    assert f"style-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_contents_lead_to_the_headings(tmp_path: Path) -> None:
    text = "# A page\n\nwords\n\n## Same *one*\n\n## Same one\n\n### Below\n\n## ---\n"
    page = Page(markdown_page_to_html(text, tmp_path))
    anchors = [a["id"] for tag, a in page.tags if tag in ("h1", "h2", "h3")]
    assert len(set(anchors)) == len(anchors) == 5
    entries = [a["href"] for a in page.all("a") if a["href"] != "#content"]
    assert entries == [f"#{anchors[k]}" for k in (1, 2, 4)]
    assert page.texts["nav"][0].split("\n")[-5:-2] == ["Same one", "Same one", "---"]


def test_columns_of_numbers_are_aligned(tmp_path: Path) -> None:
    page = Page(markdown_page_to_html(table(["name", "n"], [["a", "1"], ["b", "2"]]), tmp_path))
    cells = [a.get("class") for tag, a in page.tags if tag in ("th", "td")]
    assert cells == [None, "number"] * 3


def test_links_lead_to_the_page_beside_the_markdown(tmp_path: Path) -> None:
    write_markdown_page(tmp_path / "seed 0" / "report.md", "# Seed\n")
    text = "[a](seed%200/report.md) [b](seed_1/report.md) [c](https://example.org/x.md)\n"
    page = Page(markdown_page_to_html(text, tmp_path))
    links = [a["href"] for a in page.all("a")][1:]
    assert links == ["seed%200/report.html", "seed_1/report.md", "https://example.org/x.md"]


def test_only_pictures_of_the_folder_are_embedded(tmp_path: Path) -> None:
    inside = tmp_path / "page"
    inside.mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "outside.png")
    Image.new("RGB", (3, 2)).save(inside / "photo.jpg")
    (inside / "text.png").write_text("no picture")
    sources = ("../outside.png", str(tmp_path / "outside.png"), "text.png", "missing.png")
    sources += ("https://example.org/a.png", "photo.jpg")
    text = "\n\n".join(f"![alt {k}]({source})" for k, source in enumerate(sources))
    page = Page(markdown_page_to_html(text, inside))
    (picture,) = page.all("img")
    assert picture["src"].startswith("data:image/jpeg")
    data = base64.b64decode(picture["src"].split(",")[1])
    assert Image.open(io.BytesIO(data)).size == (3, 2)
    replaced = [f"(no picture: alt {k})" in page.texts["main"][0] for k in range(len(sources))]
    assert replaced == [True] * 5 + [False]


def test_html_in_the_markdown_is_text(tmp_path: Path) -> None:
    text = "<div>a</div>\n\nb <i onclick=x>c</i><br>d\n\n</details>\n\n<details><summary><b>\n"
    page = Page(markdown_page_to_html(text, tmp_path))
    assert not {"i", "details", "b"} & {tag for tag, _ in page.tags}
    for shown in ("<div>a</div>", "<i onclick=x>c</i>\nd", "</details>", "<summary><b>"):
        assert shown in page.texts["main"][0]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
@example("_a_ __b__")
@example("&amp; &#65; &copy")
@example("![a](b) <http://c> [d]: e")
@example("a\\|b\\")
@example("one\ntwo")
def test_escaped_text_reads_as_it_was(text: str) -> None:
    page = Page(markdown_page_to_html(table(["x"], [[escape(text)], ["end"]]), Path()))
    assert page.tables == [[["x"], [text.strip()], ["end"]]]
