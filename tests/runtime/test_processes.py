"""A run in two processes of two devices equals a run in one process of four devices."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

from ferjax.config.tool_configs import EvalConfig
from ferjax.experiment import run_evaluate, run_train
from ferjax.predict import load_run
from ferjax.recipes import resolve
from ferjax.training.run_directory.metrics_jsonl import read_lines
from launch.command.app import LOST_PEER

ROOT = Path(__file__).resolve().parents[2]
# 37 images in val and in test: no number of devices divides them. Dropout, batch norm and moving
# averages are on.
GIVEN: dict[str, Any] = dict(
    model="cnn3",
    dataset="synthetic",
    image_size=32,
    batch_size=16,
    limit=37,
    epochs=3,
    augment="standard",
    ema=0.9,
    progress=False,
)
Start = Callable[..., list[subprocess.Popen[str]]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Returns a function (count, devices of each, **flags) → start processes of one run."""
    running: list[subprocess.Popen[str]] = []

    def call(
        count: int, devices: int, *, command: str = "train", x64: bool = False, **flags: Any
    ) -> list[Any]:
        with socket.create_server(("", 0)) as server:
            port = server.getsockname()[1]
        flags = {**GIVEN, **flags} if command == "train" else flags
        given = [f"--{name}={value}" for name, value in flags.items()]
        address = [f"--coordinator=127.0.0.1:{port}", f"--num_processes={count}"]
        environment = {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_ENABLE_X64": str(int(x64))}
        processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", f"launch.{command}", *given),
                    *([*address, f"--process_id={number}"] if count > 1 else []),
                ],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(count)
        ]
        running.extend(processes)
        return processes

    yield call
    for process in running:
        process.kill()
        process.communicate()


def wait_until_ended(
    processes: list[subprocess.Popen[str]], seconds: float = 240
) -> list[tuple[int, str]]:
    """Returns exit status and output of each process."""
    outputs = [process.communicate(timeout=seconds) for process in processes]
    return [
        (process.returncode, out + errors)
        for process, (out, errors) in zip(processes, outputs, strict=True)
    ]


def wait_until_succeeded(processes: list[subprocess.Popen[str]]) -> None:
    for status, output in wait_until_ended(processes):
        assert status == 0, output


def losses(run_dir: Path) -> list[float]:
    return [line["loss"] for line in read_lines(run_dir)]


def counts(run_dir: Path) -> Any:
    results = json.loads((run_dir / "report.json").read_text("utf-8"))["results"]
    return {
        (split, which): scores["confusion"]
        for split, kinds in results.items()
        for which, scores in kinds.items()
    }


@pytest.mark.parametrize(
    ("precision", "epochs", "within"),
    [("f32", 2, 1e-5), pytest.param("f64", 10, 1e-9, marks=pytest.mark.slow)],
)
def test_a_run_in_two_processes_equals_a_run_in_one(
    precision: str, epochs: int, within: float, tmp_path: Path, start: Start
) -> None:
    given: dict[str, Any] = dict(precision=precision, epochs=epochs, x64=precision == "f64")
    one, two = tmp_path / "one", tmp_path / "two"
    if given["x64"]:
        wait_until_succeeded(start(1, 4, workdir=one, **given))
    else:
        # This process is one of four devices too.
        run_train(resolve({**GIVEN, "epochs": epochs, "workdir": str(one)}))
    pair = wait_until_ended(start(2, 2, workdir=two, **given))
    assert [status for status, _ in pair] == [0, 0], pair
    assert losses(two) == pytest.approx(losses(one), rel=within)
    assert counts(two) == counts(one)
    assert sum(map(sum, counts(two)["val", "last"])) == 37
    # Only process 0 prints the result.
    assert ["report.md" in output for _, output in pair] == [True, False]
    # One process evaluates the run of two processes, and the other way round, with equal counts.
    expected = counts(one)
    for run_dir in (one, two):
        (run_dir / "report.json").unlink()
    x64 = given["x64"]
    if x64:
        wait_until_succeeded(start(1, 1, command="evaluate", x64=x64, workdir=two))
    else:
        run_evaluate(EvalConfig(str(two), progress=False))
    wait_until_succeeded(start(2, 2, command="evaluate", x64=x64, workdir=one))
    assert counts(one) == counts(two) == expected


