"""Who may write in a run directory: new, failed, own, with --overwrite; nothing is ever deleted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.json_file import config_from_json, config_to_json
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.training.run_directory.config_and_lock import check_run_dir, locked_run_dir


def config(run_dir: Path, **given: Any) -> TrainConfig:
    return TrainConfig(model="cnn3", dataset="synthetic", workdir=str(run_dir), **given)


def run_at(run_dir: Path, *finished: str, **given: Any) -> Path:
    """Makes a run directory; `finished` are the runs in it that have a checkpoint."""
    (run_dir / "checkpoints").mkdir(parents=True)
    (run_dir / "config.json").write_text(config_to_json(config(run_dir, **given)))
    (run_dir / "metrics.jsonl").write_text('{"step": 3}\n')
    for part in finished:
        (run_dir / part / "checkpoints" / "12").mkdir(parents=True)
    return run_dir


def leave_failed(run_dir: Path) -> None:
    run_at(run_dir)


def leave_torn(run_dir: Path) -> None:
    (run_at(run_dir) / "checkpoints" / "4.orbax-checkpoint-tmp-1").mkdir()


def leave_folds(run_dir: Path) -> None:
    """Refused folds: the folder of the series, and of its first run, were made."""
    run_at(run_at(run_dir, folds=3) / "fold_01", folds=3, fold=1)


@pytest.mark.parametrize("leave", [leave_failed, leave_torn, leave_folds])
@pytest.mark.parametrize("given", [{}, {"learning_rate": 0.5}, {"resume": True, "seed": 2}])
def test_a_run_without_a_checkpoint_does_not_own_its_directory(
    leave: Callable[[Path], None], given: dict[str, Any], tmp_path: Path
) -> None:
    leave(tmp_path / "run")
    new = config(tmp_path / "run", **given)
    check_run_dir(new)
    with locked_run_dir(new):
        text = (tmp_path / "run" / "config.json").read_text()
        assert config_from_json(text, "") == new
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("part", [".", "fold_02", "seed_7", "seed_0/fold_03"])
def test_a_checkpoint_anywhere_owns_the_directory(part: str, tmp_path: Path) -> None:
    run_at(tmp_path / "run", part)
    for given, words in (
        ({}, "already holds this run.*add --resume.*--overwrite"),
        ({"seed": 1}, "seed: 0 → 1.*--overwrite"),
        ({"seed": 1, "resume": True}, "seed: 0 → 1.*own settings with --resume"),
    ):
        with pytest.raises(UserError, match=words):
            check_run_dir(config(tmp_path / "run", **given))
    check_run_dir(config(tmp_path / "run", resume=True))


def test_a_run_on_other_data_is_named(tmp_path: Path) -> None:
    run_at(tmp_path / "run", ".", data_dir="old")
    with pytest.raises(UserError, match=r"already holds this run on .*old"):
        check_run_dir(config(tmp_path / "run", data_dir="new"))


def test_another_length_names_the_way(tmp_path: Path) -> None:
    run_at(tmp_path / "run", ".", schedule="cosine", epochs=3)
    longer = config(tmp_path / "run", schedule="cosine", epochs=5, resume=True)
    with pytest.raises(UserError, match=r"epochs: 3 → 5.*--pretrained=.*run with another"):
        check_run_dir(longer)


def test_overwrite_moves_aside_and_deletes_nothing(tmp_path: Path) -> None:
    for number in (1, 2):
        run_at(tmp_path / "run", "fold_01") if number == 1 else (
            tmp_path / "run" / "checkpoints" / "9"
        ).mkdir(parents=True)
        new = config(tmp_path / "run", learning_rate=0.1 * number, overwrite=True)
        check_run_dir(new)
        with locked_run_dir(new):
            entries = {path.name for path in (tmp_path / "run").iterdir()}
            assert entries == {".lock", "config.json"}
            with pytest.raises(UserError, match="another run is writing there"):
                check_run_dir(new)
        # What is read from it later must not replace it again.
        recorded = (tmp_path / "run" / "config.json").read_text()
        assert config_from_json(recorded, "") == replace(new, overwrite=False)
    assert (tmp_path / "run.old-1" / "metrics.jsonl").read_text() == '{"step": 3}\n'
    assert (tmp_path / "run.old-1" / "fold_01" / "checkpoints" / "12").is_dir()
    assert (tmp_path / "run.old-2" / "checkpoints" / "9").is_dir()


def test_a_link_stays_where_it_is(tmp_path: Path) -> None:
    run_at(tmp_path / "disk" / "run", ".")
    (tmp_path / "run").symlink_to(tmp_path / "disk" / "run")
    with locked_run_dir(config(tmp_path / "run", overwrite=True)):
        assert (tmp_path / "run").is_symlink()
        assert (tmp_path / "disk" / "run" / "config.json").is_file()
    assert (tmp_path / "disk" / "run.old-1" / "metrics.jsonl").is_file()


def test_overwrite_takes_only_runs_that_nobody_trains(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("Once")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"hidden_size": 768}')
    for name, words in (("thesis", "no ferjax run"), ("model", "'hidden_size' is unknown")):
        with pytest.raises(UserError, match=words):
            check_run_dir(config(tmp_path / name, overwrite=True))
    run_at(tmp_path / "top", "fold_02")
    new = config(tmp_path / "top", overwrite=True)
    with (
        locked_run_dir(config(tmp_path / "top" / "fold_02" / "fold_01")),
        locked_run_dir(config(tmp_path / "top" / "fold_03")),
        pytest.raises(UserError, match="another run is writing there"),
    ):
        check_run_dir(new)
    with pytest.raises(UserError, match="leave one of them out"):
        check_run_dir(replace(new, resume=True))
    assert not list(tmp_path.glob("*.old-*"))
