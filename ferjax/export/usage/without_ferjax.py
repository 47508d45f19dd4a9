"""Runs a Python script in a process in which ferjax cannot be imported, wherever it is installed.

Called as `python -P without_ferjax.py SCRIPT [ARGUMENTS]`.
"""

import runpy
import sys

NAMES = {"ferjax", "launch"}


class Refuse:
    """An import finder that Python asks before all others."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raises `ImportError` for ferjax, and leaves everything else to the finders after it."""
        if name.split(".")[0] in NAMES:
            raise ImportError(f"{name}: an export must run without it")


if __name__ == "__main__":
    sys.meta_path.insert(0, Refuse())
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
    assert not NAMES & set(sys.modules)
