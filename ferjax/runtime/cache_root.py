"""The cache folder of ferjax: everything in it can be computed or downloaded again."""

import os
from pathlib import Path


def cache_root() -> Path:
    """Returns $FERJAX_CACHE, else $XDG_CACHE_HOME/ferjax, else ~/.cache/ferjax."""
    if folder := os.environ.get("FERJAX_CACHE"):
        return Path(folder).expanduser()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser() / "ferjax"
    return Path.home() / ".cache" / "ferjax"
