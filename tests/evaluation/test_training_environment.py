"""The environment of a training: from the checkpoint, or from the report of an earlier version."""

import json
from pathlib import Path
from typing import Any

import pytest

from ferjax.evaluation.training_environment import training_environment

TRAINED = {"git commit": "abc", "command line": "python -m launch.train --model=cnn3"}
REDRAWN = {"git commit": "def", "command line": "python -m launch.evaluate --workdir=run"}


@pytest.mark.parametrize(
    ("meta", "report", "expected"),
    [
        ({"environment": TRAINED}, {"environment": REDRAWN}, TRAINED),
        ({"environment": TRAINED}, None, TRAINED),
        # Runs of earlier versions.
        ({}, {"environment": {**TRAINED, "training wall time, minutes": 1.5}}, TRAINED),
        ({}, {"environment": {**REDRAWN, "training wall time, minutes": 1.5}}, {}),
        ({}, {"environment": "here"}, {}),
        ({}, [], {}),
        ({}, None, {}),
    ],
)
def test_it_is_never_that_of_an_evaluation(
    tmp_path: Path, meta: dict[str, Any], report: Any, expected: dict[str, str]
) -> None:
    if report is not None:
        (tmp_path / "report.json").write_text(json.dumps(report))
    assert training_environment(tmp_path, meta) == expected
