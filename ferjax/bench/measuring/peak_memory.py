"""Peak memory of one run, in a process that has done nothing else."""

import ctypes
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from ferjax.bench.measuring.case import TORCH, Build
from ferjax.errors import UserError

_CHILD = """
import sys
from ferjax.bench.suite_registry import find_case
from ferjax.bench.measuring.case import find_build
from ferjax.bench.measuring.peak_memory import extra_peak
from ferjax.runtime.compile_cache import enable_compile_cache
suite, case, label, setting = sys.argv[1:]
enable_compile_cache()
print("peak", extra_peak(find_build(find_case(suite, case), label, setting), label))
"""


def fresh_peak(suite: str, case: str, label: str, setting: str = "") -> int | None:
    """Returns the extra peak of a side in bytes, from a fresh process.

    None where this platform tells nothing.

    Raises:
      UserError: the process failed.
    """
    command = [sys.executable, "-c", _CHILD, suite, case, label, setting]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"^peak (\d+|None)$", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(f"memory of {label} in {suite}/{case}: {last}")
    return None if found[1] == "None" else int(found[1])


def extra_peak(build: Build, label: str = "") -> int | None:
    """Returns the most memory two runs take on top of inputs, program and state, in bytes.

    Args:
      build: the side's builder; what it takes to build and compile does not count.
      label: the side, since libraries keep their own accounts of a GPU's memory.
    """
    run = build()
    read = _resident_meter if jax.default_backend() == "cpu" else _device_meter(label)
    before = read(True)
    for _ in range(2):
        run()
    after = read(False)
    return None if before is None or after is None else max(0, after - before)


def _resident_meter(start: bool) -> int | None:
    """Returns the resident set at the start, and then its highest since, in bytes."""
    try:
        if start:
            _give_back_freed_memory()
            # 5 resets the high-water mark to what is resident now.
            Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS" if start else "VmHWM")
    except OSError:
        return _highest_ever()


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"^{field}:\s*(\d+) kB", text, re.MULTILINE)
    if not found:  # some sandboxes leave fields out
        raise OSError(f"/proc/self/status has no {field}")
    return 1024 * int(found[1])


def _give_back_freed_memory() -> None:
    """Returns to the system what the compiler freed, else the run would reuse it unseen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim:
        trim(0)


def _highest_ever() -> int | None:
    """Returns the process's peak where there is no /proc; compiling counts then."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _device_meter(label: str) -> Callable[[bool], int | None]:
    if label == TORCH:
        return _cuda_meter
    device: Any = jax.devices()[0]

    def read(start: bool) -> int | None:
        field = "bytes_in_use" if start else "peak_bytes_in_use"
        return (device.memory_stats() or {}).get(field)

    return read


def _cuda_meter(start: bool) -> int | None:
    import torch

    if start:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    return torch.cuda.max_memory_allocated()
