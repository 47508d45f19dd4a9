"""JAX's persistent compilation cache: compiled programs are stored between processes."""

import os
from pathlib import Path

import jax


def enable_compile_cache() -> None:
    """Stores compiled programs in $JAX_COMPILATION_CACHE_DIR, or else ~/.cache/ferjax/compiled."""
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        folder = Path.home() / ".cache" / "ferjax" / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(folder))
