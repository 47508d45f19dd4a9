"""Every command that README.md and BUILD.md print parses, and names only what exists."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "BUILD.md")
# A bar ends a command, unless it is quoted.
COMMAND = re.compile(r"\bpython[0-9.]* -m launch\.(\w+)((?:'[^'\n]*'|[^\n`|'])*)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)\)")
# Parses each command line given as JSON; a config that it gives must resolve too.
SCRIPT = """
import importlib, json, sys
from absl import flags
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.recipes import resolve
from ferjax.search.search_plan import plan_search
from ferjax.config.tool_configs import SearchConfig
from launch.flags import given_flags
name, lines = sys.argv[1], json.loads(sys.argv[2])
importlib.import_module(f"launch.{name}")
for arguments in lines:
    flags.FLAGS.unparse_flags()
    flags.FLAGS([name, *arguments])
    if name == "train" and not flags.FLAGS.list:
        resolve(given_flags(TrainConfig))
    if name == "search":
        plan_search(SearchConfig(**given_flags(SearchConfig)), given_flags(TrainConfig))
    if name == "evaluate":
        EvalConfig(**given_flags(EvalConfig))
"""


def commands(text: str) -> dict[str, list[list[str]]]:
    """Returns entry point → arguments of each command line on a page."""
    found: dict[str, list[list[str]]] = {}
    for name, rest in COMMAND.findall(text.replace("\\\n", " ")):
        # Optional arguments are printed in brackets.
        words = shlex.split(rest.replace("[", " ").replace("]", " "), comments=True)
        found.setdefault(name, []).append([word for word in words if word != "..."])
    return found


def test_commands_are_found() -> None:
    text = "`python -m launch.a --x=1 [--y=2 ...]`\n.venv/bin/python -m launch.b \\\n  --z  # why\n"
    text += "| python -m launch.c --s='a=1|2, b' | x |\n"
    assert commands(text) == {"a": [["--x=1", "--y=2"]], "b": [["--z"]], "c": [["--s=a=1|2, b"]]}


@pytest.mark.parametrize("page", PAGES)
def test_printed_commands_parse(page: str) -> None:
    found = commands((ROOT / page).read_text("utf-8"))
    assert page != "README.md" or set(found) >= {"train", "evaluate", "predict"}
    for name, lines in found.items():
        assert (ROOT / "launch" / f"{name}.py").is_file(), f"{page}: launch.{name}"
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, name, json.dumps(lines)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{page}: {lines}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert not [path for path in LINK.findall(text) if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_no_placeholder_is_left(page: str) -> None:
    assert not re.findall(r"@[A-Z]+@|\bTODO\b|\bTBD\b", (ROOT / page).read_text("utf-8"))
