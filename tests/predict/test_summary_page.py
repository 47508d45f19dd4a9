"""The page about a table: counts and examples by hand; it opens offline."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from ferjax.predict.summary_page import Named, choose_examples, write_summary

CLASSES = ("anger", "happiness", "<b>odd</b>")


def faces() -> list[Named]:
    """Twenty faces: the first ten are happy, ever more clearly; the others angry, barely."""
    happy = [Named(k, (0.1, 0.5 + k / 30, 0.4 - k / 30), f"{k}.png") for k in range(10)]
    return [*happy, *(Named(10 + k, (0.4, 0.3, 0.3), f"<{k}>.png") for k in range(10))]


def test_counts_and_examples() -> None:
    chosen = choose_examples(faces())
    assert (dict(chosen.counts), chosen.total) == ({1: 10, 0: 10}, 20)
    np.testing.assert_allclose(chosen.means, np.mean([f.probabilities for f in faces()], 0))
    assert [face.where for face in chosen.most[1]] == [9, 8, 7, 6, 5, 4, 3, 2]
    # Equal ones in the order of the table.
    assert [face.where for face in chosen.most[0]] == list(range(10, 18))
    assert [face.where for face in chosen.least] == [*range(10, 20), 0, 1, 2, 3, 4, 5]
    none = choose_examples([])
    assert (none.total, none.least) == (0, [])


class _Tags(HTMLParser):
    """Collects tags and checks that each one that opens is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_says_what_an_emotion_here_is(tmp_path: Path) -> None:
    write_summary(tmp_path / "p.html", "A", {}, choose_examples(faces()), CLASSES, {})
    text = (tmp_path / "p.html").read_text("utf-8")
    assert "what people would name in the picture, not what somebody feels" in text
    assert "(Regulation (EU) 2024/1689, Article 5(1)(f))" in text
    assert "people must be told (Article 50(3))" in text


def test_the_page_is_whole_and_opens_offline(tmp_path: Path) -> None:
    pictures = {k: np.full((20, 30, 3), 10 * k, np.uint8) for k in range(19)}
    path = tmp_path / "page.html"
    write_summary(path, "A <title>", {"inputs": "20"}, choose_examples(faces()), CLASSES, pictures)
    text, tags = path.read_text("utf-8"), _Tags()
    tags.feed(text)
    assert tags.open == []
    assert "<b>odd" not in text
    assert "A &lt;title&gt;" in text
    images = [attributes for tag, attributes in tags.seen if tag == "img"]
    # Eight of each emotion, and fifteen of the least certain: one has no picture.
    assert len(images) == 8 + 8 + 15
    assert all(str(image["src"]).startswith("data:image/") for image in images)
    assert all(image["alt"] for image in images)
    # Ten faces each: the sections have the order of the table, although a happy face came first.
    assert text.index("<h2>Most clearly anger") < text.index("<h2>Most clearly happiness")
    assert text.index('<th scope="row">anger') < text.index('<th scope="row">happiness')


def test_only_uncertain_faces_are_called_so(tmp_path: Path) -> None:
    certain = [Named(k, (0.2, 0.7, 0.1), f"{k}.png") for k in range(3)]
    pictures = {k: np.zeros((9, 9, 1), np.uint8) for k in range(4)}
    path, counts = tmp_path / "page.html", []
    for faces_shown in (certain, [*certain, Named(3, (0.31, 0.69, 0.0), "3.png")]):
        write_summary(path, "A", {}, choose_examples(faces_shown), CLASSES, pictures)
        text = path.read_text("utf-8")
        counts.append(text.partition("<h2>Least certain</h2>")[2].count("<figure>"))
        assert "70 %" in text
    assert counts == [0, 1]
