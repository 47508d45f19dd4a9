"""Gives a hostile file to a function of ferjax and judges how that ends.

The tables of this folder hold, for each file, its name, how it is made, and how it must end. All
files are harmless: a pickle would make a folder and nothing else, and no file is large on disk,
whatever size it states.
"""

import contextlib
import io
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferjax.config.predict_and_export import PredictConfig
from ferjax.data.registry import load_dataset
from ferjax.errors import UserError
from ferjax.experiment import run_train
from ferjax.predict.run_predict import run_predict

# Seconds, and the growth of the process's memory, that a file may cost.
MOST_SECONDS, MOST_BYTES = 2.0, 300 << 20
# A reader that waits for ever, as at a pipe, is stopped after this many seconds.
_STOPPED_AFTER = 20
# Audit events of a new program; a pickle that calls a function of `os` would cause one of them.
_NEW_PROGRAM = ("os.system", "subprocess.Popen", "os.exec", "os.spawn", "os.posix_spawn")
_LONGEST_MESSAGE = 3100
# Side of the images that data sets are read at, in pixels.
SIDE = 32

Build = Callable[[Path], Path]
# (file, new folder for results) → what became of it, in words; a UserError where it was refused.
Consume = Callable[[Path, Path], str]
REFUSED = "refused"


class MakesFolder:
    """Pickles to a call that makes a folder, which must not appear."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture(scope="session")
def makes_folder() -> Callable[[Path], Any]:
    """Returns a function (folder) → an object that makes it when it is unpickled."""
    return MakesFolder


def _peak() -> int:
    """Returns the largest memory of this process in bytes since `_forget_peak`."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) << 10
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _forget_peak() -> None:
    # Otherwise the peak is that of the whole process, and only larger ones are seen.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _seconds() -> dict[str, float]:
    """Returns the seconds so far: of computing, also in ended child processes, and of the clock.

    Those of the clock are without those in which this thread was ready and had no core, where the
    system counts these (Linux): a file is not slow because the machine has other work.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        without_core = int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, LookupError):
        without_core = 0.0
    return {
        "computing": time.process_time() + children.ru_utime + children.ru_stime,
        "computing and waiting": time.perf_counter() - without_core,
    }


class Waited(BaseException):
    """The reader did not come to an end."""


@contextlib.contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    """Raises `Waited` in a block that takes longer, by the clock of `_seconds`."""
    start = _seconds()

    def look(*_: Any) -> None:
        if any(after - start[name] > seconds for name, after in _seconds().items()):
            raise Waited(f"no end after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def give(
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    audit_events: Callable[..., Any],
) -> Callable[..., None]:
    """Returns a function (format, build, consume, ends) that gives a file and judges the end.

    `ends` is `refused`, or a word of what `consume` returns for a file that is skipped or counted.
    """

    def given(
        kind: str,
        build: Build,
        consume: Consume,
        ends: str = REFUSED,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        folder, out = tmp_path / "given", tmp_path / "out"
        folder.mkdir()
        path = build(folder)
        entries = sorted(tmp_path.rglob("*"))
        _forget_peak()
        memory, start = _peak(), _seconds()
        message = None
        with audit_events(*_NEW_PROGRAM) as programs:
            try:
                with _stopped_after(_STOPPED_AFTER):
                    end = consume(path, out)
            except UserError as error:
                end, message = REFUSED, str(error)
        seconds = {name: after - start[name] for name, after in _seconds().items()}
        grown = _peak() - memory
        if message is not None:
            assert path.name in message or str(folder) in message, message
            assert "\n" not in message, message
            assert len(message) < _LONGEST_MESSAGE, message
            assert "Traceback" not in message, message
        assert ends in end, f"expected {ends!r}: {end}"
        made = [p for p in sorted(tmp_path.rglob("*")) if p not in entries and out not in p.parents]
        assert [p for p in made if p != out] == [], "something in the file was executed or unpacked"
        assert programs == [], "something in the file was executed"
        assert max(seconds.values()) < most_seconds, seconds
        assert grown < MOST_BYTES, f"{grown / 2**20:,.0f} MB"
        record_property("hostile", f"{kind}: {'refused' if end == REFUSED else 'skipped'}")

    return given


@pytest.fixture(scope="session")
def small_run(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_config: Callable[..., Any],
    without_figures: Callable[[], Any],
) -> Path:
    """Returns the directory of a finished run without figures. Copy it to change it."""
    run_dir = tmp_path_factory.mktemp("small") / "run"
    with without_figures():
        run_train(tiny_config(run_dir))
    return run_dir


@pytest.fixture(scope="session")
def read_data_set() -> Callable[[str], Consume]:
    """Returns a function (data set) → the reader of launch.train, which counts its images."""

    def reader(name: str) -> Consume:
        def load(path: Path, out: Path) -> str:
            bundle = load_dataset(name, path, image_size=SIDE)
            for split in bundle.splits.values():
                split.read(np.arange(len(split)))
            return f"{sum(map(len, bundle.splits.values()))} images"

        return load

    return reader


@pytest.fixture(scope="session")
def predict(small_run: Path) -> Consume:
    """launch.predict: a row for each picture, whose status says why it has no emotion."""

    def give(path: Path, out: Path) -> str:
        out.mkdir()
        given = {"workdir": (str(small_run),), "faces": "whole", "progress": False}
        run_predict(PredictConfig(out=str(out / "p.csv"), **given), [str(path)], io.StringIO())
        return (out / "p.csv").read_text("utf-8", "surrogateescape")

    return give
