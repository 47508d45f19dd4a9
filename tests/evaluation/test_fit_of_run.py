"""Where the calibration that a run fitted on its val may be used."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.emotions import EMOTIONS
from ferjax.errors import UserError
from ferjax.evaluation.evaluated_data import EvaluatedData
from ferjax.evaluation.judged_runs import JudgedRun, fit_of_run
from ferjax.models.registry import create_model
from ferjax.runs.finished_runs.load_run import LoadedRun
from ferjax.specs import InputSpec

STEP = 5
FIT = {"step": STEP, "temperature": 1.3, "fitted_on": "val, 9 images", "prediction_sets": {}}


def fit(
    folder: Path,
    split: str,
    dataset: str = "fer2013",
    is_own: bool = True,
    config: Mapping[str, Any] = MappingProxyType({}),
    report: Mapping[str, Any] = MappingProxyType({"fitted_on_val": FIT}),
) -> dict[str, Any] | None:
    """Returns the fit that an evaluation of a run on FER2013 (or of `config`) uses."""
    (folder / "report.json").write_text(json.dumps(dict(report)))
    spec = InputSpec((48, 48), 48, 1, (0.5,), (0.5,))
    run = LoadedRun(create_model("cnn3", 7), {}, spec, EMOTIONS, STEP, 1, {})
    train_config = TrainConfig(**{"model": "cnn3", "dataset": "fer2013", **config})
    pixels = np.zeros((1, 48, 48, 1), np.uint8)
    images = Split(split, np.zeros(1, np.int32), ("a",), (48, 48, 1), pixels.__getitem__)
    bundle = DatasetBundle({split: images}, EMOTIONS, "", {split: ""})
    data = EvaluatedData(dataset, is_own, "", bundle, images, "", [])
    judged = JudgedRun(str(folder), run, train_config, None)
    return fit_of_run(EvalConfig(str(folder)), [judged], data, EMOTIONS)


@pytest.mark.parametrize(
    ("dataset", "is_own", "config", "without_val"),
    [
        ("fer2013", True, {}, {"train", "test"}),
        ("fer2013", True, {"folds": 3, "fold": 1}, {"train", "test"}),
        ("fer2013", True, {"protocol": "select_on_test"}, {"train"}),
        # The same faces at another path, or with other labels: val may be a part of their train.
        ("fer2013", False, {}, {"test"}),
        ("ferplus", False, {}, {"test"}),
        ("folder", False, {"dataset": "folder"}, {"test"}),
        # Their test may have val of the run.
        ("ferplus", False, {"protocol": "swapped"}, set()),
        ("ferplus", False, {"protocol": "select_on_test"}, set()),
        ("ferplus", False, {"folds": 3, "fold": 1}, set()),
        ("rafdb", False, {}, {"train", "val", "test", "all"}),
        ("folder", False, {}, {"train", "val", "test", "all"}),
    ],
)
def test_the_fit_is_not_measured_on_images_that_it_was_fitted_on(
    dataset: str, is_own: bool, config: dict[str, Any], without_val: set[str], tmp_path: Path
) -> None:
    used = {
        split
        for split in ("train", "val", "test", "all")
        if fit(tmp_path, split, dataset, is_own, config) == FIT
    }
    assert used == without_val


def test_the_fit_of_another_epoch_or_of_an_earlier_version_is_not_used(tmp_path: Path) -> None:
    for report in ({}, {"fitted_on_val": {**FIT, "step": STEP + 1}}):
        assert fit(tmp_path, "test", report=report) is None


@pytest.mark.parametrize("value", [None, {}, {**FIT, "temperature": "warm"}])
def test_a_damaged_fit_is_one_error(value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"report\.json: a value is missing or does not fit"):
        fit(tmp_path, "test", report={"fitted_on_val": value})
