"""Atomic files: complete or absent, gone when a block ends, swept after a killed process."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.runtime.atomic_files import temporary_beside, whole_entries, write_atomically


def test_a_text_with_a_name_that_is_no_utf8_is_read_back(tmp_path: Path) -> None:
    found = {"data_dir": "é/d\udcff", "n": 1}
    path = write_atomically(tmp_path / "a" / "x.json", json.dumps(found, ensure_ascii=False))
    assert json.loads(path.read_text("utf-8")) == found
    assert [entry.name for entry in path.parent.iterdir()] == ["x.json"]
    assert write_atomically(path, b"\xff").read_bytes() == b"\xff"


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


def test_what_a_process_of_this_machine_left_goes_at_once(tmp_path: Path) -> None:
    killed = """
import os, signal, sys
from pathlib import Path
from ferjax.runtime import atomic_files
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
atomic_files.write_atomically(Path(sys.argv[1]), "half")
"""
    path, root = tmp_path / "report.md", Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", killed, path], env=environment, check=False)
    assert done.returncode == -9
    assert len(names(tmp_path)) == 1
    assert whole_entries(tmp_path) == []
    write_atomically(path, "whole")
    assert names(tmp_path) == ["report.md"]


def test_what_another_machine_may_be_writing_is_left_for_a_while(tmp_path: Path) -> None:
    number = dead_process()
    young, old = (tmp_path / f".out.{number}-{k:08x}.tmp" for k in range(2))
    own = tmp_path / f".out.{os.getpid()}-0000000a.tmp"
    for path in (young, old, own):
        (path / "lib").mkdir(parents=True)
    os.utime(old, (0, 0))
    late = time.time() + 3600  # of a clock that was set back since
    os.utime(young, (late, late))
    with (
        temporary_beside(tmp_path / "out", seconds=60) as first,
        temporary_beside(tmp_path / "out", seconds=60) as second,
    ):
        first.mkdir()
        second.mkdir()
    assert names(tmp_path) == sorted([young.name, own.name])
    with temporary_beside(tmp_path / "out"):
        assert not names(tmp_path)


def test_a_renamed_result_stays(tmp_path: Path) -> None:
    with temporary_beside(tmp_path / "out") as temporary:
        temporary.write_text("new")
        temporary.rename(tmp_path / "out")
    assert names(tmp_path) == ["out"]
    write_atomically(tmp_path / "out", b"newer")
    assert names(tmp_path) == ["out"]
    with pytest.raises(UserError, match="cannot write"):
        write_atomically(tmp_path / "out" / "below", b"")
