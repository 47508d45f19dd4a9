"""What a browser bundle says of its network; the page itself: web/test_page.py."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import ferjax
from ferjax.export.browser_format import PAGE_FILES, page_facts
from ferjax.export.exported_network import ExportedNetwork


def test_the_page_gets_names_as_they_are(small_network: Callable[..., ExportedNetwork]) -> None:
    network = small_network("cnn3", scaled=False)
    card = {**network.card, "intended_use": ["<b>"], "limits": ["ü"], "licence": {"code": "x"}}
    facts = json.loads(page_facts(dataclasses.replace(network, card=card)))
    assert facts == {
        "name": "small-net",
        "classes": ["neutral", "fear", "anger", "a b/<c>", "joy"],
        "height": 44,
        "width": 40,
        "channels": 1,
        "intended_use": ["<b>"],
        "limits": ["ü"],
        "licence": {"code": "x"},
    }


def test_the_page_names_no_other_host_and_writes_no_html() -> None:
    folder = Path(ferjax.__file__).parent / "export" / "web"
    texts = {name: (folder / name).read_text("utf-8") for name in PAGE_FILES}
    assert not [name for name, text in texts.items() if "http:" in text or "https:" in text]
    assert not [name for name, text in texts.items() if "innerHTML" in text]
    assert "default-src 'none'" in texts["index.html"]
    assert '<html lang="en">' in texts["index.html"]
