"""Snapshot of the command line: flags, types, defaults and help of every `launch` entry point.

To change the command line on purpose, regenerate the snapshot and commit it:

    python tests/launch/test_command_line_snapshot.py
"""

import difflib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("command_line.txt")
UPDATE = "python tests/launch/test_command_line_snapshot.py"
MAIN = 'if __name__ == "__main__":'
# Runs in a process of its own. Entry points define flags of equal names, hence each of them is
# imported into an empty set of flags.
PRINT_FLAGS = """
import importlib, sys, textwrap
from absl import flags

for module in sys.argv[1:]:
    for name in list(flags.FLAGS):
        delattr(flags.FLAGS, name)
    for name in [name for name in sys.modules if name.split(".")[0] == "launch"]:
        del sys.modules[name]
    importlib.import_module(module)
    print(f"\\n== python -m {module}")
    of_absl = {
        flag.name
        for owner, owned in flags.FLAGS.flags_by_module_dict().items()
        if owner.split(".")[0] == "absl"
        for flag in owned
    }
    for name in sorted(set(flags.FLAGS) - of_absl):
        flag = flags.FLAGS[name]
        if name != flag.name:
            continue  # the negative form of a boolean flag
        print(f"--{name} ({flag.flag_type()}, default {flag.default!r})")
        print(textwrap.fill(flag.help, 96, initial_indent="    ", subsequent_indent="    "))
assert "jax" not in sys.modules, "the flags of an entry point are defined without importing jax"
"""


def entry_points() -> list[str]:
    """Returns the modules of `launch` that are programs, in alphabetical order."""
    files = sorted((ROOT / "launch").glob("*.py"))
    return [f"launch.{file.stem}" for file in files if MAIN in file.read_text("utf-8")]


def command_line() -> str:
    """Returns the text of the snapshot for the present code."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT_FLAGS, *entry_points()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return f"The flags of every entry point. Update: {UPDATE}\n{done.stdout}"


def test_every_entry_point_is_in_the_snapshot() -> None:
    named = {"train", "evaluate", "predict", "prepare", "convert", "search", "bench"}
    assert {f"launch.{name}" for name in named} <= set(entry_points())
    lines = SNAPSHOT.read_text("utf-8").splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("== ")] == entry_points()


def test_command_line_equals_the_snapshot() -> None:
    changes = difflib.unified_diff(
        SNAPSHOT.read_text("utf-8").splitlines(),
        command_line().splitlines(),
        "tests/launch/command_line.txt",
        "the present code",
        lineterm="",
        n=1,
    )
    changed = "\n".join(changes)
    assert not changed, (
        "the command line has changed. A user's scripts depend on flag names and defaults; if the"
        f" change is on purpose, update the snapshot with `{UPDATE}`:\n{changed}"
    )


if __name__ == "__main__":
    SNAPSHOT.write_text(command_line(), "utf-8")
