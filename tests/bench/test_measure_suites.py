"""Selection of benchmark cases, wrong choices, and a tiny case from measuring to its report."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest

from ferjax.bench import measure_suites, suite_registry
from ferjax.bench.measuring.case import OURS, XLA
from ferjax.bench.measuring.interleaved_timing import Effort
from ferjax.bench.measuring.op_case import op_case
from ferjax.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_selection() -> None:
    everything = suite_registry.select(None, None, False)
    assert {suite for suite, _ in everything} == {
        "guide",
        "input",
        "jumper",
        "loop",
        "ops",
        "train",
    }
    assert len({case.name for _, case in everything}) == len(everything)
    assert suite_registry.select("train", "awei", False)[0][0] == "train"
    quick = suite_registry.select(None, None, True)
    assert {suite for suite, _ in quick} == {"guide", "input", "jumper", "ops", "train"}
    assert len(quick) < len(everything) / 3
    assert [case.name for _, case in suite_registry.select("train", "CNN[34]", True)] == [
        "cnn3 step",
        "cnn4 step",
    ]
    trained = {case.name for _, case in suite_registry.select("train", None, False)}
    assert trained >= {"efficientnet_b1 step", "vgg16 step"}


@pytest.mark.parametrize(
    ("suite", "pattern", "words"),
    [
        (
            "op",
            None,
            r"unknown --suite 'op'\. Did you mean 'ops'\? Known: exports, forward, gpu, growth,",
        ),
        ("ops", "(", r"--cases=\(: not a regular expression"),
        ("ops", "cnn3", r"--cases=cnn3 matches no case\. Cases: max pool 2x2;"),
    ],
)
def test_wrong_choices(suite: str, pattern: str | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        measure_suites.run_bench(suite, pattern)


def test_the_gpu_suite_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UserError, match=r"^--suite=gpu: JAX found no GPU, it computes on cpu here\."
    ):
        measure_suites.run_bench("gpu", quick=True)
    monkeypatch.setattr(suite_registry.jax, "default_backend", lambda: "gpu")
    names = [case.name for _, case in suite_registry.select("gpu", None, False)]
    assert len(names) == len({*names})
    assert {"cnn6 step", "cnn6 forward, 64 faces", "jumper of the image"} <= {*names}
    assert not any("cached" in name or "files" in name for name in names)


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=r"--out=.* is not empty"):
        measure_suites.run_bench("ops", out=str(tmp_path))
    with pytest.raises(UserError, match=r"mine\.txt is a file"):
        measure_suites.run_bench("ops", out=str(tmp_path / "mine.txt"))


def test_a_tiny_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torch(x: Any) -> Any:
        return x.relu()

    def relu(x: Any) -> Any:
        return jnp.maximum(x, 0)

    case = op_case("relu", [(2, 4, 4, 3)], ours=relu, plain=relu, torch=torch, wrt=(0,), quick=True)
    monkeypatch.setattr(suite_registry, "SUITES", {"tiny": lambda: (case,)})
    monkeypatch.setattr("ferjax.bench.measuring.machine_ceilings._SIZES", {"cpu": (64, 2**10)})
    monkeypatch.setattr(measure_suites, "QUICK", Effort(rounds=3, sample=0, all_peers=False))
    results, folder = measure_suites.run_bench("tiny", quick=True, out=str(tmp_path / "out"))
    (result,) = results
    assert set(result.seconds) >= {OURS, XLA}
    assert all(len(values) == 3 for values in result.seconds.values())
    record = json.loads((folder / "bench.json").read_text("utf-8"))
    assert record["cases"][0]["case"] == "relu"
    assert ("PyTorch" in result.seconds) == (record["note"] is None)


def test_an_unknown_suite_on_the_command_line() -> None:
    command = [sys.executable, "-m", "launch.bench", "--suite=fast"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    known = "exports, forward, gpu, growth, guide, input, jumper, loop, ops, predict, recognisers"
    expected = f"error: unknown --suite 'fast'. Known: {known}, scaling, speedrun, train."
    assert done.stderr.strip() == expected
