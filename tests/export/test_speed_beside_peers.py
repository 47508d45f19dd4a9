"""Speeds on a model card: taken from a bench.json, which anybody may have changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from ferjax.errors import UserError
from ferjax.export.speed_beside_peers import read_speed

ROW = {
    "name": "/home/somebody/runs/mine",
    "preprocessing": "crop",
    "faces_per_core_second": 1234.6,
    "milliseconds": 0.987,
}


def write(folder: Path, **changes: Any) -> Path:
    """Writes a bench.json of one run and one other recogniser."""
    rows = [ROW, {**ROW, "name": "/opt/other.onnx"}]
    values = {"environment": {"git commit": "abc"}, "recognisers": rows, **changes}
    path = folder / "bench.json"
    path.write_text(json.dumps(values))
    return path


def test_speeds_without_paths_of_the_machine(tmp_path: Path) -> None:
    environment = {"git commit": "abc", "command line": "launch.bench --runs=/home/somebody"}
    found = read_speed(write(tmp_path, environment=environment), tmp_path / "mine")
    speed = {"preprocessing": "crop", "faces_per_core_second": 1235, "milliseconds_for_one": 0.99}
    assert found == {
        "environment": {"git commit": "abc"},
        "rows": [
            {"recogniser": "this network", **speed},
            {"recogniser": "other.onnx", **speed},
        ],
    }


def test_another_run_was_measured(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"measured mine, other\.onnx, not .*/yours\. Measure it"):
        read_speed(write(tmp_path), tmp_path / "yours")


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": []},
        {"recognisers": 5},
        {"recognisers": [{}]},
        {"recognisers": [{**ROW, "name": 5}]},
        {"recognisers": [{**ROW, "milliseconds": "fast"}]},
        {"recognisers": [{**ROW, "faces_per_core_second": float("inf")}]},
    ],
)
def test_a_damaged_file_is_one_error(changes: dict[str, Any], tmp_path: Path) -> None:
    message = r"--bench=.*bench\.json: a value is missing or does not fit .* Give the bench\.json"
    with pytest.raises(UserError, match=message):
        read_speed(write(tmp_path, **changes), tmp_path / "mine")
