"""The scripts of `.ci/mutation`: which tests a fault is given to, and how its end is counted."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / ".ci" / "mutation"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Returns name → module of the scripts that need no cosmic-ray."""
    monkeypatch.syspath_prepend(SCRIPTS)
    names = ("run_tests", "scores")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        del sys.modules[name]


def write_project(folder: Path) -> None:
    """Writes a.py, which only b.py imports, and tests of b.py and of c.py, which imports b.py."""
    files = {
        "ferjax/ops/a.py": "one = 1\n",
        "ferjax/ops/b.py": "from ferjax.ops.a import one\n",
        "ferjax/runs/c.py": "from ferjax.ops import b\n",
        "tests/ops/test_b.py": "from ferjax.ops.b import one\n",
        "tests/ops/test_all.py": "import ferjax.ops.b\n",
        "tests/runs/test_c.py": "from ferjax.runs import c\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def test_a_module_is_tested_by_its_own_tests_or_by_those_of_its_users(
    scripts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    tests = scripts["run_tests"].tests_by_distance
    own = [Path("tests/ops/test_b.py"), Path("tests/ops/test_all.py")]
    assert [*tests(Path("ferjax/ops/b.py"))] == [own, [Path("tests/runs/test_c.py")]]
    assert next(tests(Path("ferjax/ops/a.py"))) == sorted(own)
    assert [*tests(Path("ferjax/runs/c.py"))] == [[Path("tests/runs/test_c.py")]]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (["FAILED"], "FAILED"),
        (["PASSED"], "PASSED"),
        (["OUT_OF_TIME", "FAILED"], "FAILED"),
        (["OUT_OF_TIME", "OUT_OF_TIME"], "OUT_OF_TIME"),
        # The module's own tests are all marked slow: those of its users are run.
        (["NO_TESTS", "FAILED"], "FAILED"),
        (["NO_TESTS", "NO_TESTS"], "NO_TESTS"),
    ],
)
def test_time_that_ran_out_is_tried_once_more(
    scripts: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: list[str],
    expected: str,
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    run_tests = scripts["run_tests"]
    endings = iter(getattr(run_tests, end) for end in ends)
    monkeypatch.setattr(run_tests, "run_pytest", lambda tests, seconds: next(endings))
    assert run_tests.main(10, Path("ferjax/ops/b.py")) == getattr(run_tests, expected)
    assert next(endings, None) is None


def test_only_faults_that_were_tried_count_for_the_share(scripts: dict[str, Any]) -> None:
    run_tests, scores = scripts["run_tests"], scripts["scores"]
    printed = {
        f"1 failed\n\n{run_tests.FAILED}\n": "found",
        f"3 passed\n\n{run_tests.PASSED}\n": "missed",
        run_tests.NO_TESTS: "missed",
        run_tests.OUT_OF_TIME: "time ran out",
        "timeout": "time ran out",
        run_tests.NO_FAULT: "not tried",
        "Traceback (most recent call last):\nKeyError": "not tried",
        "": "not tried",
    }
    assert {output: scores.column_of(output) for output in printed} == printed
    assert scores.column_of(None) == "not tried"
    counts = {"ops": {"found": 3, "missed": 1, "time ran out": 5}, "convert": {"not tried": 2}}
    assert scores.table(counts)[2:] == [
        "| ops | 9 | 3 | 1 | 5 | 0 | 75.0 % |",
        "| convert | 2 | 0 | 0 | 0 | 2 | – |",
        "| all | 11 | 3 | 1 | 5 | 2 | 75.0 % |",
    ]
