"""Caches that are deleted, damaged or torn: the result is the same, at worst it takes longer."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import DEADLINE, Child, Zygote, words_of
from results import differences

pytestmark = pytest.mark.faults

_CACHED = "train, two phases, cached features"
_NAMES = ("train", _CACHED, "predict", "search")


def when_training(folder: Path) -> None:
    """Waits until the first line of metrics.jsonl is there."""
    end = time.monotonic() + DEADLINE
    while not any(path.stat().st_size for path in folder.rglob("metrics.jsonl")):
        assert time.monotonic() < end, "no epoch has ended"
        time.sleep(0.02)


def programs(folder: Path) -> Iterator[Path]:
    """Yields the compiled programs of a cache."""
    yield from sorted((folder / "cache" / "compiled").glob("*-cache"))
    yield from sorted((folder / "cache" / "programs").glob("*.program"))


def delete(folder: Path) -> None:
    shutil.rmtree(folder / "cache")


def damage(folder: Path) -> None:
    """Overwrites a part of every file of the cache, in place."""
    noise = random.Random(0)
    for path in (folder / "cache").rglob("*"):
        if path.is_file() and path.stat().st_size > 100 and path.suffix != ".f32":
            with path.open("r+b") as file:
                file.seek(path.stat().st_size // 2)
                file.write(noise.randbytes(50))


@pytest.mark.parametrize("fault", [delete, damage])
@pytest.mark.parametrize("name", ["train", _CACHED])
def test_under_a_running_job(
    name: str,
    fault: Callable[[Path], None],
    base: Path,
    inputs: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    folder = make_folder(whole.folder, base / "running")
    child: Child = zygote.start(command.module, words_of(command, inputs), folder)
    when_training(folder)
    fault(folder)
    assert zygote.wait(child) == 0, child.said()
    assert "Traceback" not in child.said()
    assert [*differences(folder, whole.folder)] == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [cut, empty, flip])
@pytest.mark.parametrize("name", _NAMES)
def test_torn_programs_are_compiled_again(
    name: str,
    harm: Callable[[Path], None],
    base: Path,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    give: Callable[..., tuple[int, str]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    folder = make_folder(whole.folder, base / "torn")
    harmed = [*programs(folder)]
    assert harmed
    for path in harmed:
        harm(path)
    status, said = give(command, folder)
    assert status == 0, said
    assert "persistent compilation cache" not in said, said
    assert [*differences(folder, whole.folder)] == []


@pytest.mark.parametrize("harm", [cut, empty, flip])
@pytest.mark.parametrize("file", ["features.f32", "features.json", "journal"])
def test_damaged_features_are_computed_again_or_named(
    file: str,
    harm: Callable[[Path], None],
    base: Path,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    error_of: Callable[[str], str],
    give: Callable[..., tuple[int, str]],
) -> None:
    command, whole = COMMANDS[_CACHED], undisturbed(_CACHED)
    folder = make_folder(whole.folder, base / "features")
    shutil.copytree(whole.folder / "cache" / "features", folder / "cache" / "features")
    for path in (folder / "cache" / "features").rglob(file):
        harm(path)
    status, said = give(command, folder)
    if status:
        sentence = error_of(said)
        assert str(folder / "cache" / "features") in sentence
        assert "move the folder away" in sentence
        shutil.rmtree(folder / "cache" / "features")
        status, said = give(command, folder)
    assert status == 0, said
    assert [*differences(folder, whole.folder)] == []
