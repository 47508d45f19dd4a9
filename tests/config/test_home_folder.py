"""A `~` in any path of any command means the home folder; a shell leaves it in `--flag=~/x`."""

from pathlib import Path

import pytest

from ferjax.config.tool_configs import ConvertConfig, EvalConfig, PrepareConfig, SearchConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.runs.finished_runs.load_run import load_run

PATHS = {
    TrainConfig: ("data_dir", "workdir", "cache_dir", "pretrained"),
    EvalConfig: ("workdir", "data_dir"),
    ConvertConfig: ("source", "out"),
    PrepareConfig: ("data_dir", "out"),
    SearchConfig: ("out",),
}


@pytest.mark.parametrize(
    ("config", "field"), [(config, name) for config, names in PATHS.items() for name in names]
)
def test_every_path_of_every_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: type, field: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert getattr(config(**{field: "~/x y"}), field) == f"{tmp_path}/x y"
    assert getattr(config(**{field: "a/~/x"}), field) == "a/~/x"
    assert getattr(config(**{field: "~"}), field) == str(tmp_path)


def test_a_null_byte_is_left_to_who_opens_the_path() -> None:
    assert EvalConfig(workdir="~\0").workdir == "~\0"


def test_a_run_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=str(tmp_path / "gone")):
        load_run("~/gone")
