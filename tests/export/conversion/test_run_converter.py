"""Processes of converters: what they see, and what is said where they fail."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.export.conversion.run_converter import run_converter


def test_a_failed_process_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)converter no_such failed \(exit 1\).*no_such"):
        run_converter(Path(sys.executable), "no_such", {}, {"a": np.zeros(2)}, tmp_path)


def test_the_process_sees_ferjax_and_the_users_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_networks.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("my_networks")
    folder = tmp_path / "exchange"
    folder.mkdir()
    with pytest.raises(UserError):
        run_converter(Path(sys.executable), "no_such", {"module": "my_networks"}, {}, folder)
    assert {path.name for path in (folder / "visible").iterdir()} == {"ferjax", "my_networks.py"}


def test_a_network_of_a_notebook_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "notebook_of_mine", ModuleType("notebook_of_mine"))
    with pytest.raises(UserError, match=r"defined in a notebook .* Put it into a module"):
        run_converter(Path(sys.executable), "to_onnx", {"module": "notebook_of_mine"}, {}, tmp_path)


def test_the_process_sees_a_package_without_init(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be spread over several folders, of which the first has precedence."""
    for place, names in (("a", ("net", "same")), ("b", ("other", "same"))):
        (tmp_path / place / "my_package").mkdir(parents=True)
        for name in names:
            (tmp_path / place / "my_package" / f"{name}.py").write_text(f"place = {place!r}\n")
    for place in ("b", "a"):
        monkeypatch.syspath_prepend(str(tmp_path / place))
    __import__("my_package.net")
    folder = tmp_path / "exchange"
    folder.mkdir()
    with pytest.raises(UserError):
        run_converter(Path(sys.executable), "no_such", {"module": "my_package.net"}, {}, folder)
    code = "from my_package import net, other, same; print(net.place, other.place, same.place)"
    command = [sys.executable, "-P", "-c", code]
    path = {"PYTHONPATH": str(folder / "visible")}
    done = subprocess.run(command, env=path, capture_output=True, text=True)
    assert done.stdout.split() == ["a", "b", "a"], done.stderr


def test_files_where_the_command_was_started_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, started = tmp_path / "exchange", tmp_path / "started"
    (started / "ferjax").mkdir(parents=True)
    (started / "ferjax" / "__init__.py").write_text("raise SystemExit('a file of the user ran')")
    folder.mkdir()
    monkeypatch.chdir(started)
    with pytest.raises(UserError, match="no_such") as caught:
        run_converter(Path(sys.executable), "no_such", {}, {}, folder)
    assert "a file of the user" not in str(caught.value)
