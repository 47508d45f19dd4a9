"""Runs the tests of the one module that differs from the commit; exit status 1: a test failed.

These are the module's own test file and all others that import it by name, its own first.
"""

import os
import subprocess
import sys
from pathlib import Path


def mutated_module() -> Path:
    """Returns the path of the module that differs, relative to the repository."""
    command = ["git", "diff", "--name-only"]
    (path,) = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return Path(path)


def tests_of(module: Path) -> list[str]:
    """Returns the test files of a module, its own first."""
    own = Path("tests", *module.parts[1:-1], f"test_{module.name}")
    name = ".".join(module.with_suffix("").parts)
    users = [
        path
        for path in sorted(Path("tests").rglob("test_*.py"))
        if path != own and f"from {name} import" in path.read_text("utf-8")
    ]
    return [str(path) for path in ([own] if own.is_file() else []) + users]


def main() -> int:
    """Returns the exit status of pytest; 0, as if all had passed, where no test names it."""
    tests = tests_of(mutated_module())
    if not tests:
        print("no test imports this module")
        return 0
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not gpu"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, *tests]
    return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
