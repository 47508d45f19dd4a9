"""--epochs=+N: what it adds to, and what it refuses."""

import dataclasses
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.json_file import config_to_json
from ferjax.config.phases import total_epochs
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.recipes import resolve


def finish(run_dir: Path, epochs: Any, last: int | None = None, **given: Any) -> None:
    """Writes the files of a finished run of this length; `last` is its last epoch."""
    own = TrainConfig(**{"model": "cnn3", "dataset": "synthetic", **given}, epochs=epochs)
    write(run_dir, own, last)


def write(run_dir: Path, own: TrainConfig, last: int | None = None) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "config.json").write_text(config_to_json(own))
    last = last or total_epochs(own)
    report = {"config": asdict(own), "results": {"val": {"last": {"epoch": last}}}, "format": 2}
    (run_dir / "report.json").write_text(json.dumps(report))


def epochs(run_dir: Path, more: str, **given: Any) -> Any:
    pair = {"model": "cnn3", "dataset": "synthetic", "schedule": "constant", "resume": True}
    return resolve({**pair, "workdir": str(run_dir), "epochs": more, **given}).epochs


def test_a_finished_run_gets_more_epochs(tmp_path: Path) -> None:
    finish(tmp_path, 7)
    assert epochs(tmp_path, "+5") == 12
    # An interrupted lengthening: config.json has the new length, the last report the old one.
    (tmp_path / "config.json").write_text(config_to_json(TrainConfig(epochs=12)))
    assert epochs(tmp_path, "+5") == 12


def test_the_last_phase_gets_them(tmp_path: Path) -> None:
    finish(tmp_path, (2, 3), learning_rate=(0.1, 0.01))
    assert epochs(tmp_path, "+4") == (2, 7)


@pytest.mark.parametrize("parts", [("fold_01", "fold_02"), ("seed_0/fold_01", "seed_1/fold_01")])
def test_every_run_of_a_series_gets_them(parts: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config_to_json(TrainConfig(folds=3)))
    for part in parts:
        finish(tmp_path / part, 7)
    assert epochs(tmp_path, "+5") == 12
    finish(tmp_path / parts[0], 12)  # interrupted after the first
    assert epochs(tmp_path, "+5") == 12


def test_the_plain_directory_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finish(Path("runs/resnet18-synthetic-default-s0"), 10)
    given = {"model": "resnet18", "dataset": "synthetic", "resume": True, "epochs": "+5"}
    assert resolve(given).epochs == 15


def test_the_default_directory_is_found_by_all_but_the_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pair = {"model": "resnet18", "dataset": "folder", "data_dir": "faces"}

    def train(**given: Any) -> str:
        config = resolve({**pair, **given})
        recorded = dataclasses.replace(config, data_dir=str(tmp_path / str(config.data_dir)))
        write(Path(config.workdir or ""), recorded)
        return config.workdir or ""

    others = [{"learning_rate": 0.02}, {"seed": 1}, {"data_dir": "b", "epochs": 9}]
    for other in others:
        train(**{"epochs": 3, **other})
    more = {**pair, "epochs": "+2", "resume": True}
    with pytest.raises(UserError, match="runs/resnet18-folder-default-s0 holds no run"):
        resolve(more)
    run_dir = train(epochs=3)
    for length in (5, 7):
        config = resolve(more)
        assert (config.workdir, config.epochs) == (run_dir, length)
        write(Path(run_dir), dataclasses.replace(config, data_dir=str(tmp_path / "faces")))
    plain = train()
    with pytest.raises(UserError, match=rf"{plain}, {run_dir}\. Name one as --workdir"):
        resolve(more)
    assert resolve({**more, "workdir": run_dir}).epochs == 9


def test_runs_of_which_others_ended_early_get_them(tmp_path: Path) -> None:
    (tmp_path / "series" / "config.json").parent.mkdir()
    (tmp_path / "series" / "config.json").write_text(config_to_json(TrainConfig(folds=2)))
    finish(tmp_path / "series" / "fold_01", 7, last=5, patience=2)
    finish(tmp_path / "series" / "fold_02", 7, patience=2)
    assert epochs(tmp_path / "series", "+5") == 12
    finish(tmp_path / "series" / "fold_02", 7, last=6, patience=2)
    with pytest.raises(UserError, match=r"fold_01 was ended early by --patience=2"):
        epochs(tmp_path / "series", "+5")
    # The first phase ended early, the last did not.
    finish(tmp_path / "phases", (4, 3), last=5, patience=2, learning_rate=(0.1, 0.01))
    assert epochs(tmp_path / "phases", "+5") == (4, 8)


def test_what_cannot_be_lengthened_names_the_way(tmp_path: Path) -> None:
    finish(tmp_path / "cosine", 7, schedule="cosine")
    finish(tmp_path / "early", 7, last=5, patience=2)
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_text(config_to_json(TrainConfig()))
    for name, more, given, words in (
        ("cosine", "+5", {}, r"its schedule cosine.*--pretrained=.*cosine --epochs=5"),
        ("early", "+5", {}, r"--patience=2.*--pretrained=.*early"),
        ("unfinished", "+5", {}, "is not finished. --resume without --epochs=.5"),
        ("nothing", "+5", {}, "holds no run to train longer"),
        ("cosine", "+5", {"resume": False}, "needs --resume"),
        ("cosine", "+five", {}, "--epochs=.five: a number of epochs, or .N"),
        ("cosine", "+0", {}, "--epochs=.0: a number of epochs, or .N"),
    ):
        with pytest.raises(UserError, match=words):
            epochs(tmp_path / name, more, **given)
