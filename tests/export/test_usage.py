"""The scripts copied beside exports: no ferjax, one common part, a process of their own."""

import ast
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
import numpy as np

def load(file):
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
