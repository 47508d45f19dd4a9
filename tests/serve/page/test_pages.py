"""The pages as text: names are escaped, nothing comes from elsewhere, nothing runs inline."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

import ferjax.serve.pages as pages
from ferjax.config.serve_config import ServeConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.report.responsible_use import ANNEX_III_1_C, ARTICLE_5_1_F, ARTICLE_50_3
from ferjax.serve import recogniser as recognisers
from ferjax.serve.limits import limits_of
from ferjax.serve.pages import STATIC_FOLDER, api_page, first_page
from ferjax.serve.recogniser import Recogniser

MARKUP = "<script>alert('x')</script>\"&"


class Elements(HTMLParser):
    """Collects the elements of a page, each with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page(recogniser: Recogniser) -> str:
    return first_page(recogniser, limits_of(ServeConfig()), 0)


def test_names_with_markup_are_text(recogniser: Recogniser) -> None:
    classes = (MARKUP, *recogniser.classes[1:])
    named = replace(
        recogniser,
        name=MARKUP,
        predictor=replace(recogniser.predictor, classes=classes),
        card={**recogniser.card, "limits": [MARKUP], "intended_use": [MARKUP]},
    )
    page = first_page(named, limits_of(ServeConfig()), 0)
    assert "<script>alert" not in page
    scripts = [attributes for tag, attributes in Elements(page).found if tag == "script"]
    assert scripts == [{"src": "static/page.js", "defer": None}]
    body = next(attributes for tag, attributes in Elements(page).found if tag == "body")
    assert MARKUP in pages.json.loads(body["data-settings"] or "")["colours"]


def test_nothing_runs_inline_or_comes_from_elsewhere(page: str) -> None:
    names = [path.read_text("utf-8") for path in STATIC_FOLDER.iterdir()]
    for tag, attributes in Elements(page).found:
        assert tag != "style"
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "action"):
            assert not re.match("[a-z]+:|//", attributes.get(name) or "")
    for text in names:
        # Names of XML languages are no addresses that anything is loaded from.
        assert not re.findall(r"https?://(?!www\.w3\.org/)|innerHTML|eval\(|@import|url\(", text)


def test_what_is_seen_before_the_first_use(page: str) -> None:
    notice = page[page.index('id="notice"') : page.index("</details>")]
    assert page.index('id="notice"') < page.index('id="pictures"')
    for words in (
        "an expression, not an emotion",
        "decisions about people",
        "2024/1689",
        "Nothing",
    ):
        assert words in notice
    # The law itself stands on the card.
    for quoted in (ARTICLE_5_1_F, ARTICLE_50_3, ANNEX_III_1_C):
        assert f"“{quoted}”" in page
    assert "86.46 %" in page


def test_everything_that_is_entered_has_a_label(page: str) -> None:
    elements = Elements(page).found
    labels = {attributes.get("for") for tag, attributes in elements if tag == "label"}
    for tag, attributes in elements:
        if tag == "select" or (tag == "input" and attributes["type"] == "file"):
            assert attributes["id"] in labels
        if tag == "img":
            assert "alt" in attributes
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    script = (STATIC_FOLDER / "page.js").read_text("utf-8")
    assert set(re.findall(r'byId\("([\w-]+)"\)', script)) <= set(ids)


def test_a_run_without_card_and_calibration(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    uncalibrated = replace(recogniser.predictor, set_quantiles=None)
    monkeypatch.setattr(recognisers, "load_predictor", lambda *given: uncalibrated)
    monkeypatch.setattr(recognisers, "load_explainer", lambda *_, **__: recogniser.explainer)
    monkeypatch.setattr(recognisers, "named_card", lambda source: None)
    trained = TrainConfig(model="cnn3", dataset="fer2013")
    monkeypatch.setattr(recognisers, "network_config", lambda source: trained)
    of_run = recognisers.load_recogniser(ServeConfig(workdir="runs/mine"))
    assert (of_run.name, of_run.set_threshold) == ("mine", None)
    page = first_page(of_run, limits_of(ServeConfig()), 0)
    assert "no calibration" in page
    assert "EU AI Act" in page
    assert "fernet" not in page
    assert "86.46" not in page


@pytest.mark.parametrize("scores", [["86 %"], {"split": "val", "per_class": [{}]}])
def test_a_card_of_which_no_page_can_be_written_is_refused(
    scores: Any, recogniser: Recogniser
) -> None:
    damaged = replace(recogniser, card={**recogniser.card, "scores": scores})
    with pytest.raises(UserError, match=r"the card of fernet-\w+: a value is missing"):
        first_page(damaged, limits_of(ServeConfig()), 0)


def test_the_api_page_shows_every_route(client: Any, page: str) -> None:
    document = client.get("/openapi.json").json()
    text = api_page(document, "http://127.0.0.1:8000/")
    for path in document["paths"]:
        assert f"<code>{path}</code>" in text
    assert "<code>faces=auto</code> searches" in text
    assert client.get("/api").text == text
    assert text.count("http://127.0.0.1:8000/api/") == 3
    elsewhere = client.get("/api", headers={"Host": "localhost:8719"}).text
    assert elsewhere == text.replace("127.0.0.1:8000", "localhost:8719")
    assert client.get("/").text.startswith("<!doctype html>")
    for name in ("page.js", "page.css", "icon.svg"):
        assert client.get(f"/static/{name}").status_code == 200
    assert client.get("/static/../pages.py").status_code == 404
    assert client.get("/static/%2e%2e/pages.py").status_code == 404
