"""A run with `--pretrained` that is moved, whose place is taken, or whose weights are gone."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.runs import task
from ferjax.runs.recorded_splits import seen_by_others

pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")
Tiny = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def first(finished_run: Callable[..., Path]) -> Path:
    """Returns a run without `--pretrained`."""
    return finished_run("first", model="toy")


def judged(run: Path) -> dict[str, Any]:
    report = json.loads((run / "report.json").read_text("utf-8"))
    return {name: report[name] for name in ("results", "protocol", "notes")}


def test_a_moved_run_is_evaluated_with_its_own_input(
    tmp_path: Path, tiny_config: Tiny, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first place holds another run, with another input, and its weights' run is gone."""
    source, place, moved = tmp_path / "source", tmp_path / "run", tmp_path / "moved"
    shutil.copytree(first, source)
    leak = "the weights have seen images of val: scores on val are too good"
    with monkeypatch.context() as patch:
        patch.setattr(task, "seen_by_others", lambda *_: [leak])
        run_train(tiny_config(place, model="toy", pretrained=str(source)))
    before = judged(place)
    place.rename(moved)
    run_train(tiny_config(place, model="toy", normalization="dataset"))
    shutil.rmtree(source)
    run_evaluate(EvalConfig(workdir=str(moved), progress=False))
    after = judged(moved)
    assert after["results"] == before["results"]
    assert after["protocol"]["course"] == before["protocol"]["course"]
    # The leak is stated once, and remembered by the run's own checkpoint.
    assert leak in after["protocol"]["course"]
    assert leak not in before["notes"]


def test_other_settings_with_weights_are_refused_beside_a_run_without(
    tiny_config: Tiny, first: Path, tmp_path: Path
) -> None:
    place = tmp_path / "run"
    shutil.copytree(first, place)
    with pytest.raises(UserError, match="holds a run with another configuration"):
        run_train(tiny_config(place, model="toy", pretrained=str(first)))


SOURCES = {"val": "0.1 of Training (split seed 0)", "test": "PublicTest"}


@pytest.mark.parametrize(
    ("given", "sources", "expected"),
    [
        ({"pretrained": "fernet-ferplus"}, SOURCES, ["--pretrained=fernet-ferplus", "val"]),
        (
            {"teacher": ("fernet-fer2013",), "protocol": "publictest_is_test"},
            SOURCES,
            ["--teacher=fernet-fer2013", "val"],
        ),
        ({"pretrained": "fernet-ferplus"}, {"val": "PublicTest", "test": "PrivateTest"}, []),
        ({"pretrained": "fernet-ferplus", "dataset": "rafdb"}, SOURCES, []),
    ],
)
def test_weights_that_come_with_ferjax_learned_faces_of_splits_that_are_cut(
    given: dict[str, Any], sources: dict[str, str], expected: list[str]
) -> None:
    config = replace(TrainConfig(model="fernet_s", dataset="fer2013"), **given)
    bundle = cast(Any, SimpleNamespace(sources=sources, splits={}))
    notes = seen_by_others(config, bundle)
    assert len(notes) == bool(expected)
    assert all(word in notes[0] for word in expected)
