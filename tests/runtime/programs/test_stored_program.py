"""Programs that are kept between processes: the same bits, a key for all that matters, no trust."""

import hashlib
import itertools
import json
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from ferjax.runtime.programs import rebuilt_files
from ferjax.runtime.programs import stored_program as module
from ferjax.runtime.programs.program_file import read_program
from ferjax.runtime.programs.stored_program import (
    Program,
    named_for_storing,
    stored_program,
    stored_shapes,
)
from ferjax.runtime.sharding import data_mesh, replicated

FACTS = {"rate": 0.5}


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Programs are kept in the test's folder; JAX's own cache is not used."""
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path))
    monkeypatch.setenv("FERJAX_PROGRAMS", "1")
    # Whether it is used is decided once for a process.
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    yield tmp_path / "programs"
    jax.config.update("jax_enable_compilation_cache", True)
    compilation_cache.reset_cache()


def update(state: Any, batch: Any) -> Any:
    return {"w": state["w"] - 0.5 * jnp.tanh(batch).mean(0)}, jnp.sum(batch)


def program(facts: Any = FACTS, rows: int = 4, devices: int = 1) -> tuple[Program, tuple[Any, Any]]:
    """Returns a program and arguments for it."""
    mesh = data_mesh(jax.devices()[:devices])
    place = replicated(mesh)
    random = np.random.default_rng(0)
    state = {"w": jax.device_put(jnp.ones(3), place)}
    batch = jax.device_put(random.normal(size=(rows, 3)).astype(np.float32), place)
    jitted = jax.jit(named_for_storing(update, "update", facts), donate_argnums=0)
    return stored_program(jitted, (state, batch), mesh, "update", facts), (state, batch)


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("traced")


@pytest.mark.parametrize("devices", [1, 4])
def test_a_stored_program_gives_the_bits_of_the_compiled_one(
    kept: Path, monkeypatch: pytest.MonkeyPatch, devices: int
) -> None:
    first, arguments = program(devices=devices)
    expected = jax.tree.map(np.asarray, first.load()(*arguments))
    assert len(list(kept.glob("update-*"))) == 1
    monkeypatch.setattr(module, "_traced", refuse)
    second, (state, batch) = program(devices=devices)
    found = second.load()(state, batch)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    # Its first argument is donated, as that of the compiled one is.
    assert state["w"].is_deleted()
    assert second.facts == first.facts
    assert jax.tree.map(np.shape, second.outputs) == jax.tree.map(np.shape, expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: program(facts={"rate": 0.25}),
        lambda patch: program(rows=8),
        lambda patch: program(devices=2),
        lambda patch: (patch.setattr(module, "surroundings", lambda: {"jaxlib": "1"}), program()),
    ],
)
def test_another_program_has_another_file(
    kept: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]
) -> None:
    program()[0].load()
    traced: list[int] = []
    trace = module._traced
    monkeypatch.setattr(module, "_traced", lambda *a: traced.append(1) or trace(*a))
    change(monkeypatch)
    assert traced


UNTRUSTED = ("the group may write it", "others may write it", "another user's")
MODES = {"the group may write it": 0o620, "others may write it": 0o602}


def as_stored(path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives a file the permissions, or the owner, of the case."""
    path.chmod(MODES.get(damage, 0o600))
    if damage == "another user's":
        user = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: user + 1)


@pytest.mark.parametrize("damage", ["torn", "changed", "empty", "foreign", *UNTRUSTED])
def test_a_file_that_is_damaged_or_not_trusted_is_made_again(
    kept: Path,
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(rebuilt_files, "_numbers", itertools.count())
    first, arguments = program()
    expected = np.asarray(first.load()(*arguments)[0]["w"])
    (path,) = kept.glob("update-*")
    content = path.read_bytes()
    changed = {
        "torn": content[: len(content) // 2],
        "changed": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
        "foreign": b"text of another program" * 9,
    }
    path.write_bytes(changed.get(damage, content))
    as_stored(path, damage, monkeypatch)
    traced: list[int] = []
    trace = module._traced
    monkeypatch.setattr(module, "_traced", lambda *a: traced.append(1) or trace(*a))
    second, arguments = program()
    np.testing.assert_array_equal(second.load()(*arguments)[0]["w"], expected)
    assert traced
    assert len(path.read_bytes()) > len(content) / 2
    assert path.stat().st_mode & 0o777 == 0o600
    # The first is a warning.
    path.write_bytes(b"")
    program()
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    reason = "another user could have written it" if damage in UNTRUSTED else "damaged"
    assert warnings == [f"{path}: {reason}; compiled again"]


class MakesFolder:
    """Pickles to a call that makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("damage", ["wrong checksum", *UNTRUSTED])
def test_a_damaged_or_untrusted_file_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path, marker = tmp_path / "a.program", tmp_path / "executed"
    data = pickle.dumps(MakesFolder(marker))
    checksum = hashlib.sha256(data).digest()
    path.write_bytes((bytes(32) if damage == "wrong checksum" else checksum) + data)
    with monkeypatch.context() as patch:
        as_stored(path, damage, patch)
        assert read_program(path, "key") is None
    assert not marker.exists()
    # A file of this user with the right checksum is trusted, and unpickled.
    path.write_bytes(checksum + data)
    path.chmod(0o600)
    read_program(path, "key")
    assert marker.exists()


@pytest.mark.parametrize("switch", ["0", ""])
def test_nothing_is_kept_where_it_is_switched_off(
    kept: Path, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    monkeypatch.setenv("FERJAX_PROGRAMS", switch)
    first, arguments = program()
    first.load()(*arguments)
    assert not kept.exists()


def test_a_function_without_a_name_is_not_kept(kept: Path) -> None:
    first, arguments = program(facts={"network": repr(object())})
    first.load()(*arguments)
    assert not kept.exists()


def test_only_programs_that_were_used_last_stay(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferjax.runtime.programs.program_file._MOST", 2)
    for number in range(4):
        stored_shapes(lambda: {"w": jnp.ones(3)}, f"shapes{number}", {})
        for path in kept.glob(f"shapes{number}-*"):
            os.utime(path, (number, number))
    assert sorted(path.name[:7] for path in kept.iterdir()) == ["shapes2", "shapes3"]


def test_shapes_are_kept_without_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {"w": jax.ShapeDtypeStruct((3, 2), jnp.bfloat16)}
    for _ in range(2):
        found = stored_shapes(lambda: {"w": jnp.ones((3, 2), jnp.bfloat16)}, "shapes", FACTS)
        assert found == expected
        monkeypatch.setattr(jax, "eval_shape", refuse)


COMMAND = """
import json, sys
from ferjax.runtime.programs.compile_cache import enable_compile_cache
enable_compile_cache()
sys.path.insert(0, sys.argv[1])
import jax, numpy as np
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
from test_stored_program import program
first, arguments = program()
print(json.dumps(np.asarray(first.load()(*arguments)[0]["w"]).tolist()))
"""


def test_what_the_cache_of_jax_gave_back_is_not_stored(kept: Path, tmp_path: Path) -> None:
    """It would load, and fail when it runs."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax")}

    def run() -> list[float]:
        command = [sys.executable, "-c", COMMAND, str(Path(__file__).parent)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)

    expected = run()
    (path,) = kept.glob("update-*")
    path.unlink()
    assert run() == expected
    assert not path.exists()
    assert run() == expected
