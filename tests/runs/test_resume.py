"""A run that is stopped and resumed is the run that was never stopped, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.errors import UserError
from ferjax.experiment import run_evaluate, run_train
from ferjax.predict import load_run
from ferjax.training.run_directory.checkpoints import open_checkpoints, save_checkpoint
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.state import TrainState

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("toy_network", "no_figures")
Tiny = Callable[..., TrainConfig]
Same = Callable[[Path, Path], None]
# Batch statistics, two moments, random images, and rates that follow from the step.
GIVEN: dict[str, Any] = dict(model="toy", optimizer="adamw", weight_decay=0.01, augment="standard")
GIVEN |= dict(label_smoothing=0.1, schedule="one_cycle", learning_rate=2e-3)


@pytest.fixture(scope="module")
def undisturbed(finished_run: Callable[..., Path]) -> Path:
    """Returns a run of 2 epochs of 4 steps."""
    return finished_run("undisturbed", **GIVEN)


def test_interrupted_run_resumes_bit_for_bit(
    tmp_path: Path,
    tiny_config: Tiny,
    undisturbed: Path,
    stop_after: Callable[[int], Any],
    assert_same_run: Same,
) -> None:
    """Stops after the steps 3, 4, 6 and 8, each time in what has resumed after the one before.

    4 and 8 lie between an epoch's last step and its evaluation, the others within an epoch.
    """
    config = tiny_config(tmp_path / "run", **GIVEN, resume=True)
    for steps, step in ((3, 3), (1, 4), (2, 6), (2, 8)):
        with stop_after(steps), pytest.raises(KeyboardInterrupt):
            run_train(config, jax.devices()[:1])
        assert load_run(tmp_path / "run", "last").step == step
    run_train(config, jax.devices()[:1])
    assert_same_run(tmp_path / "run", undisturbed)


def test_run_moves_to_other_devices(
    tmp_path: Path, tiny_config: Tiny, undisturbed: Path, stop_after: Callable[[int], Any]
) -> None:
    config = tiny_config(tmp_path / "run", **GIVEN, resume=True)
    with stop_after(6), pytest.raises(KeyboardInterrupt):
        run_train(config, jax.devices()[:1])
    run_train(config)
    for ours, theirs in zip(read_lines(tmp_path / "run"), read_lines(undisturbed), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)


def test_epochs_may_grow_under_a_constant_schedule(
    tmp_path: Path, tiny_config: Tiny, assert_same_run: Same
) -> None:
    devices = jax.devices()[:1]
    long = tiny_config(tmp_path / "long", model="toy", epochs=3)
    assert long.schedule == "constant"
    run_train(long, devices)
    run_train(tiny_config(tmp_path / "grown", model="toy", epochs=1), devices)
    grown = tiny_config(tmp_path / "grown", model="toy", epochs=3, resume=True)
    report = run_train(grown, devices)
    assert report["config"]["epochs"] == 3
    assert_same_run(tmp_path / "grown", tmp_path / "long")


def test_the_report_names_the_process_that_trained(
    tmp_path: Path, tiny_config: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever process writes the report, or writes it again."""
    run_dir, devices = tmp_path / "run", jax.devices()[:1]

    def train(flag: str, epochs: int) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["x/launch/train.py", flag])
        return run_train(tiny_config(run_dir, model="toy", epochs=epochs, resume=True), devices)

    def commands(report: dict[str, Any]) -> list[str]:
        blocks = (report.get(f"{name}environment", {}) for name in ("", "evaluation_"))
        return [block["command line"].split()[-1] for block in blocks if block]

    assert commands(train("--first", epochs=1)) == ["--first"]
    lengthened = train("--second", epochs=2)
    assert commands(lengthened) == ["--second"]
    (run_dir / "report.json").unlink()  # as after a kill between the last save and the report
    assert commands(train("--third", epochs=2)) == ["--second", "--third"]
    monkeypatch.setattr(sys, "argv", ["x/launch/evaluate.py", "--fourth"])
    redrawn = run_evaluate(EvalConfig(str(run_dir), progress=False))
    assert commands(redrawn) == ["--second", "--fourth"]
    assert redrawn["environment"] == lengthened["environment"]
    page = (run_dir / "report.md").read_text("utf-8")
    assert page.index("--second") < page.index("Environment of this evaluation")
    assert page.index("Environment of this evaluation") < page.index("--fourth")


