"""A run's first step is made ready while its first state is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from ferjax.config.train_config import TrainConfig
from ferjax.experiment import run_train
from ferjax.runs import phase_optimizer_and_step
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.train_step import train_step

pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")
Tiny = Callable[..., TrainConfig]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Returns a list that grows with every trace of a training step."""
    seen: list[int] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        seen.append(len(seen))
        return train_step(*arguments, **named)

    monkeypatch.setattr(phase_optimizer_and_step, "train_step", counted)
    return seen


def test_a_step_is_traced_once_and_its_time_accounted_for(
    tmp_path: Path, tiny_config: Tiny, traces: list[int]
) -> None:
    config = tiny_config(tmp_path / "run", model="toy", resume=True)
    report = run_train(config, jax.devices()[:1])
    assert len(traces) == 1
    lines = [line for line in read_lines(tmp_path / "run") if line["split"] == "train"]
    first, second = (line["seconds"]["compile"] for line in lines)
    assert 0 <= second < first
    assert report["costs"]["seconds"]["compile"] == pytest.approx(first + second, abs=2e-3)
    # What has no steps left compiles none.
    traces.clear()
    (tmp_path / "run" / "report.json").unlink()
    run_train(config, jax.devices()[:1])
    assert not traces
