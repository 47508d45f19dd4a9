"""Documents: printed commands parse, Python blocks run, links and named functions exist."""

import ast
import functools
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferjax.data.synthetic.load_synthetic import render_faces
from ferjax.emotions import EMOTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *("README.md", "BUILD.md", "CONTRIBUTING.md", "SECURITY.md"),
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")),
)
MOST_LINES = {"README.md": 120, "BUILD.md": 250}
MOST_LINES_OF_A_STEP = 600
# A bar ends a command, unless it is quoted.
COMMAND = re.compile(r"\bpython[0-9.]* -m launch\.(\w+)((?:'[^'\n]*'|[^\n`|'])*)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The first line of a block that needs what a test does not have, such as downloaded weights. Such
# a block is compiled, and what it imports must exist; all others run.
NEEDS = "# Needs:"
# A table row: | ... | `file.py` | `function`, `Class.method` | ... |
STOP = re.compile(r"^\|(?: *[\w →]+ *\|)? `(ferjax/[\w/]+\.py)` \| (`[^|]+`) \|", re.MULTILINE)
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
IDENTIFIER = re.compile(r"^::: (ferjax[\w.]+)", re.MULTILINE)
# Parses the command lines given as JSON, entry point by entry point in a process of its own;
# a config that one gives must resolve too.
SCRIPT = """
import importlib, json, sys
from absl import flags
from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.recipes import resolve
from ferjax.search.search_plan import plan_search
from ferjax.config.matrix_config import MatrixConfig
from ferjax.config.predict_and_export import ExportConfig
from ferjax.config.tool_configs import ConvertConfig, PrepareConfig, SearchConfig
from launch.command.flags import given_flags
name, lines = sys.argv[1], json.loads(sys.argv[2])
importlib.import_module(f"launch.{name}")
if "import" in flags.FLAGS:
    from launch.command.user_modules import import_user_modules
for page, arguments in lines:
    print(page, name, *arguments)
    flags.FLAGS.unparse_flags()
    flags.FLAGS([name, *arguments])
    if "import" in flags.FLAGS:
        import_user_modules()
    if name == "train" and not flags.FLAGS.list:
        resolve(given_flags(TrainConfig))
    if name == "search":
        plan_search(SearchConfig(**given_flags(SearchConfig)), given_flags(TrainConfig))
    for other, config in (
        ("convert", ConvertConfig), ("evaluate", EvalConfig), ("export", ExportConfig),
        ("matrix", MatrixConfig), ("prepare", PrepareConfig)
    ):
        if name == other:
            config(**given_flags(config))
"""


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def commands(text: str) -> dict[str, list[list[str]]]:
    """Returns entry point → arguments of each command line on a page."""
    found: dict[str, list[list[str]]] = {}
    for name, rest in COMMAND.findall(text.replace("\\\n", " ")):
        # Optional arguments are printed in brackets.
        words = shlex.split(rest.replace("[", " ").replace("]", " "), comments=True)
        found.setdefault(name, []).append([word for word in words if word != "..."])
    return found


@functools.cache
def printed_commands() -> dict[str, list[tuple[str, list[str]]]]:
    """Returns entry point → (page, arguments) of every command line on all pages."""
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for page in PAGES:
        for name, lines in commands(text_of(page)).items():
            found.setdefault(name, []).extend((page, line) for line in lines)
    return found


def blocks(page: str) -> list[tuple[int, str]]:
    """Returns (line before the first, code) of each Python block on a page."""
    text = text_of(page)
    return [(text.count("\n", 0, m.start(1)), m[1]) for m in BLOCK.finditer(text)]


def span(file: str, name: str) -> int:
    """Returns the number of lines of a function, class or method, with its decorators."""
    body: list[ast.stmt] = ast.parse(text_of(file)).body
    node: ast.AST | None = None
    for part in name.split("."):
        node = next((child for child in body if getattr(child, "name", None) == part), None)
        assert node, f"docs/how-it-works.md: {file} has no {name}"
        body = getattr(node, "body", [])
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return (node.end_lineno or 0) - first + 1


def stops(text: str) -> list[tuple[str, str]]:
    """Returns (file, function) of each table row of How it works."""
    rows = STOP.findall(text)
    return [(file, name) for file, names in rows for name in re.findall(r"`([\w.]+)`", names)]


def test_commands_are_found() -> None:
    text = "`python -m launch.a --x=1 [--y=2 ...]`\n.venv/bin/python -m launch.b \\\n  --z  # why\n"
    text += "| python -m launch.c --s='a=1|2, b' | x |\n"
    assert commands(text) == {"a": [["--x=1", "--y=2"]], "b": [["--z"]], "c": [["--s=a=1|2, b"]]}


def test_readme_prints_the_main_commands() -> None:
    assert set(commands(text_of("README.md"))) >= {"train", "evaluate", "predict"}


@pytest.mark.parametrize("name", sorted(printed_commands()))
def test_printed_commands_parse(name: str) -> None:
    assert (ROOT / "launch" / f"{name}.py").is_file(), printed_commands()[name]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, json.dumps(printed_commands()[name])],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    last = done.stdout.strip().rpartition("\n")[2]
    assert done.returncode == 0, f"{last}\n{done.stderr}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_python_blocks_run(
    page: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The blocks of a page run in order, in one namespace, as a reader would type them.

    What the pages presume lies in the working directory: class folders of images in FACES/, and
    the run directory runs/mine, unless a block of the page trains it.
    """
    monkeypatch.chdir(tmp_path)
    wanted = [EMOTIONS.index(name) for name in ("happiness", "sadness", "neutral")]
    labels = np.repeat(wanted, 20)
    faces = render_faces(labels, np.arange(len(labels)), size=48)
    for number, (label, face) in enumerate(zip(labels, faces, strict=True)):
        folder = tmp_path / "FACES" / EMOTIONS[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(folder / f"{number:03d}.png")
    # The first of each class is called 000.png, whatever its number.
    for name in ("happiness", "sadness", "neutral"):
        folder = tmp_path / "FACES" / name
        min(folder.iterdir()).rename(folder / "000.png")
    runs = [code for _, code in blocks(page) if "runs/mine" in code]
    if runs and not re.search(r"run_train\(|ferjax\.train\(", runs[0]):
        shutil.copytree(request.getfixturevalue("tiny_run"), tmp_path / "runs" / "mine")
    namespace: dict[str, object] = {"__name__": "page"}
    for line, code in blocks(page):
        compiled = compile("\n" * line + code, page, "exec")
        if not code.startswith(NEEDS):
            exec(compiled, namespace)
            continue
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                assert not [a.name for a in node.names if not hasattr(module, a.name)]


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page: str) -> None:
    folder = (ROOT / page).parent
    links = [path for path, _ in LINK.findall(text_of(page))]
    assert not [path for path in links if not (folder / path).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_named_paths_exist(page: str) -> None:
    named = re.findall(r"`((?:ferjax|launch|tests|docs|examples)/[\w/.-]*)`", text_of(page))
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_no_placeholder_is_left(page: str) -> None:
    assert not re.findall(r"@[A-Z]+@|\bTODO\b|\bTBD\b", text_of(page))


@pytest.mark.parametrize(("page", "most"), MOST_LINES.items())
def test_pages_are_short(page: str, most: int) -> None:
    assert len(text_of(page).splitlines()) <= most


def test_how_it_works_names_functions_that_exist() -> None:
    text = text_of("docs/how-it-works.md")
    assert len(stops(text)) > 30
    for file, name in stops(text):
        span(file, name)


def test_one_training_step_is_short_to_read() -> None:
    sections = dict(SECTION.findall(text_of("docs/how-it-works.md")))
    listed = stops(sections["One training step"])
    assert ("ferjax/training/train_step.py", "train_step") in listed
    assert len(set(listed)) == len(listed)
    assert sum(span(file, name) for file, name in listed) <= MOST_LINES_OF_A_STEP


def test_documented_identifiers_exist() -> None:
    pages = [page for page in PAGES if page.startswith("docs/api/")]
    names = [name for page in pages for name in IDENTIFIER.findall(text_of(page))]
    assert len(names) > 30
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_navigation_lists_every_page() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", text_of("mkdocs.yml")))
    assert listed == {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}
