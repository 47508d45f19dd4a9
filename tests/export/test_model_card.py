"""Values of a model card: val images that are in train too, wherever the data are now."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferjax.config.predict_and_export import ExportConfig
from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.experiment import run_train
from ferjax.export import calibrated_run
from ferjax.export.calibrated_run import exported_from_run
from ferjax.export.card_page import card_page
from ferjax.training.run_directory.splits_file import SPLITS_FILE, read_split_record

EMOTIONS = ("anger", "disgust", "fear")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder in which every image occurs twice, under two names."""
    root = tmp_path_factory.mktemp("data")
    for k, emotion in enumerate(EMOTIONS):
        (root / emotion).mkdir()
        for i, face in enumerate(render_faces(np.full(20, k), 100 * k + np.arange(20), 32)):
            Image.fromarray(face).save(root / emotion / f"a{i}.png")
            shutil.copy(root / emotion / f"a{i}.png", root / emotion / f"b{i}.png")
    return root


@pytest.fixture(scope="module")
def run_dir(
    data: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_config: Callable[..., Any],
    without_figures: Callable[[], Any],
) -> Path:
    """Returns a run on at most 40 of these images a split, whose val was cut by ferjax."""
    folder = tmp_path_factory.mktemp("run") / "run"
    given = {"dataset": "folder", "data_dir": str(data), "val_fraction": 0.3, "limit": 40}
    with without_figures(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["x/launch/train.py", "--data_dir", str(data)])
        run_train(tiny_config(folder, epochs=1, **given))
    return folder


def card_of(run_dir: Path, data_dir: Path | None = None) -> dict[str, Any]:
    place = None if data_dir is None else str(data_dir)
    config = ExportConfig(str(run_dir), "out", data_dir=place, progress=False)
    return dict(exported_from_run(config, "mine")[0].card)


def test_repeated_images_are_those_that_the_run_was_trained_on(
    run_dir: Path, data: Path, tmp_path: Path
) -> None:
    """Also at another path, where no val is cut, and not those that --limit left out."""
    record = read_split_record(run_dir)
    assert record is not None
    train, val = (
        [(data / name).read_bytes() for name in record.splits[split].ids]
        for split in ("train", "val")
    )
    repeated = sum(image in train for image in val)
    moved = Path(shutil.copytree(data, tmp_path / "moved"))
    for card in (card_of(run_dir), card_of(run_dir, moved)):
        assert card["scores"]["also_in_train"] == repeated
        assert 0 < repeated < card["scores"]["count"] == len(val)
        assert 0 <= card["scores"]["accuracy_without_those"] <= 1


def test_it_names_the_command_that_trained_and_no_folder_of_the_machine(
    run_dir: Path, data: Path
) -> None:
    card = card_of(run_dir)
    assert card["training"]["command"] == f"python -m launch.train --data_dir {data.name}"
    assert card["training"]["devices"] == "4 x cpu (cpu)"
    assert not [path for path in (data, run_dir) if str(path) in json.dumps(card)]


def test_without_a_record_it_is_not_known(run_dir: Path, tmp_path: Path) -> None:
    earlier = Path(shutil.copytree(run_dir, tmp_path / "run"))
    (earlier / SPLITS_FILE).unlink()
    card = card_of(earlier)
    assert card["scores"]["also_in_train"] is None
    assert "| images that are in train too | not recorded by the run |" in card_page("mine", card)
    assert card["scores"]["warnings"][0].startswith("It was trained on at most 40 images")


def test_val_that_was_trained_on_as_a_whole(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = read_split_record(run_dir)
    assert record is not None
    record = replace(record, splits={**record.splits, "train": record.splits["val"]})
    monkeypatch.setattr(calibrated_run, "read_split_record", lambda _: record)
    card = card_of(run_dir)
    count = card["scores"]["count"]
    assert (card["scores"]["also_in_train"], card["scores"]["accuracy_without_those"]) == (
        *(count, None),
    )
    assert f"| {count}; without these – |" in card_page("mine", card)
    json.dumps(card, allow_nan=False)
