"""How an entry point ends: by Ctrl-C, on a full disk, and when nobody reads its output any more."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from launch.command.app import hide_late_reports
from launch.command.refused_writes import refused_write

ROOT = Path(__file__).resolve().parents[2]
ENDS = """
import importlib, sys
from launch.command.app import run

importlib.import_module(f"launch.{sys.argv.pop(1)}")

def main(arguments):
    match arguments:
        case ["stop"]:
            raise KeyboardInterrupt
        case ["large picture"]:
            import io
            from PIL import Image
            from ferjax.data.decoding.image_file import decode_image
            Image.new("L", (300, 200)).save(file := io.BytesIO(), "PNG")
            Image.MAX_IMAGE_PIXELS = 50_000
            print(decode_image(file.getvalue(), "a.png").shape)
        case ["inner"]:
            raise BrokenPipeError("of a worker process")
        case ["print"]:
            for number in range(100_000):
                print(number)

run(main)
"""


def end(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", ENDS, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("train", "stopped; the same command with --resume continues from here\n"),
        ("predict", "stopped\n"),
        ("convert", "stopped\n"),
        ("prepare", "stopped\n"),
        ("evaluate", "stopped\n"),
        ("bench", "stopped\n"),
    ],
)
def test_only_a_command_with_resume_speaks_of_it(entry_point: str, message: str) -> None:
    done = end(entry_point, "stop")
    assert (done.returncode, done.stderr) == (130, message)


def test_pictures_within_the_limit_raise_no_warning() -> None:
    """Pillow's own begins at half of it."""
    done = end("predict", "large picture", stdout=subprocess.PIPE)
    assert (done.stdout, done.stderr) == ("(200, 300, 1)\n", "")


def test_late_reports_of_a_failed_save_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: shown.append(str(report.exc_value)))
    with warnings.catch_warnings():
        hide_late_reports()
    for text in ("Event loop is closed", "another error"):
        sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError(text)))
    assert shown == ["another error"]


@pytest.mark.parametrize("arguments", [("predict", "print"), ("train", "--help")])
def test_a_reader_may_leave_early(arguments: tuple[str, ...]) -> None:
    """As `| head` does."""
    reading, writing = os.pipe()
    os.close(reading)
    done = end(*arguments, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_pipe_to_another_process_is_not_the_output() -> None:
    done = end("predict", "inner")
    assert done.returncode == 70
    assert "BrokenPipeError: of a worker process" in done.stderr


@pytest.mark.parametrize("flag", ["--help", "--helpshort", "--helpfull"])
def test_help_is_no_mistake(flag: str) -> None:
    done = end("predict", flag, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "USAGE" in done.stdout


def test_a_folder_that_is_taken_for_the_package_is_named(tmp_path: Path) -> None:
    """A finder of an editable install may lose against it: submodules are found, names are not."""
    (tmp_path / "ferjax").mkdir()
    code = f"""
import sys
installed = sys.path[:]
sys.path[:] = [{str(tmp_path)!r}]
import ferjax
sys.path[:] = [*installed, {str(ROOT)!r}]
assert ferjax.__file__ is None
ferjax.__path__ = [*ferjax.__path__, {str(ROOT / "ferjax")!r}]
{ENDS}"""
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", "a.png"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: the folder {tmp_path / 'ferjax'} is taken for")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a/b"),
            "a/b cannot be written: No space",
        ),
        (OSError(errno.EROFS, "Read-only file system", b"c"), "c cannot be written: Read-only"),
        (OSError(errno.ENOSPC, "No space left on device"), "a file cannot be written"),
        (OSError(errno.ENOENT, "No such file or directory", "a"), ""),
        (ValueError("No space left on device"), ""),
    ],
)
def test_a_disk_that_takes_no_more_is_one_sentence(error: Exception, words: str) -> None:
    assert refused_write(error).startswith(words)
    assert bool(refused_write(error)) == bool(words)