@pytest.mark.slow
def test_processes_share_decoded_images_and_features_of_a_frozen_branch(
    tmp_path: Path, start: Start
) -> None:
    given: dict[str, Any] = dict(
        model="resnet18",
        image_size=32,
        epochs=2,
        augment="none",
        freeze="all_but_head",
        feature_cache="on",
    )
    for count, devices in ((2, 2), (1, 4)):
        root = tmp_path / str(count)
        flags = dict(given, workdir=root / "run", cache_dir=root / "cache")
        wait_until_succeeded(start(count, devices, **flags))
    one, two = tmp_path / "1", tmp_path / "2"
    assert losses(two / "run") == pytest.approx(losses(one / "run"), rel=1e-5)
    assert counts(two / "run") == counts(one / "run")
    # Each store exists once under the same key: nothing is half-written or made twice.
    names = [sorted(path.name for path in (run / "cache").iterdir()) for run in (one, two)]
    assert names[0] == names[1]
    assert any("trunk" in name for name in names[0])


def test_sigterm_to_one_saves_all_at_one_step_and_one_process_goes_on(
    tmp_path: Path, start: Start, stop_after: Callable[[int], Any]
) -> None:
    given = dict(workdir=str(tmp_path / "run"), epochs=400, eval_every=400, resume=True)
    processes = start(2, 2, **given)
    wait_for_lines(processes, tmp_path / "run", 2)
    processes[1].send_signal(signal.SIGTERM)
    for status, output in wait_until_ended(processes, 60):
        assert status == 143, output
        assert "--resume continues" in output
    saved = load_run(tmp_path / "run", "last")
    assert 4 <= saved.step < 800
    # The step is the same in both, or the collective save would not have come to its end.
    with stop_after(4), pytest.raises(KeyboardInterrupt):
        run_train(resolve({**GIVEN, **given}), jax.devices()[:1])
    steps = [line["step"] for line in read_lines(tmp_path / "run")]
    assert steps == [2 * (k + 1) for k in range(len(steps))]
    assert load_run(tmp_path / "run", "last").step > saved.step


@pytest.mark.slow
def test_a_killed_process_ends_the_other_within_seconds(tmp_path: Path, start: Start) -> None:
    processes = start(2, 1, workdir=tmp_path / "run", epochs=400, eval_every=400)
    wait_for_lines(processes, tmp_path / "run", 1)
    processes[1].kill()
    ((status, output),) = wait_until_ended(processes[:1], 30)
    # During an exchange the other process notices at once; otherwise JAX ends it because the
    # heartbeat is missing.
    assert status in (LOST_PEER, -signal.SIGABRT), output
    assert status != LOST_PEER or "another process of this run has ended" in output


def test_an_error_in_one_process_ends_both(tmp_path: Path, start: Start) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "photo.png").touch()
    for status, output in wait_until_ended(start(2, 1, workdir=tmp_path / "run"), 60):
        assert status == 1, output
        assert "holds 1 other entries" in output


@pytest.mark.slow
def test_a_batch_is_divided_by_the_devices_of_all_processes(tmp_path: Path, start: Start) -> None:
    for status, output in wait_until_ended(start(2, 3, workdir=tmp_path / "new"), 60):
        assert status == 1, output
        assert "--batch_size=16 is not a multiple of the 6 devices" in output
    assert not (tmp_path / "new").exists()


def wait_for_lines(processes: list[subprocess.Popen[str]], run_dir: Path, count: int) -> None:
    """Waits until metrics.jsonl has `count` lines."""
    while len(read_lines(run_dir)) < count:
        assert all(process.poll() is None for process in processes), wait_until_ended(processes)
        time.sleep(0.05)
