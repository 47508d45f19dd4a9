"""Runs the tests of one module, and prints as its last line how they ended.

Usage: run_tests.py SECONDS [MODULE]. Without MODULE it is the one that differs from the commit.
These are the module's own test file and the other files that import it, its own first. If there are
none, or none that is run by default, they are the tests of the modules that import it, those of
its own package if there are any.
"""

import ast
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

PASSED, FAILED, NO_TESTS = "the tests passed", "a test failed", "there are no tests"
OUT_OF_TIME, NO_FAULT = "the time ran out", "no module differs"
# A machine that was busy for a while is no fault that was found.
_ATTEMPTS = 2


def changed_modules() -> list[Path]:
    """Returns the paths of the files that differ from the commit."""
    command = ["git", "diff", "--name-only"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return [Path(path) for path in found.stdout.split()]


def module_name(path: Path) -> str:
    """Returns the name under which a file is imported."""
    return ".".join(path.with_suffix("").parts)


def imports_of(path: Path) -> set[str]:
    """Returns the names of all modules that a file imports, and of what it imports from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def tests_by_distance(module: Path) -> Iterator[list[Path]]:
    """Yields the test files of a module, then those of the modules that import it, and so on."""
    own = Path("tests", *module.parts[1:-1], f"test_{module.name}")
    tests = {path: imports_of(path) for path in Path("tests").rglob("test_*.py")}
    # The module itself may be one that cannot be read any more.
    sources = [path for path in Path("ferjax").rglob("*.py") if path != module]
    imports = {path: imports_of(path) for path in sources}
    level, seen = {module}, {module}
    while level:
        names = {module_name(path) for path in level}
        found = {path for path, used in tests.items() if used & names}
        if level == {module}:
            found |= {own} & tests.keys()
        else:
            package = Path(*own.parts[:2])
            found = {path for path in found if path.is_relative_to(package)} or found
        if found:
            yield sorted(found, key=lambda path: (path != own, path.parent != own.parent, path))
        level = {path for path, used in imports.items() if used & names} - seen
        seen |= level


def run_pytest(tests: Sequence[Path], seconds: float) -> str:
    """Returns how the tests ended; after `seconds` they and all their processes are killed."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not gpu and not faults"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, *map(str, tests)]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return OUT_OF_TIME
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # 5: all tests are marked slow, or need what is not installed.
    return {0: PASSED, 5: NO_TESTS}.get(status, FAILED)


def main(seconds: float, module: Path | None) -> str:
    """Returns how the tests of a module ended; if the time ran out, they are run once more."""
    if module is None:
        changed = changed_modules()
        if len(changed) != 1:
            return NO_FAULT
        (module,) = changed
    for tests in tests_by_distance(module):
        outcome = OUT_OF_TIME
        for _ in range(_ATTEMPTS):
            if outcome == OUT_OF_TIME:
                outcome = run_pytest(tests, seconds)
        if outcome != NO_TESTS:
            return outcome
    return NO_TESTS


if __name__ == "__main__":
    ending = main(float(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None)
    print(f"\n{ending}", flush=True)
    sys.exit(ending == FAILED)
