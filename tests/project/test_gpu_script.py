"""`.ci/gpu`, with a program in place of Python: what it runs, and what it does after a failure."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "gpu"
# Stands for Python: fails where its arguments contain a word, and writes the report of a benchmark.
FAKE = """#!/usr/bin/env bash
echo "$@"
[[ -n "$FAILING" && "$*" == *"$FAILING"* ]] && exit 3
for argument in "$@"; do
  out=${argument#--out=}
  [[ $argument == --out=* ]] && mkdir -p "$out" && echo report >"$out/bench.md"
done
exit 0
"""


def run(
    tmp_path: Path, failing: str = "", **environment: str
) -> tuple[subprocess.CompletedProcess[str], Path]:
    fake, wheels, out = tmp_path / "python", tmp_path / "wheels", tmp_path / "out"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    wheels.mkdir(exist_ok=True)
    values = {**os.environ, "PYTHON": str(fake), "OUT": str(out), "FAILING": failing, **environment}
    done = subprocess.run(
        [SCRIPT, "run", str(wheels)], env=values, capture_output=True, text=True, timeout=60
    )
    return done, out


def test_the_syntax_is_right() -> None:
    done = subprocess.run(["bash", "-n", SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_arguments_it_prints_its_usage() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True)
    assert done.returncode == 2
    assert ".ci/gpu wheels FOLDER" in done.stderr


def test_every_step_runs_and_its_results_are_packed(tmp_path: Path) -> None:
    data = tmp_path / "fer2013.csv"
    data.write_text("")
    done, out = run(tmp_path, FER2013=str(data))
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split()[0] for line in (out / "summary.txt").read_text().splitlines()]
    assert steps == ["environment", "tests", "bench", "train"]
    tests = (out / "tests.txt").read_text()
    assert "-m gpu" in tests
    assert "tests/ops/test_on_gpu.py" in tests
    assert "tests/training/test_on_gpu.py" in tests
    assert "--suite=gpu" in (out / "bench.txt").read_text()
    trained = (out / "train.txt").read_text()
    assert f"--recipe=best_resnet18_fer2013 --data_dir={data}" in trained
    with tarfile.open(out / "results.tar.gz") as archive:
        assert "bench/bench.md" in archive.getnames()


@pytest.mark.parametrize("failing", ["-m pytest", "-m launch.bench"])
def test_a_failure_stops_no_other_step(tmp_path: Path, failing: str) -> None:
    done, out = run(tmp_path, failing)
    assert done.returncode == 1
    lines = (out / "summary.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["environment", "tests", "bench", "train"]
    assert sum("failed with status 3" in line for line in lines) == 1
    assert "not run: FER2013 names no data" in lines[-1]
    assert (out / "results.tar.gz").is_file()


def test_results_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    done, _ = run(tmp_path)
    assert done.returncode == 2
    assert "is not empty: name a new folder" in done.stderr


def test_a_step_without_time_is_not_run(tmp_path: Path) -> None:
    done, out = run(tmp_path, FERJAX_GPU_SECONDS="3")
    assert done.returncode == 1
    assert "not run, no time left" in (out / "summary.txt").read_text()
