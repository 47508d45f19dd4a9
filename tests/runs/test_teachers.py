"""Runs with teachers and several views: resumed bit for bit, and true to their teachers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.runs.finished_runs.load_run import load_run
from ferjax.runs.teachers import teacher_notes

pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")
Tiny = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def teacher(finished_run: Callable[..., Path]) -> Path:
    """Returns a finished run."""
    return finished_run("teacher", model="toy")


def test_a_taught_run_resumes_bit_for_bit(
    teacher: Path,
    tmp_path: Path,
    tiny_config: Tiny,
    stop_after: Callable[[int], Any],
    assert_same_run: Callable[[Path, Path], None],
) -> None:
    given: dict[str, Any] = dict(model="toy", teacher=(str(teacher),), teacher_weight=0.3)
    given |= dict(views=2, augment="fer", resume=True)
    once, twice = (tiny_config(tmp_path / name, **given) for name in ("once", "twice"))
    report = run_train(once, jax.devices()[:1])
    assert "of each target 0.3 is the teachers' mean" in report["protocol"]["course"][0]
    with stop_after(5), pytest.raises(KeyboardInterrupt):
        run_train(twice, jax.devices()[:1])
    run_train(twice, jax.devices()[:1])
    assert_same_run(tmp_path / "once", tmp_path / "twice")
    # The report is drawn again from the run alone.
    teacher.rename(tmp_path / "away")
    try:
        again = run_evaluate(EvalConfig(workdir=str(tmp_path / "once"), progress=False))
    finally:
        (tmp_path / "away").rename(teacher)
    assert again["protocol"]["course"] == report["protocol"]["course"]


def test_another_teacher_than_at_the_beginning_is_refused(
    teacher: Path, tmp_path: Path, tiny_config: Tiny
) -> None:
    config = tiny_config(tmp_path / "run", model="toy", teacher=(str(teacher),))
    run = load_run(teacher)
    notes = teacher_notes(config, (run,), None)
    assert teacher_notes(config, (run,), notes) == notes
    with pytest.raises(UserError, match=r"--teacher: the run began with .*0\.00 %"):
        teacher_notes(config, (run,), [notes[0].replace("val accuracy", "val accuracy 0.00 %")])


def test_what_does_not_go_with_a_teacher_is_refused(teacher: Path, tiny_config: Tiny) -> None:
    for given, words in (
        ({"teacher": ("",)}, "--teacher is empty"),
        ({"teacher_weight": 0.3}, r"--teacher_weight=0\.3 without --teacher"),
        ({"teacher": (str(teacher),), "loss": "multi_target"}, "takes targets of 0 and 1"),
        ({"views": 3}, "--views=3 with --augment=none"),
        ({"views": 3, "augment": "fer", "feature_cache": "on"}, "a stored feature is of one view"),
    ):
        with pytest.raises(UserError, match=words):
            tiny_config(Path("run"), model="toy", **given)
