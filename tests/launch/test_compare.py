"""`launch.compare` as its user meets it: a run, its evaluation with mirrored views, mistakes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path


def test_a_run_beside_its_own_evaluation(
    tiny_run: Path, tmp_path: Path, commands: Callable[..., list[tuple[int, str, str]]]
) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    other = shutil.copytree(tiny_run, tmp_path / "other")
    done, again, alone = commands("compare", ("run", "other"), ("run", "other"), ("run",))
    assert done[0] == 0
    summary, path = done[1].splitlines()
    assert path == "comparisons/run+other-test/report.md"
    report = json.loads((tmp_path / path).with_name("report.json").read_text("utf-8"))
    own = json.loads((run / "report.json").read_text("utf-8"))["results"]["test"]["selected"]
    assert other.is_dir()
    for entry in report["runs"]:
        assert entry["scores"]["accuracy"] == own["accuracy"]
        assert entry["scores"]["macro_f1"] == own["macro"]["f1"]
    assert summary.startswith("highest accuracy: run, ")
    assert again[0] == 1
    assert "comparisons/run+other-test is not empty" in again[2]
    assert alone[0] == 1
    assert "two runs or more" in alone[2]
