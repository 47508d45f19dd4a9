"""`launch.search` as a process: two workers on one study, and one line for a user's error."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ferjax.training.run_directory.metrics_jsonl import read_lines

pytest.importorskip("optuna")
ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
TINY = ("--model=base_cnn", "--dataset=synthetic", "--image_size=32", "--smoke", "--epochs=1")


@pytest.fixture
def search(tmp_path: Path) -> Run:
    """Returns a function (*flags) → the finished process of `launch.search` in tmp_path."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "launch.search", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr
        return done

    return call


@pytest.mark.slow
def test_two_workers_find_the_learning_rate_that_does_not_diverge(
    search: Run, tmp_path: Path
) -> None:
    # Random search with this seed draws one of each.
    options = ("--space=learning_rate=1e-3|1e30", "--sampler=random", "--search_seed=0")
    done = search(*TINY, *options, "--trials=2", "--workers=2")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "runs" / "search-base_cnn-synthetic"
    report = json.loads((out / "report.json").read_text())
    states = {row["values"]["learning_rate"]: row for row in report["rows"]}
    assert states["1e-3"]["state"] == "complete"
    assert "not finite" in states["1e30"]["failure"]
    best = states["1e-3"]
    lines = read_lines(out / best["directory"])
    assert best["accuracy"] == max(line["accuracy"] for line in lines if line["split"] == "val")
    assert report["environment"]["command line"].startswith("python -m launch.search --model")
    for word in ("selected on val among 2", "--learning_rate=0.001", "report.md", "smoke"):
        assert word in done.stdout
    assert (out / "trials.png").stat().st_size > 5000


MISTAKES: dict[tuple[str, ...], list[str]] = {
    ("--model=cnn3", "--dataset=fer2031"): ["'fer2031'", "Did you mean 'fer2013'"],
    (*TINY, "--space=lr=1:2"): ["unknown field in --space 'lr'", "learning_rate"],
}


def test_a_mistake_is_one_line(
    commands: Callable[..., list[tuple[int, str, str]]], tmp_path: Path
) -> None:
    answers = commands("search", *MISTAKES)
    for (status, _, errors), words in zip(answers, MISTAKES.values(), strict=True):
        assert status == 1
        assert errors.startswith("error: ")
        assert errors.count("\n") == 1
        assert not [word for word in words if word not in errors], errors
    assert not list(tmp_path.iterdir())
