"""Damaged checkpoints: one sentence that names the file, and a checkpoint that is whole."""

import itertools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ferjax.config.format_versions import FORMAT, KEY
from ferjax.errors import UserError
from ferjax.predict import load_predictor, load_run
from ferjax.runtime import processes
from ferjax.runtime.checksums import SUMS_FILE, find_damage, write_checksums
from ferjax.training.run_directory.checkpoints import (
    open_checkpoints,
    read_meta,
    restore_checkpoint,
    restore_variables,
    save_checkpoint,
)
from ferjax.training.run_directory.verified_reads import reading
from ferjax.training.state import TrainState

Damage = Callable[[Path], Any]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def state_of(step: int) -> TrainState:
    params = {"dense": {"kernel": np.full((64, 64), step, np.float32)}}
    return TrainState(np.int32(step), params, {}, {}, None)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Returns a run with two checkpoints: the best, of step 1, and the latest, of step 2."""
    with open_checkpoints(tmp_path) as manager:
        for step, accuracy in ((1, 0.7), (2, 0.5)):
            meta = {KEY: FORMAT, "epoch": step}
            save_checkpoint(manager, jax.device_put(state_of(step)), meta, accuracy)
    return tmp_path


def read_all(run_dir: Path, step: int) -> None:
    read_meta(run_dir, step)
    restore_variables(run_dir, step, jax.eval_shape(lambda: {"params": state_of(0).params}))
    with open_checkpoints(run_dir) as manager:
        restore_checkpoint(manager, step, jax.device_put(state_of(0)))


def largest(run_dir: Path, step: int) -> Path:
    files = (run_dir / "checkpoints" / str(step) / "state" / "ocdbt.process_0").glob("*/*")
    return max(files, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize(
    ("step", "way_out"),
    [(1, "the last checkpoint, of step 2"), (2, "goes on from its checkpoint of step 1")],
)
def test_every_damaged_file_is_named_with_a_way_out(
    run_dir: Path, step: int, way_out: str, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(run_dir / "checkpoints", whole)
    folder = run_dir / "checkpoints" / str(step)
    files = [*folder.glob("meta/**/*"), *folder.glob("state/**/*")]
    names = [path.relative_to(folder) for path in files if path.is_file()]
    assert len(names) > 8
    damages: list[Damage] = [flip, cut, Path.unlink]
    for name, damage in zip(names, itertools.cycle(damages), strict=False):
        damage(folder / name)
        with pytest.raises(UserError) as caught:
            read_all(run_dir, step)
        message = str(caught.value)
        assert message.startswith(f"{folder}: {name} is ")
        assert way_out in message
        shutil.copy(whole / str(step) / name, folder / name)
    read_all(run_dir, step)
    flip(folder / "metrics" / "metrics")
    with pytest.raises(UserError, match=rf"{folder}: metrics/metrics is damaged"):
        read_all(run_dir, step)
    shutil.copy(whole / str(step) / "metrics" / "metrics", folder / "metrics" / "metrics")
    # What the message advises works.
    flip(largest(run_dir, step))
    if step == 2:
        shutil.rmtree(folder)
    read_all(run_dir, 3 - step)
    assert read_meta(run_dir)[0] == (1 if step == 2 else 2)


def test_the_list_is_that_of_sha256sum(run_dir: Path) -> None:
    folder = run_dir / "checkpoints" / "2"
    listed = [line[66:] for line in (folder / SUMS_FILE).read_text().splitlines()]
    written = [p.relative_to(folder).as_posix() for p in folder.glob("*/**/*") if p.is_file()]
    assert listed == sorted(written)
    if program := shutil.which("sha256sum"):
        subprocess.run([program, "--check", "--strict", SUMS_FILE], cwd=folder, check=True)


def test_the_only_checkpoint_and_a_missing_one(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "checkpoints" / "1")
    with pytest.raises(UserError, match=r"1: the checkpoint is missing\. .*of step 2"):
        read_meta(run_dir, 1)
    (run_dir / "checkpoints" / "2" / SUMS_FILE).write_bytes(bytes(512))
    with pytest.raises(UserError, match=r"SHA256SUMS is damaged\. No other checkpoint is there"):
        read_meta(run_dir)


def test_checkpoints_of_older_versions_open(run_dir: Path) -> None:
    """They have no checksums; what Orbax cannot read is one sentence all the same."""
    for step in (1, 2):
        (run_dir / "checkpoints" / str(step) / SUMS_FILE).unlink()
        read_all(run_dir, step)
    cut(run_dir / "checkpoints" / "2" / "state" / "manifest.ocdbt")
    with pytest.raises(UserError, match=r"2: state cannot be read \(.*checkpoint of step 1"):
        read_all(run_dir, 2)
    (run_dir / "checkpoints" / "1" / "metrics" / "metrics").write_text("{")
    with pytest.raises(UserError, match=r"1: metrics/metrics cannot be read \("):
        read_all(run_dir, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_no_network(
    value: float, tiny_run: Path, tmp_path: Path
) -> None:
    run = load_run(tiny_run)
    run.variables["params"]["head"]["bias"][2] = value
    best = {"epoch": 1, "step": 1, "accuracy": 0.5}
    with open_checkpoints(tmp_path) as manager:
        state = TrainState(np.int32(1), run.variables["params"], run.variables["batch_stats"], {})
        save_checkpoint(
            manager, jax.device_put(state), {**run.meta, "best": best, KEY: FORMAT}, 0.5
        )
    expected = r"checkpoints/1: 1 of the 7 values of params/head/bias are NaN or infinite"
    for load in (load_run, load_predictor):
        with pytest.raises(UserError, match=expected):
            load(tmp_path)


def test_an_empty_list_of_checksums_verifies_nothing(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    assert find_damage(tmp_path) == ""  # as older versions wrote it
    write_checksums(tmp_path)
    assert find_damage(tmp_path) == ""
    (tmp_path / "SHA256SUMS").write_bytes(b"")
    assert find_damage(tmp_path) == "SHA256SUMS is empty"


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("a\0b", "a\0b is missing"),
        ("n" * 300, f"{'n' * 300} cannot be read (File name too long)"),
        ("../other", "SHA256SUMS is damaged: it names ../other"),
        ("/dev/null", "SHA256SUMS is damaged: it names /dev/null"),
    ],
)
def test_a_list_with_a_name_that_no_file_has(name: str, damage: str, tmp_path: Path) -> None:
    (tmp_path / SUMS_FILE).write_text(f"{'0' * 64}  {name}\n")
    assert find_damage(tmp_path) == damage


def test_another_process_that_ends_is_no_damage(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "is_distributed", lambda: True)
    with pytest.raises(ValueError, match="Gloo"), reading(run_dir / "checkpoints", 1, "state"):
        # As JAX raises it where the process ends during an exchange.
        raise ValueError("UNKNOWN: Gloo AllGather failed: Read error: Connection reset by peer")
