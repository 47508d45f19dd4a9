"""The scripts copied beside exports: no ferjax, one common part, a process of their own."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ferjax
from ferjax.config.predict_and_export import EXPORT_FORMATS
from ferjax.errors import UserError
from ferjax.export.formats import FORMATS
from ferjax.export.fresh_process import run_usage

USAGE = Path(ferjax.__file__).parent / "export" / "usage"
SCRIPTS = sorted(USAGE.glob("use_*.py"))
COMMON = "# From here on all use_*.py are the same.\n"
# A script whose "network" is a text: it says the mean of each face, and what it could import.
SCRIPT = """
from collections.abc import Callable
import importlib, argparse, json, statistics, sys, time
from pathlib import Path
from typing import Any
import numpy as np

def load(file):
    if not file.endswith(".py"):
        raise ValueError("no\\nnetwork")
    try:
        importlib.import_module("ferjax")
        found = 1.0
    except ImportError:
        found = 0.0
    def run(faces):
        return {"mean": faces.mean((1, 2, 3)), "ferjax": np.full(len(faces), found)}
    return (4, 4, 1), run

"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Returns a usage script that needs no library, with the common part of all."""
    path = tmp_path / "use_text.py"
    path.write_text(SCRIPT + SCRIPTS[0].read_text("utf-8").split(COMMON)[1])
    return path


def test_the_formats_that_a_config_names_are_those_that_are_written() -> None:
    assert tuple(FORMATS) == EXPORT_FORMATS
    copied = {script for form in FORMATS.values() for script in form.usage}
    assert copied == {path.name for path in SCRIPTS}


@pytest.mark.parametrize("path", sorted(USAGE.glob("*.py")), ids=lambda path: path.name)
def test_no_script_imports_ferjax(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree)
    imported = [
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    ]
    assert not [name for name in imported if name.split(".")[0] in ("ferjax", "launch")]


def test_the_common_part_is_the_same_in_all() -> None:
    assert len({path.read_text("utf-8").split(COMMON)[1] for path in SCRIPTS}) == 1


def test_a_process_without_ferjax_reads_arrays(script: Path, tmp_path: Path) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (70, 4, 4, 1)).astype(np.uint8)
    np.save(tmp_path / "faces.npy", faces)
    found = run_usage(script, script, tmp_path / "faces.npy", time=True)
    np.testing.assert_allclose(found["probabilities"]["mean"], faces.mean((1, 2, 3)))
    assert set(found["probabilities"]["ferjax"]) == {0.0}
    assert found["milliseconds"].keys() == {"1", "64"}


def test_pictures_are_read_as_ferjax_reads_them(script: Path, tmp_path: Path) -> None:
    """Upright, grey, and smaller by an antialiased filter."""
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.convert("RGB").save(tmp_path / "face.png", exif=exif)
    found = run_usage(script, script, tmp_path / "face.png", time=False)
    assert found["milliseconds"] is None
    assert found["probabilities"]["mean"][0] == pytest.approx(np.asarray(image).mean(), abs=1)


def test_an_error_of_a_script_is_told(script: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)use_text.py cannot run it.*no_such"):
        run_usage(script, script, tmp_path / "no_such.npy", time=False)
    script.write_text("import ferjax")
    with pytest.raises(UserError, match="ferjax: an export must run without it"):
        run_usage(script, script, tmp_path / "no_such.npy", time=False, python=sys.executable)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no.py", "a.png"], "no.py: no such file"),
        (["use_text.py", "no.png"], "no.png: no such file"),
        (["use_text.py", "folder"], "folder: is a folder, and a file is expected"),
        (["bad.png", "a.png"], "bad.png cannot be read (ValueError: no network)"),
        (["use_text.py", "bad.png"], "bad.png cannot be read (UnidentifiedImageError: cannot"),
        (["use_text.py", "f.npy"], "(ValueError: float64 [2, 4, 4, 1], expected uint8 [N, 4, 4, 1"),
        (["use_text.py", "a.png", "--save=no/p.json"], "--save=no/p.json cannot be written (No su"),
    ],
)
def test_a_mistake_is_one_sentence(
    script: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.png").write_text("no picture")
    np.save(tmp_path / "f.npy", np.zeros((2, 4, 4)))
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    done = _run(script, tmp_path, arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_faces_are_named_and_what_is_saved_is_said(script: Path, tmp_path: Path) -> None:
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", np.full((2, 4, 4), 3, np.uint8))
    pictures = ["use_text.py", "a.png", "b.npy"]
    printed = _run(script, tmp_path, pictures)
    assert [line.split(":")[0] for line in printed.stdout.splitlines()] == [
        "a.png",
        "b.npy[0]",
        "b.npy[1]",
    ]
    saved = _run(script, tmp_path, [*pictures, "--save=p.json", "--time"])
    assert saved.stdout == "p.json: probabilities of 3 faces\n"
    assert "ms for one face" in saved.stderr
    assert json.loads((tmp_path / "p.json").read_text())["faces"] == [
        "a.png",
        "b.npy[0]",
        "b.npy[1]",
    ]


def _run(script: Path, folder: Path, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)
