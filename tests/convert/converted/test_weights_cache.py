"""Cache of converted weights: its location, atomic entries, locks between processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferjax.convert.converted.weights_cache import (
    cached_names,
    entry_folder,
    is_cached,
    locked_entry,
)
from ferjax.convert.converted.weights_folder import load_weights, save_weights
from ferjax.errors import UserError

ENTRY = "resnet18.tv_in1k"

WORKER = """
import sys, time
import numpy as np
from ferjax.convert.converted.weights_cache import entry_folder, is_cached, locked_entry
from ferjax.convert.converted.weights_folder import load_weights, save_weights
print("ready", flush=True); sys.stdin.readline()
with locked_entry(sys.argv[1]):
    if not is_cached(sys.argv[1]):
        print("made", flush=True)
        time.sleep(0.3)
        save_weights(entry_folder(sys.argv[1]), {"a": np.arange(9, dtype=np.float32)}, {})
print(int(load_weights(entry_folder(sys.argv[1]))[0]["a"].sum()))
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERJAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make() -> None:
    save_weights(entry_folder(ENTRY), {"a": np.zeros(2, np.float32)}, {})


def test_an_entry_exists_after_it_is_made(root: Path) -> None:
    assert not cached_names()
    with locked_entry(ENTRY) as raw:
        (raw / "download.pth").touch()
        make()
    assert is_cached(ENTRY)
    assert cached_names() == {ENTRY}
    assert not raw.exists(), "the raw download is removed after conversion"


def test_a_download_survives_a_failed_conversion() -> None:
    with locked_entry(ENTRY) as raw:
        (raw / "download.pth.part").touch()
    assert not is_cached(ENTRY)
    with locked_entry(ENTRY) as raw:
        assert (raw / "download.pth.part").exists()


def test_the_lock_is_released_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), locked_entry(ENTRY):
        _ = 1 // 0
    with locked_entry(ENTRY):  # does not block
        pass


def test_an_incomplete_entry_of_a_killed_process_is_not_used(root: Path) -> None:
    incomplete = root / "weights" / f".{ENTRY}.1.tmp"
    incomplete.mkdir(parents=True)
    (incomplete / "model.json").write_text("{}")
    assert not is_cached(ENTRY)
    with locked_entry(ENTRY):
        make()
    assert cached_names() == {ENTRY}
    assert not incomplete.exists()


def test_an_error_of_an_unwritable_cache_names_the_variable(root: Path) -> None:
    root.write_text("a file in the way")
    with (
        pytest.raises(UserError, match=r"cache cannot be written.*FERJAX_CACHE"),
        locked_entry("x"),
    ):
        pass


def test_one_of_two_processes_makes_the_entry_and_both_read_it(root: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, ENTRY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    outputs = sorted(child.communicate(timeout=60)[0] for child in children)
    assert outputs == ["36\n", "made\n36\n"]
    assert load_weights(entry_folder(ENTRY))[0]["a"].sum() == 36
