import subprocess
import sys

from ferjax.runtime.failed_process import last_lines


def test_the_end_of_standard_error_comes_last() -> None:
    code = "import sys; print('\\n'.join(f'out {i}' for i in range(20))); sys.exit('the cause\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert last_lines(done).splitlines() == [*(f"out {i}" for i in range(9, 20)), "the cause"]


def test_one_stream_or_none() -> None:
    for out, error, lines in (("\n a\n", "", "a"), ("", "b\n\n", "b"), ("\n", "", "")):
        assert last_lines(subprocess.CompletedProcess([], 1, out, error)) == lines
