"""The model card travels with an export: inside each file that can hold a text."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from ferjax.config.predict_and_export import ExportConfig
from ferjax.export import onnx_format, tflite_format
from ferjax.export.browser_format import page_facts
from ferjax.export.exported_file import CheckFaces, FormatOptions
from ferjax.export.exported_network import CARD_KEY, ExportedNetwork
from ferjax.export.onnx_format import write_onnx
from ferjax.export.pytorch_format import write_pytorch
from ferjax.export.tflite_format import write_tflite
from ferjax.report.responsible_use import ANNEX_III_1_C, ARTICLE_5_1_F, ARTICLE_50_3, FORBIDDEN_USES


def test_the_card_is_inside_every_file_that_holds_text(
    small_network: Callable[..., ExportedNetwork],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The converters, which need environments of their own, are asked to write it."""
    network = small_network("cnn3", scaled=False)
    card = {**network.card, "limits": list(FORBIDDEN_USES), "intended_use": [], "licence": {}}
    network, asked = replace(network, card=card), list[dict[str, Any]]()
    card = json.loads(json.dumps(card))

    def convert(python: Path, module: str, request: dict[str, Any], *_: object) -> dict[str, Any]:
        asked.append(request)
        return {}

    for module in (onnx_format, tflite_format):
        monkeypatch.setattr(module, "run_converter", convert)
        monkeypatch.setattr(module, "converter_python", lambda *_: Path("python"))
    faces = CheckFaces(np.zeros((1, *network.input_shape), np.uint8), None, "drawn", False)
    options = FormatOptions(ExportConfig(weights="x", out="x"), faces, faces, progress=False)
    write_onnx(network, tmp_path, options)
    write_tflite(network, tmp_path, options)
    onnx, tflite = asked
    (written,) = write_pytorch(network, tmp_path, options)
    with safe_open(written.path.with_suffix(".safetensors"), "numpy") as file:
        header = file.metadata()
    for text in (onnx["metadata"][CARD_KEY], tflite["attached"][f"{CARD_KEY}.json"]):
        assert json.loads(text) == card
    assert json.loads(header[CARD_KEY]) == card
    assert json.loads(page_facts(network))["limits"] == card["limits"]


def test_the_law_is_quoted_word_for_word() -> None:
    """Regulation (EU) 2024/1689; as published in OJ L, 12.7.2024."""
    assert ARTICLE_5_1_F == (
        "the placing on the market, the putting into service for this specific purpose, or the use"
        " of AI systems to infer emotions of a natural person in the areas of workplace and"
        " education institutions, except where the use of the AI system is intended to be put in"
        " place or into the market for medical or safety reasons"
    )
    assert ARTICLE_50_3 == (
        "Deployers of an emotion recognition system or a biometric categorisation system shall"
        " inform the natural persons exposed thereto of the operation of the system, and shall"
        " process the personal data in accordance with Regulations (EU) 2016/679 and (EU) 2018/1725"
        " and Directive (EU) 2016/680, as applicable."
    )
    assert ANNEX_III_1_C == "AI systems intended to be used for emotion recognition"
    for quoted in (ARTICLE_5_1_F, ARTICLE_50_3, ANNEX_III_1_C):
        assert any(f"“{quoted}”" in line for line in FORBIDDEN_USES)
