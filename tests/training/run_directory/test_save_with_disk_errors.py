"""What a run leaves on disk where the disk refuses: kept, said, tried again."""

import contextlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.training.run_directory import save_with_disk_errors
from ferjax.training.run_directory.checkpoints import read_meta
from ferjax.training.run_directory.metrics_jsonl import read_lines
from ferjax.training.run_directory.save_with_disk_errors import Record, open_run_record
from ferjax.training.state import TrainState

# After one write has failed, TensorStore still reports the others to an event loop that is closed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

LINE = {"step": 1, "epoch": 1, "split": "train", "loss": 2.0}


def state_of(step: int) -> TrainState:
    noise = np.random.default_rng(step).random(100_000, np.float32)
    return TrainState(jnp.int32(step), {"kernel": jnp.asarray(noise)}, {}, ())


def save(record: Record, step: int, accuracy: float | None, best: Any = None) -> None:
    """Saves a state whose evaluation is the best so far, unless another is named."""
    own = {"epoch": step, "step": step, "accuracy": accuracy}
    record.save(state_of(step), {"epoch": step, "best": best or own, "notes": []}, accuracy)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Lets no file grow beyond 10 kB, which fails in the middle of a checkpoint."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        yield
        # Those reports belong to this test, not to the next.
        time.sleep(0.3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def save_and_lose(record: Record, accuracy: float) -> None:
    """Saves step 1; then the disk is full for step 2."""
    save(record, 1, 0.5)
    record.settle()
    with full_disk():
        save(record, 2, accuracy)
        record.settle()


def steps_in(run_dir: Path) -> set[str]:
    return {path.name for path in (run_dir / "checkpoints").iterdir()}


def test_a_full_disk_stops_the_run_and_the_last_good_checkpoint_stays(tmp_path: Path) -> None:
    refusal = r"checkpoint of step 2 could not be saved: File too large\. That of step 1 is kept"

    def train() -> None:
        with open_run_record(tmp_path, "stop") as record:
            save_and_lose(record, 0.6)

    with pytest.raises(UserError, match=refusal):
        train()
    # What was torn is gone: it may be what fills the disk.
    assert steps_in(tmp_path) == {"1"}
    assert read_meta(tmp_path)[0] == 1


def test_a_failure_in_the_background_is_told_by_the_next_save(tmp_path: Path) -> None:
    def train() -> None:
        with open_run_record(tmp_path, "stop") as record:
            save(record, 1, 0.5)
            record.settle()
            with full_disk():
                save(record, 2, 0.6)
                while record.manager.is_saving_in_progress():
                    time.sleep(0.01)
            save(record, 3, 0.7)

    with pytest.raises(UserError, match="checkpoint of step 2 could not be saved"):
        train()
    assert steps_in(tmp_path) == {"1"}


def raises(error: Exception) -> Any:
    def fail(*_: Any, **given: Any) -> None:
        raise error

    return fail


def test_going_on_notes_the_failure_and_selects_what_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_run_record(tmp_path, "continue") as record:
        save_and_lose(record, 0.9)
        assert steps_in(tmp_path) == {"1"}
        lost = {"epoch": 2, "step": 2, "accuracy": 0.9}
        save(record, 3, 0.4, best=lost)
    assert "step 2 could not be saved (File too large); training went on" in caplog.text
    step, meta = read_meta(tmp_path)
    assert step == 3
    assert meta["best"] == {"epoch": 1, "step": 1, "accuracy": 0.5}
    assert meta["notes"] == [
        "the checkpoint of step 2 could not be saved (File too large); training went on"
    ]
    assert steps_in(tmp_path) == {"1", "3"}


def test_the_best_of_what_is_there_may_be_the_present_one(tmp_path: Path) -> None:
    with open_run_record(tmp_path, "continue") as record:
        save_and_lose(record, 0.9)
        save(record, 3, 0.6, best={"epoch": 2, "step": 2, "accuracy": 0.9})
    assert read_meta(tmp_path)[1]["best"] == {"epoch": 3, "step": 3, "accuracy": 0.6}


def test_the_last_checkpoint_is_tried_again_at_the_end(tmp_path: Path) -> None:
    with open_run_record(tmp_path, "continue") as record:
        save_and_lose(record, 0.6)
    assert read_meta(tmp_path)[0] == 2

    def train() -> None:
        with open_run_record(tmp_path, "continue") as record, full_disk():
            save(record, 3, 0.7)
            record.finish()

    with pytest.raises(UserError, match="step 3 could not be saved"):
        train()
    assert read_meta(tmp_path)[0] == 2


def test_who_stops_a_run_is_told_that_it_was_not_saved(tmp_path: Path) -> None:
    def train() -> None:
        with full_disk(), open_run_record(tmp_path, "stop") as record:
            save(record, 1, None)
            raise KeyboardInterrupt

    with pytest.raises(UserError, match="step 1 could not be saved"):
        train()


def test_a_disk_without_room_or_not_to_be_written_is_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with open_run_record(tmp_path, "stop") as record:
        with pytest.raises(UserError, match="No space left on device"):
            save(record, 1, 0.5)
        monkeypatch.undo()
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(Path, "mkdir", raises(denied))
    with pytest.raises(PermissionError):
        save_with_disk_errors._probe(tmp_path, state_of(1))


def test_lines_that_were_refused_are_written_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(28, "No space left on device")
    with open_run_record(tmp_path, "continue") as record:
        record.cut_back(0)
        record.append(LINE)
        with monkeypatch.context() as patch:
            patch.setattr(save_with_disk_errors, "append_lines", raises(full))
            record.append({**LINE, "step": 2})
            record.append({**LINE, "step": 3})
        assert [line["step"] for line in read_lines(tmp_path)] == [1]
        record.append({**LINE, "step": 4})
    assert [line["step"] for line in read_lines(tmp_path)] == [1, 2, 3, 4]
    monkeypatch.setattr(save_with_disk_errors, "append_lines", raises(full))

    def train() -> None:
        with open_run_record(tmp_path, "stop") as record:
            record.append(LINE)

    with pytest.raises(UserError, match=r"a line of metrics\.jsonl could not be saved: No space"):
        train()


def test_of_several_processes_none_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(save_with_disk_errors, "is_distributed", lambda: True)
    with (
        pytest.raises(UserError, match="on_save_error=continue works in one process"),
        open_run_record(tmp_path, "continue"),
    ):
        pass


def test_another_process_that_ends_is_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops the run even where failed saves do not, and nobody is told to make room."""

    def fail(*_: Any) -> None:
        raise ValueError("UNKNOWN: Gloo AllGather failed: Read error: Connection reset by peer")

    monkeypatch.setattr(save_with_disk_errors, "save_checkpoint", fail)
    monkeypatch.setattr(save_with_disk_errors, "is_lost_peer", lambda error: True)
    with pytest.raises(ValueError, match="Gloo"), open_run_record(tmp_path, "continue") as record:
        save(record, 1, 0.5)
