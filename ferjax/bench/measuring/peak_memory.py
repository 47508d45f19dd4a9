"""Peak memory of one run, measured in a fresh process."""

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
from ferjax.runtime.programs.compile_cache import enable_compile_cache
suite, case, label, setting = sys.argv[1:]
enable_compile_cache()
print("peak", extra_peak(find_build(find_case(suite, case), label, setting), label))
"""


def fresh_peak(suite: str, case: str, label: str, setting: str = "") -> int | None:
    """Returns the extra peak of a side in bytes, from a fresh process.

    None where the platform does not report memory.

    Raises:
      UserError: the process failed.
    """
    command = [sys.executable, "-c", _CHILD, suite, case, label, setting]
    process = subprocess.run(command, capture_output=True, text=True)
    match = re.search(r"^peak (\d+|None)$", process.stdout, re.MULTILINE)
    if process.returncode or not match:
        lines = process.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"exit status {process.returncode}"
        raise UserError(f"memory of {label} in {suite}/{case}: {reason}")
    return None if match[1] == "None" else int(match[1])


def extra_peak(build: Build, label: str = "") -> int | None:
    """Returns the peak memory of two runs beyond inputs, program and state, in bytes.

    Args:
      build: the side's builder; the memory of building and compiling does not count.
      label: the side's label: PyTorch and XLA each count the GPU memory that they allocate.
    """
    run = build()
    read = _read_resident if jax.default_backend() == "cpu" else _device_reader(label)
    before = read(True)
    for _ in range(2):
        run()
    after = read(False)
    return None if before is None or after is None else max(0, after - before)


def _read_resident(start: bool) -> int | None:
    """Returns the resident set size if `start`, else its peak since the start, in bytes."""
    try:
        if start:
            trim_heap()
            # Writing 5 resets the high-water mark to the resident memory.
            Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS" if start else "VmHWM")
    except OSError:
        return _peak_since_process_start()


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    match = re.search(rf"^{field}:\s*(\d+) kB", text, re.MULTILINE)
    if not match:  # some sandboxes leave fields out
        raise OSError(f"/proc/self/status has no {field}")
    return 1024 * int(match[1])


def trim_heap() -> None:
    """Returns freed memory to the system: a run that reused it would not raise the peak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
    if trim:
        trim(0)


def _peak_since_process_start() -> int | None:
    """Returns the peak of the whole process in bytes, compilation included; needs no /proc."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _device_reader(label: str) -> Callable[[bool], int | None]:
    if label == TORCH:
        return _read_cuda
    device: Any = jax.devices()[0]

    def read(start: bool) -> int | None:
        field = "bytes_in_use" if start else "peak_bytes_in_use"
        return (device.memory_stats() or {}).get(field)

    return read


def _read_cuda(start: bool) -> int | None:
    import torch

    if start:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    return torch.cuda.max_memory_allocated()
