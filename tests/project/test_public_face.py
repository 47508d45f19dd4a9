"""`import ferjax`: fast, without JAX, and every public name where type checkers see it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ferjax

ROOT = Path(__file__).resolve().parents[2]


def test_importing_loads_neither_jax_nor_numpy() -> None:
    code = "import ferjax, sys; print([n for n in ('jax', 'numpy', 'flax') if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_public_names_agree_for_people_and_type_checkers() -> None:
    tree = ast.parse(Path(ferjax.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == ferjax._PUBLIC
    assert sorted(ferjax.__all__) == sorted(ferjax._PUBLIC)
    assert set(ferjax.__all__) <= set(dir(ferjax))


def test_every_public_name_is_there_and_documented() -> None:
    for name in ferjax.__all__:
        assert getattr(ferjax, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ferjax.nothing  # noqa: B018
