"""Training of Awei on RAF-DB with the paper's recipe, from the released file layout to a report."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import pytest

from ferjax.experiment import run_train
from ferjax.models.awei import Awei
from ferjax.models.registry import MODELS
from ferjax.recipes import resolve
from ferjax.training.run_directory.metrics_jsonl import read_lines

CLASSES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
SIZES = [
    pytest.param("kaggle", 64, 8, id="kaggle-64"),
    pytest.param("official", 224, 8, id="official-224", marks=pytest.mark.slow),
    pytest.param("kaggle", 224, 8, id="kaggle-224", marks=pytest.mark.slow),
    pytest.param("official", 64, 8, id="official-64", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("layout", "side", "batch"), SIZES)
def test_awei_trains_on_rafdb(
    layout: str,
    side: int,
    batch: int,
    tmp_path: Path,
    make_rafdb: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    no_figures: None,
) -> None:
    if side == 64:
        # As small in its widths as in its input.
        small = partial(Awei, widths=(2, 3, 4, 5, 6), hidden=8)
        monkeypatch.setitem(MODELS, "awei", replace(MODELS["awei"], build=small))
    tree = make_rafdb(tmp_path / "RAF-DB", layout)
    given = {"model": "awei", "dataset": "rafdb", "data_dir": str(tree), "epochs": 1}
    size = {} if side == 224 else {"image_size": side}
    config = resolve({**given, **size, "workdir": str(tmp_path / "run"), "progress": False})
    assert (config.recipe, config.image_size) == ("liu_awei_rafdb", side)
    assert (config.batch_size, config.jumper, config.dropout) == (batch, "input", 0.5)
    run_train(config, jax.devices()[:1])
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    protocol = report["protocol"]
    assert protocol["recipe"] == "liu_awei_rafdb (P5 Liu)"
    words = {"official": "official", "kaggle": "class folders in train/, test/"}
    assert words[layout] in protocol["data set"].lower()
    assert protocol["classes"] == CLASSES
    assert protocol["input"].startswith(f"100x100 → {side}x{side}, 3 channel(s)")
    assert "aligned faces as released" in protocol["crop origin"]
    assert {name: kinds["last"]["count"] for name, kinds in report["results"].items()} == {
        "val": 7,
        "test": 7,
    }
    assert [(line["step"], line["split"]) for line in read_lines(tmp_path / "run")] == [
        (3, "train"),
        (3, "val"),
    ]
