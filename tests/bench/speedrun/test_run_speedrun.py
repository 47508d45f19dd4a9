"""The suite: the order of its runs, sides that are left out, errors, the faces that it reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.bench.command.run_suite import run_suite
from ferjax.bench.speedrun import run_once, run_speedrun
from ferjax.bench.speedrun.faces import (
    SpeedFaces,
    held_out,
    load_faces,
    read_saved_faces,
    save_faces,
)
from ferjax.bench.speedrun.recipes import RECIPES
from ferjax.bench.speedrun.results import BEST, OURS, PARTS, PLAIN, RunResult
from ferjax.config.speedrun_config import SpeedrunConfig
from ferjax.errors import UserError


def fer2013_csv(path: Path, usages: tuple[str, ...], each: int = 21) -> Path:
    """Writes a csv of drawn pixels in the layout of FER2013."""
    rng = np.random.default_rng(0)
    rows = ["emotion,pixels,Usage"]
    for usage in usages:
        for number in range(each):
            pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
            rows.append(f"{number % 7},{pixels},{usage}")
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return fer2013_csv(tmp_path / "fer2013.csv", ("Training", "PublicTest"))


@pytest.fixture
def made_up_runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Replaces the processes; returns the list of (recipe, seed) that grows with each run."""
    started: list[tuple[str, int]] = []
    sides = {"torch_plain": PLAIN, "torch_best": BEST}

    def run(recipe: str, seed: int, faces: Path) -> RunResult:
        count = len(read_saved_faces(faces).train_labels)
        started.append((recipe, seed))
        seconds = dict.fromkeys(PARTS, 1.0 + seed)
        return RunResult(sides.get(recipe, OURS), recipe, seed, 0.5, seconds, 1, count, 21, 1.0)

    monkeypatch.setattr(run_speedrun, "run_in_fresh_process", run)
    return started


def test_sides_take_turns(
    csv: Path, tmp_path: Path, made_up_runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_speedrun, "missing_torch_networks", lambda: None)
    given = {"data_dir": str(csv), "repeats": 2, "target": 0.4, "recipe": "muon"}
    table, folder = run_suite("speedrun", None, False, str(tmp_path / "out"), given)
    sides = ("muon", "torch_plain", "torch_best")
    assert made_up_runs == [(side, seed) for seed in (0, 1) for side in sides]
    assert table.count("yes") == 3
    record = json.loads((folder / "bench.json").read_text("utf-8"))
    assert [*record["recipes"]] == [OURS, PLAIN, BEST]
    assert record["recipes"][OURS]["optimizer"] == "muon"


def test_without_torch_a_line_says_so(
    csv: Path, tmp_path: Path, made_up_runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_speedrun, "missing_torch_networks", lambda: "PyTorch is not installed")
    given = {"data_dir": str(csv)}
    table, _ = run_suite("speedrun", None, True, str(tmp_path / "out"), given)
    assert made_up_runs == [(SpeedrunConfig().recipe, 0)]
    assert "note: PyTorch is not installed" in table
    with pytest.raises(UserError, match="--cases=PyTorch: PyTorch is not installed"):
        run_suite("speedrun", "PyTorch", True, str(tmp_path / "other"), given)


def test_wrong_flags_and_missing_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FERJAX_DATA", raising=False)
    with pytest.raises(UserError, match=r"--data_dir is missing.*Source of fer2013: Kaggle"):
        run_suite("speedrun", "^ferjax", True, None, {})
    with pytest.raises(UserError, match=r"--cases=keras matches no side\. Sides: ferjax, PyTorch"):
        run_suite("speedrun", "keras", True, None, {})
    with pytest.raises(UserError, match=r"unknown --recipe 'muo'\. Did you mean 'muon'"):
        run_suite("speedrun", None, True, None, {"recipe": "muo"})
    with pytest.raises(UserError, match=r"--target=1\.5: expected at most 1"):
        run_suite("speedrun", None, True, None, {"target": 1.5})
    with pytest.raises(UserError, match="--repeats belongs to --suite=speedrun; leave it out"):
        run_suite("predict", None, True, None, {"repeats": 3})
    with pytest.raises(UserError, match="--data_dir belongs to --suite=recognisers and speedrun"):
        run_suite("ops", None, True, None, {"data_dir": "x"})
    assert SpeedrunConfig().recipe in RECIPES


def test_a_copy_without_public_test_is_refused(tmp_path: Path) -> None:
    only_train = fer2013_csv(tmp_path / "fer2013.csv", ("Training", "PrivateTest"))
    with pytest.raises(UserError, match=r"Training and PublicTest are expected\. Get fer2013\.csv"):
        load_faces(only_train)


def test_faces_are_those_of_the_csv(csv: Path, tmp_path: Path) -> None:
    faces = load_faces(csv)
    first = csv.read_text("utf-8").splitlines()[22].split(",")
    assert first[2] == "PublicTest"
    pixels = np.array(first[1].split(), np.uint8).reshape(48, 48)
    np.testing.assert_array_equal(faces.test_images[0, ..., 0], pixels)
    assert (len(faces.train_labels), len(faces.test_labels), faces.classes) == (21, 21, 7)
    save_faces(faces, tmp_path / "faces.npz")
    copy = read_saved_faces(tmp_path / "faces.npz")
    np.testing.assert_array_equal(copy.train_images, faces.train_images)


def test_held_out_faces_are_of_training(dark_and_bright: SpeedFaces) -> None:
    cut = held_out(dark_and_bright)
    assert (len(cut.train_labels), len(cut.test_labels)) == (46, 4)
    everything = np.concatenate([cut.train_images, cut.test_images])
    assert {face.tobytes() for face in everything} == {
        face.tobytes() for face in dark_and_bright.train_images
    }


def test_one_run_prints_its_result(
    csv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(faces: SpeedFaces, recipe: Any, seed: int, name: str) -> RunResult:
        assert recipe.learning_rate == 0.5
        return RunResult(OURS, name, seed, 0.5, {}, 1, len(faces.train_labels), 2, None)

    monkeypatch.setattr(run_once, "run_recipe", run)
    arguments = ["--seed=3", f"--data_dir={csv}", "--images=7", "--set", "learning_rate=0.5"]
    run_once.main(arguments)
    found = json.loads(capsys.readouterr().out)
    assert (found["seed"], found["train_faces"], found["last_loss"]) == (3, 7, None)
    with pytest.raises(SystemExit, match="unknown --recipe 'fast'"):
        run_once.main(["--recipe=fast"])
    with pytest.raises(SystemExit, match="unknown setting 'rate'"):
        run_once.main(["--set", "rate=1"])
