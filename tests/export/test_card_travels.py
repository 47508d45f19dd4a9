"""The model card travels with an export: inside each file that can hold a text."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jax import export
from safetensors import safe_open
from safetensors.numpy import load_file

from ferjax.config.predict_and_export import ExportConfig
from ferjax.export import onnx_format, tflite_format
from ferjax.export.browser_format import page_facts
from ferjax.export.exported_file import CheckFaces, FormatOptions
from ferjax.export.exported_network import (
    CARD_FILE,
    CARD_KEY,
    ExportedNetwork,
    card_json,
    weights_bytes,
)
from ferjax.export.onnx_format import write_onnx
from ferjax.export.pytorch_format import write_pytorch
from ferjax.export.safetensors_format import write_safetensors
from ferjax.export.stablehlo_format import export_stablehlo, write_stablehlo
from ferjax.export.tflite_format import write_tflite
from ferjax.report.responsible_use import ANNEX_III_1_C, ARTICLE_5_1_F, ARTICLE_50_3, FORBIDDEN_USES


@pytest.fixture
def network(small_network: Callable[..., ExportedNetwork]) -> ExportedNetwork:
    """Returns a network whose card has limits, and what a card says of files."""
    network = small_network("cnn3", scaled=False)
    card = {"limits": list(FORBIDDEN_USES), "intended_use": [], "licence": {}}
    of_files = {"sha256": "0" * 64, "bytes": 1, "exports": {}}
    return replace(network, card={**network.card, **card, **of_files})


def card_of_network(network: ExportedNetwork) -> dict[str, Any]:
    """Returns the card that a file holds: nothing in it is about files."""
    card = json.loads(json.dumps(network.card))
    return {key: value for key, value in card.items() if key not in ("sha256", "bytes", "exports")}


def format_options(network: ExportedNetwork) -> FormatOptions:
    faces = CheckFaces(np.zeros((1, *network.input_shape), np.uint8), None, "drawn", False)
    return FormatOptions(ExportConfig(weights="x", out="x"), faces, faces, progress=False)


def test_the_card_is_inside_the_files_that_need_no_converter(
    network: ExportedNetwork, tmp_path: Path
) -> None:
    """Each file is opened with the library that reads it, and holds the same network as without."""
    options, name, card = format_options(network), network.name, card_of_network(network)
    write_safetensors(network, tmp_path, options)
    (module,) = write_pytorch(network, tmp_path, options)
    for path in (tmp_path / f"{name}.safetensors", module.path.with_suffix(".safetensors")):
        with safe_open(path, "numpy") as file:
            assert json.loads(file.metadata()[CARD_KEY]) == card
    stored = load_file(tmp_path / f"{name}.safetensors")
    np.testing.assert_array_equal(
        stored["params/head/bias"], network.variables["params"]["head"]["bias"]
    )
    (program,) = write_stablehlo(network, tmp_path, options)
    with zipfile.ZipFile(program.path) as archive:
        assert archive.namelist() == [CARD_FILE]
        assert json.loads(archive.read(CARD_FILE)) == card
    faces = np.arange(3 * 44 * 40, dtype=np.uint8).reshape(3, 44, 40, 1)
    found: Any = export.deserialize(bytearray(program.path.read_bytes())).call(faces)
    expected: Any = export_stablehlo(network).call(faces)
    for emotion in network.classes:
        np.testing.assert_array_equal(found[emotion], expected[emotion])
    # Nor does the program say where on this machine the sources lie.
    assert b"stablehlo_format.py" in program.path.read_bytes()
    # It is the same whoever exports it: the calling program is not named.
    assert Path(__file__).name.encode() not in program.path.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in program.path.read_bytes()


def test_the_card_is_given_to_the_converters(
    network: ExportedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they write is opened in test_onnx_format.py and test_tflite_format.py."""
    asked, card = list[dict[str, Any]](), card_of_network(network)

    def convert(python: Path, module: str, request: dict[str, Any], *_: object) -> dict[str, Any]:
        asked.append(request)
        return {}

    for module in (onnx_format, tflite_format):
        monkeypatch.setattr(module, "run_converter", convert)
        monkeypatch.setattr(module, "converter_python", lambda *_: Path("python"))
    write_onnx(network, tmp_path, format_options(network))
    write_tflite(network, tmp_path, format_options(network))
    onnx, tflite = asked
    for text in (onnx["metadata"][CARD_KEY], tflite["attached"][CARD_FILE]):
        assert json.loads(text) == card
    assert json.loads(page_facts(network))["limits"] == card["limits"]


def test_equal_networks_give_equal_weights_files(network: ExportedNetwork) -> None:
    """Also if the card came from another file of the same network; and a class of any name."""
    other = replace(network, card=card_of_network(network))
    assert weights_bytes(other) == weights_bytes(network)
    odd = replace(network, card={**network.card, "classes": ["caf\udce9", "café"]})
    assert json.loads(card_json(odd))["classes"] == ["caf\udce9", "café"]
    assert weights_bytes(odd) != weights_bytes(network)


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
        " and Directive (EU) 2016/680, as applicable. This obligation shall not apply to AI systems"
        " used for biometric categorisation and emotion recognition, which are permitted by law to"
        " detect, prevent or investigate criminal offences, subject to appropriate safeguards for"
        " the rights and freedoms of third parties, and in accordance with Union law."
    )
    assert ANNEX_III_1_C == "AI systems intended to be used for emotion recognition"
    for quoted in (ARTICLE_5_1_F, ARTICLE_50_3, ANNEX_III_1_C):
        assert any(f"“{quoted}”" in line for line in FORBIDDEN_USES)
