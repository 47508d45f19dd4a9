"""The last lines of a child that failed; a child ends when its parent is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ferjax.runtime.child_processes import last_lines

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys, time
from ferjax.runtime.child_processes import end_with_parent
print(end_with_parent(), flush=True)
time.sleep(60)
"""
PARENT = f"""
import os, signal, subprocess, sys
environment = {{**os.environ, "FERJAX_SUPERVISED": "1"}}
child = subprocess.Popen(
    [sys.executable, "-c", {CHILD!r}], env=environment, stdout=subprocess.PIPE
)
assert child.stdout.readline() == b"True\\n"
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a child of it")
def test_a_child_ends_with_its_parent() -> None:
    # The pipe of standard error closes when the last of both has ended.
    done = subprocess.run(
        [sys.executable, "-c", PARENT],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=40,
        check=False,
    )
    assert done.returncode == -9, done.stderr


def test_the_end_of_standard_error_comes_last() -> None:
    code = "import sys; print('\\n'.join(f'out {i}' for i in range(20))); sys.exit('the cause\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert last_lines(done).splitlines() == [*(f"out {i}" for i in range(9, 20)), "the cause"]


def test_one_stream_or_none() -> None:
    for out, error, lines in (("\n a\n", "", "a"), ("", "b\n\n", "b"), ("\n", "", "")):
        assert last_lines(subprocess.CompletedProcess([], 1, out, error)) == lines
