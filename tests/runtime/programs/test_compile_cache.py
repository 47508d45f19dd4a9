"""Torn programs in the compile cache are replaced, one line says so; a closed folder is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ferjax.runtime.programs.compile_cache import compile_cache_folder

_PROGRAMS = """
import jax
from ferjax.runtime.programs.compile_cache import enable_compile_cache
enable_compile_cache()

@jax.jit
def doubled(x):
    return x + x

print(doubled(21), doubled(2.0))
"""


def start(cache: Path) -> str:
    environment = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PLATFORMS": "cpu"}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0"}
    command = [sys.executable, "-W", "always", "-c", _PROGRAMS]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "42 4.0\n"
    return done.stderr


def test_torn_entries_are_replaced_and_one_line_says_so(tmp_path: Path) -> None:
    assert start(tmp_path) == ""
    sizes = {path: path.stat().st_size for path in tmp_path.glob("*doubled*-cache")}
    assert len(sizes) == 2
    torn, flipped = sizes
    torn.write_bytes(torn.read_bytes()[:100])
    damaged = bytearray(flipped.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    flipped.write_bytes(damaged)
    said = start(tmp_path)
    assert said == f"{tmp_path}: damaged programs of jit_doubled (2) removed; compiled again\n"
    assert min(path.stat().st_size / size for path, size in sizes.items()) > 0.9
    assert start(tmp_path) == ""


def test_a_folder_that_cannot_be_written_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = start(tmp_path / "file" / "compiled")
    assert said.startswith(f"compiled programs are not kept in {tmp_path}/file/compiled (NotADir")
    assert said.count("\n") == 1


def test_it_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "jax"))
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "ferjax"))
    assert compile_cache_folder() == str(tmp_path / "jax")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    assert compile_cache_folder() == str(tmp_path / "ferjax" / "compiled")
