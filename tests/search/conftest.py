"""A fake training function: the accuracy of an epoch is a formula of the settings."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ferjax.config.tool_configs import SearchConfig
from ferjax.config.train_config import TrainConfig
from ferjax.report.scores import scores
from ferjax.search.run_search import run_search

GIVEN = {"model": "cnn3", "dataset": "synthetic", "epochs": 4, "progress": False}
Formula = Callable[[TrainConfig, int], float]


def learning_rate_matters(config: TrainConfig, epoch: int) -> float:
    """Returns an accuracy that is highest at a learning rate of 0.003, and grows by the epoch."""
    assert isinstance(config.learning_rate, float)
    distance = math.log10(config.learning_rate / 3e-3)
    return math.exp(-(distance**2)) * (0.8 + 0.01 * epoch)


def fake_train(formula: Formula) -> Callable[..., dict[str, Any]]:
    """Returns a replacement of `run_train` with accuracies from `formula`; writes report.json."""

    def train(config: TrainConfig, watch: Callable[[int, float], None]) -> dict[str, Any]:
        run_dir = Path(config.workdir or "")
        run_dir.mkdir(parents=True, exist_ok=True)
        assert isinstance(config.epochs, int)
        accuracies = []
        for epoch in range(1, config.epochs + 1):
            accuracies.append(formula(config, epoch))
            watch(epoch, accuracies[-1])
        result = {**scores([[3, 1], [0, 2]], ["anger", "fear"]), "epoch": 1, "loss": 1.0}
        val = {**result, "accuracy": max(accuracies)}
        report = {
            "results": {
                split: {"last": result, "selected": result}
                for split, result in (("val", val), ("test", {**val, "accuracy": 0.125}))
            },
            "protocol": {"splits": ["train: 9", "val: 6", "test: 6"], "data set": "synthetic"},
            "environment": {"git commit": "abc"},
            "warnings": ["a warning of the run"],
        }
        (run_dir / "report.json").write_text(json.dumps(report))
        return report

    return train


@pytest.fixture
def rate_formula() -> Formula:
    """Returns the formula (config, epoch) → accuracy, which depends on the learning rate."""
    return learning_rate_matters


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Returns a function (formula, **fields of SearchConfig) → report of the search.

    It draws no figure and does not clear compiled programs, which would take most of the time.
    """
    monkeypatch.setattr("ferjax.search.run_trial.clear_compiled_programs", lambda: None)
    monkeypatch.setattr("ferjax.report.pages.search_files.draw_trials", lambda *_: None)

    def call(
        formula: Formula = learning_rate_matters,
        *,
        prepare: Callable[[TrainConfig], Any] = lambda config: None,
        given: dict[str, Any] | None = None,
        imports: Sequence[str] = (),
        **fields: Any,
    ) -> dict[str, Any]:
        config = SearchConfig(**{"out": str(tmp_path / "study"), "trials": 6, **fields})
        fields_given = {**GIVEN, **(given or {})}
        fields_given = {name: value for name, value in fields_given.items() if value is not None}
        return run_search(
            config, fields_given, train=fake_train(formula), prepare=prepare, imports=imports
        )

    return call
