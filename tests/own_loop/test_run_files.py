"""The run directory of an own loop: what it refuses loses nothing that was saved there before."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

import ferjax
from ferjax.specs import InputSpec
from ferjax.training.run_directory.metrics_jsonl import append_lines, read_lines
from ferjax.training.state import TrainState

CLASSES = ("anger", "fear", "neutral")
SPEC = InputSpec((16, 16), 16, 1, (0.5,), (0.25,))
LABELS = np.arange(12) % 3
RIGHT, WRONG = 5 * np.eye(3)[LABELS], 5 * np.eye(3)[LABELS - 1]
SUMS = ferjax.zero_sums()._replace(loss=np.float32(9), weight=np.float32(12), count=np.int32(12))
INITIAL = ferjax.init_state(ferjax.create_model("base_cnn", 3), optax.sgd(0.1), SPEC)


def own_run(folder: Path, **changed: Any) -> Any:
    given = {"model": "base_cnn", "spec": SPEC, "classes": CLASSES, **changed}
    return ferjax.open_run(folder, **given)


def state_at(step: int, fill: float | None = None) -> TrainState:
    """Returns a state at `step` whose parameters are `fill`, by default the step."""
    value = step if fill is None else fill
    params = jax.tree.map(lambda leaf: np.full_like(leaf, value), INITIAL.params)
    return dataclasses.replace(INITIAL, step=np.full_like(INITIAL.step, step), params=params)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """Returns the directory of a run of two epochs of four steps; the second is the better one."""
    with own_run(tmp_path / "run") as run:
        run.finish_epoch(1, state_at(4), SUMS, WRONG, LABELS)
        run.finish_epoch(2, state_at(8), SUMS, RIGHT, LABELS)
    return tmp_path / "run"


def contents(folder: Path) -> tuple[list[dict[str, Any]], int, set[float]]:
    """Returns the lines of an own run, and step and values of its selected parameters."""
    loaded = ferjax.load_run(folder)
    leaves = jax.tree.leaves(loaded.variables["params"])
    return read_lines(folder), loaded.step, {float(value) for leaf in leaves for value in leaf.flat}


@pytest.mark.parametrize("step", [4, 8, 12])
def test_a_loop_without_restore_overwrites_no_run(finished: Path, step: int) -> None:
    before = contents(finished)
    assert (len(before[0]), *before[1:]) == (4, 8, {8.0})
    with (
        own_run(finished) as run,
        pytest.raises(ferjax.UserError, match=r"a checkpoint of step 8, .*state = run\.restore"),
    ):
        run.finish_epoch(step // 4, state_at(step, 99), SUMS, RIGHT, LABELS)
    assert contents(finished) == before


def test_a_loop_goes_on_from_the_state_that_it_restored(finished: Path) -> None:
    with own_run(finished) as run:
        assert int(run.restore(INITIAL).step) == 8
        with pytest.raises(ferjax.UserError, match="this loop, at step 4, does not continue it"):
            run.finish_epoch(1, state_at(4), SUMS, RIGHT, LABELS)  # the restored state was dropped
        run.finish_epoch(3, state_at(12), SUMS, RIGHT, LABELS)
        with pytest.raises(ferjax.UserError, match="a checkpoint of step 12"):
            run.finish_epoch(3, state_at(12, 99), SUMS, RIGHT, LABELS)
    lines, step, values = contents(finished)
    assert [line["epoch"] for line in lines] == [1, 1, 2, 2, 3, 3]
    assert (step, values) == (8, {8.0})  # a tie goes to the earlier epoch
    assert sorted(path.name for path in (finished / "checkpoints").iterdir()) == ["12", "8"]


def test_lines_without_their_checkpoint_go_when_the_run_is_opened(tmp_path: Path) -> None:
    """A process was killed in its first save; the next one calls no `restore`."""
    with own_run(tmp_path):
        append_lines(tmp_path, [{"step": 4, "epoch": 1, "split": "train"}])
    with own_run(tmp_path) as run:
        run.finish_epoch(1, state_at(4), SUMS, RIGHT, LABELS)
    assert [line["split"] for line in read_lines(tmp_path)] == ["train", "val"]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"model": "cnn3"}, "model=base_cnn"),
        ({"spec": dataclasses.replace(SPEC, mean=(0.25,))}, "spec="),
        ({"classes": CLASSES[::-1]}, "classes="),
        ({"fields": {"dropout": 0.5}}, "fields="),
    ],
)
def test_a_run_goes_on_with_the_same_network_alone(
    finished: Path, changed: dict[str, Any], found: str
) -> None:
    error = f"is a run with {found}.*Give it as it was"
    with pytest.raises(ferjax.UserError, match=error), own_run(finished, **changed):
        pass


def test_a_run_of_launch_train_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ferjax.UserError, match=r"is a run of launch\.train"), own_run(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "config.json"]


def test_one_loop_at_a_time_has_a_run_open(finished: Path) -> None:
    unfinished_save = finished / "checkpoints" / "12.orbax-checkpoint-tmp"
    with own_run(finished):
        unfinished_save.mkdir()
        with (
            pytest.raises(ferjax.UserError, match="another run is writing there"),
            own_run(finished),
        ):
            pass
        assert unfinished_save.exists()
    with own_run(finished):
        assert not unfinished_save.exists()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"state": state_at(12, np.nan)}, "a parameter is not finite at step 12"),
        ({"logits": RIGHT * np.nan}, "36 of the 36 values of the logits are NaN or infinite"),
        ({"logits": np.where(RIGHT, np.inf, 0)}, "12 of the 36 values of the logits"),
        ({"logits": RIGHT[:, :2]}, r"logits \(12, 2\) and 3 classes \(anger, fear, neutral\)"),
        ({"labels": LABELS[:5]}, r"labels \(5,\) do not fit"),
        ({"sums": ferjax.zero_sums()}, "the sums of epoch 3 count no image"),
    ],
)
def test_an_epoch_without_a_score_is_not_written(
    finished: Path, changed: dict[str, Any], error: str
) -> None:
    before = contents(finished)
    given = {"state": state_at(12), "sums": SUMS, "logits": RIGHT, "labels": LABELS, **changed}
    with own_run(finished) as run:
        run.restore(INITIAL)
        with pytest.raises(ferjax.UserError, match=error):
            run.finish_epoch(3, **given)
        assert run.best == {"epoch": 2, "step": 8, "accuracy": 1.0}
    assert contents(finished) == before


@pytest.mark.parametrize(
    ("name", "changed", "error"),
    [
        ("new", {"model": "base_cmn"}, "unknown model 'base_cmn'. Did you mean 'base_cnn'"),
        ("new", {"fields": {"width": 3}}, "base_cnn has no width"),
        ("notes.txt", {}, "is a file"),
        ("runs[1]", {}, "makes its checkpoints unreadable"),
    ],
)
def test_a_run_that_could_not_be_loaded_is_refused_at_once(
    tmp_path: Path, name: str, changed: dict[str, Any], error: str
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ferjax.UserError, match=error), own_run(tmp_path / name, **changed):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_report_of_a_reopened_run(finished: Path) -> None:
    images = np.zeros((12, 16, 16, 1), np.uint8)
    splits = {"val": ferjax.split_from_arrays("val", images, LABELS)}
    with own_run(finished) as run:
        assert run.best["epoch"] == 2
        for logits, error in (
            ({}, "logits of none and splits val were given"),
            ({"test": RIGHT}, "logits of test and splits val were given"),
            ({"val": RIGHT[:, :2]}, "a column for each class"),
            ({"val": RIGHT * np.nan}, "NaN or infinite"),
        ):
            with pytest.raises(ferjax.UserError, match=error):
                ferjax.write_own_report(run, "own", logits, splits)
        assert not (finished / "curves.png").exists()


@pytest.mark.parametrize("logits", [RIGHT * np.nan, RIGHT[:, :2], RIGHT[:5]])
def test_no_scores_of_logits_that_do_not_fit(logits: np.ndarray) -> None:
    with pytest.raises(ferjax.UserError, match=r"NaN or infinite|do not fit"):
        ferjax.metrics(logits, LABELS, CLASSES)
