"""Everything around a function that changes the program which XLA makes of it, as JSON values."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any, cast

import jax

_LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy")
_VARIABLES = ("JAX_", "XLA_", "LIBTPU", "NVIDIA_TF32", "TF_XLA")
# Of /proc/cpuinfo: two processors that differ in none of them run the same instructions.
_PROCESSOR = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")


@functools.cache
def surroundings() -> dict[str, Any] | None:
    """Returns sources, versions, settings and machine of this process; None: unknown sources.

    Settings that only name folders are left out.
    """
    sources = _digest_of_sources()
    if sources is None:
        return None
    settings = cast(Any, jax.config).values
    return {
        "sources": sources,
        "python": sys.version,
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "settings": {k: repr(v) for k, v in sorted(settings.items()) if not k.endswith("_dir")},
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(_VARIABLES) and not name.endswith("_DIR")
        },
        "machine": [platform.machine(), platform.system(), _processor()],
        # XLA divides work for CPU among as many threads.
        "cores": [os.cpu_count(), len(os.sched_getaffinity(0))]
        if hasattr(os, "sched_getaffinity")
        else [os.cpu_count()],
        "devices": [[each.platform, each.device_kind, each.id] for each in jax.devices()],
    }


def _digest_of_sources() -> str | None:
    """Returns the sha256 of all modules of ferjax, or None where they are no plain files."""
    package = Path(__file__).resolve().parents[2]
    files = sorted(package.rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(package).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest() if files else None


def _processor() -> list[str]:
    """Returns what the first processor is and can do; an empty list where Linux does not say it."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0]
    except (OSError, UnicodeDecodeError):
        return [platform.processor()]
    lines = (line.partition(":") for line in first.splitlines())
    return [f"{name.strip()}:{value.strip()}" for name, _, value in lines
            if name.strip() in _PROCESSOR]  # fmt: skip