def test_the_best_checkpoint_survives_a_resume(tmp_path: Path) -> None:
    """Epoch 1 stays the best; its accuracy is known to the next process too."""
    for step, accuracy in ((1, 0.9), (2, 0.5), (3, None), (4, 0.7)):
        with open_checkpoints(tmp_path) as manager:
            state = TrainState(jnp.array(step), {"w": jnp.ones(2)}, {}, {})
            save_checkpoint(manager, state, {"epoch": step}, accuracy)
        assert sorted(checkpoints(tmp_path)) == sorted({1, step})


def test_other_settings_are_refused_and_nothing_is_written(
    tiny_run: Path, tiny_config: Tiny
) -> None:
    before = {p: p.read_bytes() for p in tiny_run.rglob("*") if p.is_file()}
    given: dict[str, Any] = dict(model="cnn3", image_size=48)
    cases: list[tuple[dict[str, Any], str]] = [
        (dict(resume=True, learning_rate=0.5, seed=1), "learning_rate: 0.002 → 0.5; seed: 0 → 1"),
        (dict(resume=True, epochs=5), "epochs: 2 → 5"),
        (dict(batch_size=4), "batch_size: 8 → 4"),
        ({}, "already holds this run.*add --resume"),
    ]
    for changed, words in cases:
        with pytest.raises(UserError, match=words) as caught:
            run_train(tiny_config(tiny_run, **given, **changed))
        assert "Nothing was written" in str(caught.value)
    assert {p: p.read_bytes() for p in tiny_run.rglob("*") if p.is_file()} == before


def start(run_dir: Path, *more: str) -> subprocess.Popen[str]:
    """Starts (or resumes) a training process of 8 epochs of 16 steps that saves within epochs."""
    flags = dict(model="cnn3", dataset="synthetic", image_size=32, limit=256, epochs=8)
    flags |= dict(batch_size=16, save_minutes=0.003, workdir=run_dir)
    command = [sys.executable, "-m", "launch.train", *(f"--{k}={v}" for k, v in flags.items())]
    return subprocess.Popen(
        [*command, "--resume", *more],
        cwd=ROOT,
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def checkpoints(run_dir: Path) -> Iterator[int]:
    """Yields the steps of the finished checkpoints."""
    folder = run_dir / "checkpoints"
    yield from (int(p.name) for p in folder.glob("*") if p.name.isdecimal())


def wait_for_checkpoint(process: subprocess.Popen[str], run_dir: Path, after: int) -> None:
    """Waits until there is a checkpoint beyond step `after`."""
    while process.poll() is None and max(checkpoints(run_dir), default=0) <= after:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("unkilled") / "run"
    process = start(run_dir)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return run_dir


@pytest.mark.slow
def test_a_command_with_restarts_goes_on_after_a_kill(
    tmp_path: Path, unkilled: Path, assert_same_run: Same
) -> None:
    run_dir = tmp_path / "run"
    process = start(run_dir, "--restarts=2")
    for after in (0, 16):
        wait_for_checkpoint(process, run_dir, after)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert errors.count("ended with status -9: restarting") == 2
    assert_same_run(run_dir, unkilled)


def test_a_refusal_is_final(tmp_path: Path) -> None:
    process = start(tmp_path / "run", "--restarts=2", "--optimizer=none")
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors.count("error: ")) == (1, 1)


@pytest.mark.slow
def test_signals_save_and_a_second_process_is_refused(
    tmp_path: Path, unkilled: Path, assert_same_run: Same
) -> None:
    """SIGINT to a training process; SIGTERM to a process with --restarts, which passes it on."""
    run_dir = tmp_path / "run"
    process = start(run_dir)
    wait_for_checkpoint(process, run_dir, 0)
    process.send_signal(signal.SIGSTOP)  # or it has finished before the rival has imported jax
    rival = start(run_dir)
    _, errors = rival.communicate(timeout=120)
    assert rival.returncode == 1
    assert errors.startswith("error: --workdir=")
    assert "another run is writing there" in errors
    process.send_signal(signal.SIGCONT)
    for number in (signal.SIGINT, signal.SIGTERM):
        before = max(checkpoints(run_dir))
        if number == signal.SIGTERM:
            process = start(run_dir, "--restarts=2")
            wait_for_checkpoint(process, run_dir, before)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 128 + number
        assert "--resume" in errors
        assert "Traceback" not in errors
        assert "starting again" not in errors
        assert before <= max(checkpoints(run_dir)) < 128
    process = start(run_dir)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert_same_run(run_dir, unkilled)
