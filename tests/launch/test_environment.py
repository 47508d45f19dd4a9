"""Environment variables and streams of a user: each works, or is one sentence."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("--model=cnn3", "--dataset=synthetic", "--smoke", "--batch_size=1000")
NARROW = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


def command(name: str, *flags: str, cwd: Path, **variables: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", f"launch.{name}", *flags],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        timeout=120,
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("JAX_PLATFORMS", "tpu", "JAX_PLATFORMS=tpu: JAX finds no such device here"),
        ("JAX_PLATFORMS", "bogus", "Set it to cpu or leave it unset"),
        ("JAX_ENABLE_X64", "maybe", "JAX_ENABLE_X64=maybe: JAX does not take this value"),
        ("JAX_NUM_CPU_DEVICES", "x", "JAX_NUM_CPU_DEVICES=x: JAX does not take this value"),
    ],
)
def test_a_wrong_variable_is_one_sentence(
    variable: str, value: str, words: str, tmp_path: Path
) -> None:
    status, _, errors = command("train", *FLAGS, "--noprogress", cwd=tmp_path, **{variable: value})
    assert status == 1
    assert errors.count("\n") == 1
    assert errors.startswith("error: ")
    assert words in errors


def test_a_gpu_that_is_not_there_names_the_extra(tmp_path: Path) -> None:
    status, _, errors = command("train", *FLAGS, cwd=tmp_path, JAX_PLATFORMS="cuda")
    if status == 1 and "--batch_size=1000 is more" in errors:
        pytest.skip("this machine has a GPU")
    assert (status, errors.count("\n")) == (1, 1)
    assert "pip install 'ferjax[cuda12]'" in errors


@pytest.mark.parametrize("variables", NARROW.values(), ids=NARROW)
def test_a_terminal_without_the_characters_shows_their_codes(
    variables: dict[str, str], tmp_path: Path
) -> None:
    status, output, errors = command("train", "--list", cwd=tmp_path, **variables)
    assert (status, errors) == (0, "")
    assert "yang_cnn3_fer2013" in output
    status, _, errors = command("train", "--epochs=\u2192", cwd=tmp_path, **variables)
    assert status == 1
    assert errors.startswith("error: --epochs=")
    assert "Traceback" not in errors


def test_files_are_utf8_whatever_the_locale(
    tmp_path: Path, tiny_run: Path, commands: Callable[..., list[tuple[int, str, str]]]
) -> None:
    """Signs of our own go into a report as they are."""
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (answer,) = commands(
        "evaluate",
        [f"--workdir={run}", "--split=val", "--noprogress"],
        **NARROW["C locale"],
    )
    assert answer[0] == 0, answer
    page = next((run / "evaluations").glob("*/report.md"))
    assert "predicted \u2192" in page.read_text("utf-8")
