"""Peak memory of a known allocation, and errors of the fresh process."""

import subprocess
import sys
from pathlib import Path

import pytest

from ferjax.bench.measuring.peak_memory import fresh_peak
from ferjax.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
# Builds 256 MB that do not count and frees half of it; every run takes 100 MB that do.
SCRIPT = """
import numpy as np
from ferjax.bench.measuring.peak_memory import extra_peak
def build():
    held = np.ones(2**24)
    freed = np.ones(2**24)
    def run():
        return held[0] + np.ones(12_500_000)[0]
    return run
print(extra_peak(build))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux only")
def test_a_known_allocation() -> None:
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) == pytest.approx(100e6, rel=0.2)


def test_a_child_process_that_fails_is_reported() -> None:
    with pytest.raises(UserError, match=r"memory of ferjax in ops/nothing: .*unknown case"):
        fresh_peak("ops", "nothing", "ferjax")
