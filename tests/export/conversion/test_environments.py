"""Environments of converters: made once, kept, and what is said where they cannot be made."""

import os
import sys
import time
from pathlib import Path

import pytest

from ferjax.errors import UserError
from ferjax.export.conversion import environments
from ferjax.export.conversion.environments import converter_python, interpreter


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERJAX_ENVIRONMENTS", str(tmp_path / "kept"))
    monkeypatch.setitem(environments.ENVIRONMENTS, "onnx", ("no-such-package-of-ferjax==1",))
    return tmp_path / "kept"


def use_own_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of an environment, which takes seconds, makes a name for this Python."""
    run = environments._run

    def run_with_own_pip(command: list[str], target: Path, what: str) -> None:
        if "venv" not in command:
            return run(command, target, what)
        python = interpreter(Path(command[-1]))
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        return python.chmod(0o755)

    monkeypatch.setattr(environments, "_run", run_with_own_pip)


def test_without_a_package_index_the_cause_is_said_and_nothing_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    use_own_pip(monkeypatch)
    with pytest.raises(UserError, match=r"(?s)onnx-python3.*pip ended with 1:.*no-such-package.*"):
        converter_python("onnx", progress=False)
    assert not list(folder.iterdir())


def test_what_is_there_is_used_and_another_release_is_another_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def make(target: Path, packages: tuple[str, ...], module: str) -> None:
        made.append(target)
        interpreter(target).parent.mkdir(parents=True)
        interpreter(target).touch()

    monkeypatch.setattr(environments, "_make", make)
    first = converter_python("onnx", progress=False)
    assert converter_python("onnx", progress=False) == first
    assert len(made) == 1
    monkeypatch.setitem(environments.ENVIRONMENTS, "onnx", ("no-such-package-of-ferjax==2",))
    assert converter_python("onnx", progress=False) != first


def test_offline_nothing_is_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_make", lambda *_: pytest.fail("installed"))
    monkeypatch.setenv("FERJAX_OFFLINE", "1")
    with pytest.raises(UserError, match=r"onnx-python.* does not exist, and FERJAX_OFFLINE or"):
        converter_python("onnx", progress=False)


def test_what_a_killed_command_left_is_removed_a_day_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(target: Path, packages: tuple[str, ...], module: str) -> None:
        interpreter(target).parent.mkdir(parents=True)
        interpreter(target).touch()

    monkeypatch.setattr(environments, "_make", make)
    kept = converter_python("onnx", progress=False).parent.parent
    # No process has this number.
    left = kept.with_name(f".{kept.name}.99999999-0123abcd.tmp")
    left.mkdir()
    converter_python("onnx", progress=False)
    assert left.exists()  # a process of another machine may be making it
    long_ago = time.time() - 25 * 3600
    os.utime(left, (long_ago, long_ago))
    converter_python("onnx", progress=False)
    assert list(folder.iterdir()) == [kept]


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FERJAX_ENVIRONMENTS", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"file/tflite-.* cannot be made.*FERJAX_ENVIRONMENTS"):
        converter_python("tflite", progress=False)


def test_an_environment_whose_python_is_gone_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_own_pip(monkeypatch)
    # pip installs nothing; it still reads its settings.
    monkeypatch.setitem(environments.ENVIRONMENTS, "onnx", ("pip",))
    monkeypatch.setitem(environments._IMPORTED, "onnx", "json")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("TARGET", "PREFIX", "ROOT"):
        monkeypatch.setenv(f"PIP_{name}", str(folder.parent / "elsewhere"))
    first = converter_python("onnx", progress=False)
    assert first.exists()
    (first.parent.parent / "old").touch()
    first.unlink()
    first.symlink_to(folder / "no-such-python")
    assert converter_python("onnx", progress=False) == first
    assert first.exists()
    assert not (first.parent.parent / "old").exists()
    assert list(folder.iterdir()) == [first.parent.parent]
    assert not (folder.parent / "elsewhere").exists()


def test_an_environment_that_cannot_be_imported_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_own_pip(monkeypatch)
    monkeypatch.setitem(environments.ENVIRONMENTS, "onnx", ("pip",))
    monkeypatch.setitem(environments._IMPORTED, "onnx", "no_such_module")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UserError, match=r"(?s)import no_such_module ended with 1:.*ModuleNotFound"):
        converter_python("onnx", progress=False)
    assert not list(folder.iterdir())
