"""Compiled programs kept between processes."""

import os
from pathlib import Path

import jax


def enable_compile_cache() -> None:
    """Keeps compiled programs between processes, in $JAX_COMPILATION_CACHE_DIR or ~/.cache."""
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        folder = Path.home() / ".cache" / "ferjax" / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(folder))
