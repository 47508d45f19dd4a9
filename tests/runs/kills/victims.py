"""Training processes that are started, watched, killed and waited for."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from moments import Aim, Seen, look, moment

ROOT = Path(__file__).resolve().parents[3]
# Batch norm, dropout, augmentation and an average; saves follow each other without a pause.
FLAGS = dict(model="cnn3", dataset="synthetic", image_size=48, limit=24, batch_size=8, epochs=3)
FLAGS |= dict(augment="standard", ema=0.9, save_minutes=0.0001, progress=False, resume=True)
LAST_STEP = FLAGS["epochs"] * (FLAGS["limit"] // FLAGS["batch_size"])
# Far more than either takes: a deadline passed is a process that hangs.
RUN_SECONDS, SURVIVOR_SECONDS = 300, 60
_LOOK_SECONDS = 0.005
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "MPLBACKEND": "Agg",
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / "compiled"),
    # They are told to end when the script is itself killed (launch/command/restart.py).
    "FERJAX_SUPERVISED": "1",
}
# A kill may leave half a program there, at which JAX warns ever after: victims only read.
_LEAST_SECONDS = {"undisturbed": "0.1", "victim": "1e9"}


class Failed(Exception):
    """What a run did that it should not have done, with what its processes printed."""


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
      aim: name of what it waited for.
      hit: the moment that it hit.
      processes: of the run.
      killed: how many of them.
      seconds: until those that were not killed had ended too.
    """

    aim: str
    hit: str
    processes: int
    killed: int
    seconds: float


@dataclass(frozen=True)
class Life:
    """The processes of one start of a run, and the files that they print to."""

    processes: Sequence[subprocess.Popen[bytes]]
    logs: Sequence[Path]

    def wait(self, seconds: float) -> list[int]:
        """Returns the exit statuses; raises `Failed` where they do not come in time."""
        end = time.monotonic() + seconds
        try:
            return [p.wait(max(end - time.monotonic(), 0.01)) for p in self.processes]
        except subprocess.TimeoutExpired:
            raise self.failed(f"a process has not ended within {seconds} s") from None

    def failed(self, what: str) -> Failed:
        """Returns an error that holds the processes' last words."""
        logs = [f"--- {log}\n{log.read_text('utf-8', 'replace')[-4000:]}" for log in self.logs]
        return Failed("\n".join([what, *logs]))


@contextlib.contextmanager
def started(run_dir: Path, count: int, kind: str) -> Iterator[Life]:
    """Starts or resumes a run in so many processes; whatever is left of them is killed."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    given = [f"--{name}={value}" for name, value in {**FLAGS, "workdir": run_dir}.items()]
    joined = [f"--coordinator=127.0.0.1:{port}", f"--num_processes={count}", "--join_seconds=30"]
    number = len(list(run_dir.parent.glob(f"{run_dir.name}.*.log")))
    logs = [run_dir.with_name(f"{run_dir.name}.{number + rank:03}.log") for rank in range(count)]
    varied = {
        "JAX_NUM_CPU_DEVICES": "1" if count == 1 else "2",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": _LEAST_SECONDS[kind],
    }
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for rank, log in enumerate(logs):
            ranked = [*joined, f"--process_id={rank}"] if count > 1 else []
            with log.open("wb") as output:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "launch.train", *given, *ranked],
                        cwd=ROOT,
                        env={**os.environ, **_ENVIRONMENT, **varied},
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )
        yield Life(processes, logs)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def finish(run_dir: Path, count: int) -> None:
    """Starts or resumes a run and waits for its end, which must be a good one."""
    with started(run_dir, count, "undisturbed") as life:
        _all_well(life)


def strike(run_dir: Path, count: int, aim: Aim, rng: np.random.Generator) -> Kill | None:
    """Starts or resumes a run and kills it; returns None where it had ended before.

    Of several processes one is killed, and must take the others with it, or all are.
    """
    skipped, pause = int(rng.integers(aim.skipped + 1)), float(rng.uniform(0, aim.seconds))
    victims = [*range(count)] if count == 1 or rng.random() < 0.4 else [int(rng.integers(count))]
    old = look(run_dir)
    with started(run_dir, count, "victim") as life:
        if not _came(run_dir, old, life, aim, skipped):
            _all_well(life)
            return None
        time.sleep(pause)
        alive = [life.processes[rank] for rank in victims if life.processes[rank].poll() is None]
        for process in alive:
            process.send_signal(signal.SIGKILL)
        for process in alive:
            process.wait()
        hit, began = moment(old, look(run_dir), LAST_STEP), time.monotonic()
        statuses = life.wait(SURVIVOR_SECONDS)
        if not any(status == -signal.SIGKILL for status in statuses):
            _all_well(life)
            return None
        # What had already reported may end well; all else must say that it did not.
        if len(victims) < count and 0 in statuses and not (run_dir / "report.json").exists():
            raise life.failed(f"{run_dir}: a process lost its peer and ended with status 0")
        return Kill(aim.name, hit, count, len(victims), time.monotonic() - began)


def _came(run_dir: Path, old: Seen, life: Life, aim: Aim, skipped: int) -> bool:
    """Waits for the event that follows `skipped` others; returns False where the run ends."""
    events: set[object] = set()
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        events.update(aim.events(old, look(run_dir), LAST_STEP))
        if len(events) > skipped:
            return True
        if any(process.poll() is not None for process in life.processes):
            return False
        time.sleep(_LOOK_SECONDS)
    raise life.failed(f"{run_dir}: waited {RUN_SECONDS} s for {aim.name}")


def _all_well(life: Life) -> None:
    statuses = life.wait(RUN_SECONDS)
    if any(statuses):
        raise life.failed(f"exit statuses {statuses}; 0 was expected")
