"""Facts about this process that influence the programs of XLA, as JSON values."""

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
# Fields of /proc/cpuinfo. Two processors with equal values run the same instructions.
_PROCESSOR = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")


@functools.cache
def surroundings() -> dict[str, Any] | None:
    """Returns sources, versions, settings and machine of this process; None if sources are missing.

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
        # On CPU, XLA divides the work among this number of threads.
        "cores": [os.cpu_count(), len(os.sched_getaffinity(0))]
        if hasattr(os, "sched_getaffinity")
        else [os.cpu_count()],
        "devices": [[d.platform, d.device_kind, d.id] for d in jax.devices()],
    }


def _digest_of_sources() -> str | None:
    """Returns the sha256 of all modules of ferjax, or None if they are not plain files."""
    package = Path(__file__).resolve().parents[2]
    files = sorted(package.rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(package).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest() if files else None


def _processor() -> list[str]:
    """Returns model and features of the first processor; an empty list if Linux reports none."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0]
    except (OSError, UnicodeDecodeError):
        return [platform.processor()]
    lines = (line.partition(":") for line in first.splitlines())
    return [f"{name.strip()}:{value.strip()}" for name, _, value in lines
            if name.strip() in _PROCESSOR]  # fmt: skip
