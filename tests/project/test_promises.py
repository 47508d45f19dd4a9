"""docs/promises.md: every promise names a test that exists, and says when it runs."""

import ast
import functools
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "promises.md"
GROUPS = ("Data", "Numbers", "Runs", "Files", "Network", "Law")
LEAST, LEAST_IN_A_GROUP = 60, 6
# Marks that take a test out of the default set, or that skip it where something is missing.
MARKS = ("slow", "parity", "gpu", "faces", "faults")
ROW = re.compile(r"^\| (?P<promise>[^|]+) \| `(?P<test>[^`|]+)` \| (?P<runs>[a-z, ]+) \|$")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def rows(text: str) -> list[tuple[str, str, str, str]]:
    """Returns (group, promise, test, when it runs) of each line of the tables."""
    found, group = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("| promise |"):
            row = ROW.match(line)
            assert row, f"no promise with a test and when it runs: {line}"
            found.append((group, row["promise"].strip(), row["test"], row["runs"]))
    return found


PROMISES = rows(PAGE.read_text("utf-8"))


@functools.cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def packages_of_tests() -> set[str]:
    """Returns the packages that `pip install -e '.[test]'` asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["test"], *extras["serve"]]
    assert "ferjax[serve]" in extras["test"]
    return {re.split(r"[^\w-]", name)[0].lower() for name in asked} | {"sklearn"}


def called(node: ast.AST) -> str:
    """Returns the dotted name that a call, or an attribute, is of."""
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def marks_of(module: ast.Module, function: Function) -> list[str]:
    """Returns the names of the pytest marks of a test and of its module."""
    nodes = list(function.decorator_list)
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            value = statement.value
            nodes += value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    names = [called(node) for node in nodes]
    return [name.removeprefix("pytest.mark.") for name in names if name.startswith("pytest.mark.")]


def missing_packages(body: list[ast.stmt]) -> set[str]:
    """Returns what the statements of a body, not of its branches, skip without."""
    found = set[str]()
    for statement in body:
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Call) and called(value) == "pytest.importorskip":
            found.add(str(ast.literal_eval(value.args[0])).partition(".")[0])
    return found - packages_of_tests()


def always_skipped(module: ast.Module, function: Function) -> bool:
    calls = [
        called(statement.value)
        for statement in (*module.body, *function.body)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    ]
    return "skip" in marks_of(module, function) or "pytest.skip" in calls


def called_names(function: Function) -> set[str]:
    return {called(node) for node in ast.walk(function) if isinstance(node, ast.Call)}


def skips_on_some_machines(test: str) -> bool:
    """Returns whether a test, or a fixture that it uses, skips where something is missing."""
    module, function = find_test(test)
    path = ROOT / test.partition("::")[0]
    conftests = [folder / "conftest.py" for folder in path.parents if ROOT in folder.parents]
    modules = [syntax_tree(file) for file in reversed(conftests) if file.is_file()]
    fixtures = {n.name: n for m in (*modules, module) for n in m.body if isinstance(n, Function)}
    if "skipif" in marks_of(module, function):
        return True
    seen, waiting = set[str](), [function]
    while waiting:
        one = waiting.pop()
        if "pytest.skip" in called_names(one):
            return True
        used = {argument.arg for argument in one.args.args} | called_names(one)
        waiting += [fixtures[name] for name in used & {*fixtures} - seen]
        seen |= used
    return False


def find_test(test: str) -> tuple[ast.Module, Function]:
    """Returns module and function of `tests/path.py::test_name`, parametrised or not."""
    path, _, name = test.partition("::")
    assert (ROOT / path).is_file(), f"{test}: no such file"
    assert Path(path).parts[0] == "tests", test
    assert Path(path).name.startswith("test_"), f"{test}: pytest does not collect this file"
    assert name.startswith("test_"), f"{test}: pytest does not collect this function"
    module = syntax_tree(ROOT / path)
    found = [node for node in module.body if isinstance(node, Function) and node.name == name]
    assert found, f"{test}: the file has no such test"
    return module, found[-1]


def when_it_runs(test: str) -> str:
    """Returns `default`, or the marks of a test that keep it out of the default set."""
    module, function = find_test(test)
    marks = marks_of(module, function)
    return ", ".join(mark for mark in MARKS if mark in marks) or "default"


def test_there_are_enough_promises_in_every_group() -> None:
    counts = Counter(group for group, *_ in PROMISES)
    assert tuple(counts) == GROUPS
    assert len(PROMISES) >= LEAST
    assert min(counts.values()) >= LEAST_IN_A_GROUP
    default = sum(runs == "default" for *_, runs in PROMISES)
    text = PAGE.read_text("utf-8")
    assert f": {len(PROMISES)} promises, each with" in text
    assert f" {default} of these tests are in the default set" in text


@pytest.mark.parametrize(("promise", "test"), [(row[1], row[2]) for row in PROMISES])
def test_a_promise_is_kept_by_a_test_that_runs(promise: str, test: str) -> None:
    module, function = find_test(test)
    assert not always_skipped(module, function), f"{test} is always skipped"
    needed = missing_packages(module.body) | missing_packages(function.body)
    assert not needed or "parity" in marks_of(module, function), f"{test} skips without {needed}"


def test_the_page_says_when_each_test_runs() -> None:
    wrong = {test: when_it_runs(test) for *_, test, runs in PROMISES if runs != when_it_runs(test)}
    assert not wrong


def test_the_page_names_the_tests_that_skip_on_some_machines() -> None:
    """Tests of the extra `parity` and of the real faces skip without them, as their column says."""
    (paragraph,) = re.findall(r"^\*\*Conditions\.\*\*.*?\n\n", PAGE.read_text("utf-8"), re.M | re.S)
    others = [test for *_, test, runs in PROMISES if not {"parity", "faces"} & {*runs.split(", ")}]
    skipping = {test.partition("::")[2] for test in others if skips_on_some_machines(test)}
    assert skipping == set(re.findall(r"`(test_\w+)`", paragraph))


def test_promises_are_plain_sentences_and_named_once() -> None:
    texts = [promise for _, promise, *_ in PROMISES]
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    for text in texts:
        assert re.fullmatch(r"[A-Z`].*\.", text), text
        assert text.count(". ") == 0, f"more than one sentence: {text}"
        assert len(text) <= 200, text


def test_what_the_issue_of_promises_asks_for_is_there() -> None:
    """Equal bits name what they depend on, and four silent passes of libraries are refused."""
    tests = {test: promise for _, promise, test, _ in PROMISES}
    same = tests["tests/runs/test_resume.py::test_interrupted_run_resumes_bit_for_bit"]
    assert "the same machine and number of cores" in same
    other = "test_a_run_that_goes_on_with_other_cores_is_the_same_to_rounding"
    assert "rounding" in tests[f"tests/runs/test_number_of_cores.py::{other}"]
    for name in (
        "test_a_reader_that_counts_otherwise_is_refused",
        "test_a_warm_up_of_no_steps_is_no_warm_up",
        "test_another_precision_is_refused_and_not_converted",
        "test_samples_depend_on_seed_and_trial_number",
    ):
        assert any(test.endswith(f"::{name}") for test in tests), name


@pytest.mark.parametrize(
    ("code", "skipped", "marks"),
    [
        ("def test_a(): pass", False, "default"),
        ("@pytest.mark.skip\ndef test_a(): pass", True, "default"),
        ("@pytest.mark.skip(reason='x')\ndef test_a(): pass", True, "default"),
        ("pytestmark = [pytest.mark.slow, pytest.mark.skip]\ndef test_a(): pass", True, "slow"),
        ("def test_a():\n    pytest.skip('x')", True, "default"),
        ("pytestmark = pytest.mark.parity\ndef test_a(): pass", False, "parity"),
        ("@pytest.mark.skipif(X, reason='x')\n@pytest.mark.slow\ndef test_a(): 1", False, "slow"),
        (
            "@pytest.mark.parametrize('a', [1])\ndef test_a(a):\n    if a: pytest.skip()",
            False,
            "default",
        ),
    ],
)
def test_marks_and_skips_are_read_off_the_syntax_tree(code: str, skipped: bool, marks: str) -> None:
    module = ast.parse(code)
    function = module.body[-1]
    assert isinstance(function, ast.FunctionDef)
    assert always_skipped(module, function) is skipped
    found = marks_of(module, function)
    assert (", ".join(mark for mark in MARKS if mark in found) or "default") == marks


@pytest.mark.parametrize(
    "line", ["| A promise. |  | default |", "| A promise. | a test | default |", "| A promise. |"]
)
def test_a_promise_without_a_test_is_found(line: str) -> None:
    with pytest.raises(AssertionError, match="no promise with a test"):
        rows(f"## Data\n\n{line}\n")


def test_a_test_that_does_not_exist_is_found() -> None:
    for test in ("tests/project/test_promises.py::test_no", "tests/no/test_x.py::test_a"):
        with pytest.raises(AssertionError, match="no such"):
            find_test(test)
