"""Temporary files: gone when a block ends, and swept after a process that was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.runtime.atomic_files import temporary_beside, write_atomically


def dead_process() -> int:
    """Returns the number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["out", "out.csv", "a[b]*.csv"])
def test_what_killed_processes_left_is_swept(name: str, tmp_path: Path) -> None:
    left = tmp_path / f".{name}.{dead_process()}.tmp"
    left.mkdir()
    (left / "weights").write_bytes(bytes(9))
    (tmp_path / f".{name}.{os.getpid()}.tmp").write_text("as after a restart of a container")
    kept = [f".{name}.{os.getppid()}.tmp", f".{name}.x.tmp", f".other.{dead_process()}.tmp"]
    for one in kept:
        (tmp_path / one).touch()
    with temporary_beside(tmp_path / name) as temporary:
        assert not temporary.exists()
        temporary.mkdir()
        assert names(tmp_path) == sorted([temporary.name, *kept])
    assert names(tmp_path) == sorted(kept)


def test_small_files_are_swept_after_an_hour(tmp_path: Path) -> None:
    """Until then another machine may be writing them."""
    young, old = (tmp_path / f".report.md.{dead_process()}.tmp" for _ in range(2))
    for path in (young, old):
        path.touch()
    os.utime(old, (0, 0))
    write_atomically(tmp_path / "report.md", b"")
    assert names(tmp_path) == [young.name, "report.md"]


def test_a_renamed_result_stays(tmp_path: Path) -> None:
    with temporary_beside(tmp_path / "out") as temporary:
        temporary.write_text("new")
        temporary.rename(tmp_path / "out")
    assert names(tmp_path) == ["out"]
    write_atomically(tmp_path / "out", b"newer")
    assert names(tmp_path) == ["out"]
    with pytest.raises(UserError, match="cannot write"):
        write_atomically(tmp_path / "out" / "below", b"")
