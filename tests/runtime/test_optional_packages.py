import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.runtime.optional_packages import require_package

ROOT = Path(__file__).parents[2]


def test_a_module_that_is_installed() -> None:
    assert require_package("json", "faces", "A test") is json


@pytest.mark.parametrize(
    ("module", "extra", "words"),
    [
        (
            "nowhere",
            "hub",
            "A test needs nowhere, which is not installed. Run: pip install 'ferjax[hub]', or none",
        ),
        (
            "nowhere.part",
            None,
            "A test needs nowhere, which is not installed. Run: pip install nowhere, or none",
        ),
        (
            "cv2",
            "faces",
            "A test needs OpenCV, which is not installed. Run: pip install"
            " 'ferjax[faces]', or none",
        ),
    ],
)
def test_a_missing_one(
    module: str, extra: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    with pytest.raises(UserError, match=f"^{re.escape(words)}$"):
        require_package(module, extra, "A test", "or none")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import another_that_is_nowhere", "No module named 'another_that_is_nowhere'"),
        ("raise ImportError('libGL.so.1: no such file')", "libGL.so.1: no such file"),
    ],
)
def test_one_that_is_installed_and_broken(
    line: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_one.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    words = f"A test needs broken_one, which cannot be imported ({reason}). Run: pip install"
    with pytest.raises(UserError, match=re.escape(words)):
        require_package("broken_one", "faces", "A test")


def test_the_extras_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    calls = re.compile(r'(?:require|missing)_package\(\s*[^()"]*"[\w.]+",\s*"(\w+)"')
    named = {
        extra
        for file in (ROOT / "ferjax").rglob("*.py")
        for extra in calls.findall(file.read_text("utf-8"))
    }
    assert len(named) > 5
    assert named <= set(extras["optional-dependencies"])
