"""What a browser bundle says of its network; the page itself: web/test_page.py."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ferjax
from ferjax.config.predict_and_export import ExportConfig
from ferjax.export import browser_format
from ferjax.export.browser_format import PAGE_FILES, page_facts, write_browser
from ferjax.export.exported_file import CheckFaces, FormatOptions
from ferjax.export.exported_network import ExportedNetwork
from ferjax.export.formats import FORMATS


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


def test_the_network_of_the_bundle_is_checked(
    small_network: Callable[..., ExportedNetwork], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a script that stands beside the bundle, with the Python of the converter."""
    network = small_network("cnn3", scaled=False)
    card = {**network.card, "intended_use": [], "limits": [], "licence": {}}
    network = dataclasses.replace(network, card=card)
    for name in ("onnx_file", "write_runtime"):
        monkeypatch.setattr(browser_format, name, lambda *_: None)
    monkeypatch.setattr(browser_format, "converter_python", lambda *_: Path("a/python"))
    faces = CheckFaces(np.zeros((1, *network.input_shape), np.uint8), None, "drawn", False)
    options = FormatOptions(ExportConfig(weights="x", out="x"), faces, faces, progress=False)
    (file,) = write_browser(network, tmp_path, options)
    assert file.network == tmp_path / "small-net-browser" / "network.onnx"
    assert ((file.usage,), file.python) == (FORMATS["browser"].usage, "a/python")


def test_the_page_names_no_other_host_and_writes_no_html() -> None:
    folder = Path(ferjax.__file__).parent / "export" / "web"
    texts = {name: (folder / name).read_text("utf-8") for name in PAGE_FILES}
    assert not [name for name, text in texts.items() if "http:" in text or "https:" in text]
    assert not [name for name, text in texts.items() if "innerHTML" in text]
    assert "default-src 'none'" in texts["index.html"]
    assert '<html lang="en">' in texts["index.html"]
