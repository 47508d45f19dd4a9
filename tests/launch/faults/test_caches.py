"""Caches that are deleted, damaged or torn: the result is the same, at worst it takes longer."""

import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import Zygote, words_of
from tally import count_fault, count_result

pytestmark = pytest.mark.faults

_CACHED = "train, two phases, cached features"
_NAMES = ("train", _CACHED, "predict", "search")


def programs(folder: Path) -> Iterator[Path]:
    """Yields the compiled programs of a cache."""
    yield from sorted((folder / "cache" / "compiled").glob("*-cache"))
    yield from sorted((folder / "cache" / "programs").glob("*.program"))


def delete(folder: Path) -> None:
    shutil.rmtree(folder / "cache")


def damage(folder: Path) -> None:
    """Overwrites a part of every file of the cache, in place, without the features.

    Those are mapped into memory, so that a job would read what is written there. Features that were
    damaged before a job opens them have a test of their own.
    """
    noise = random.Random(0)
    for path in (folder / "cache").rglob("*"):
        if path.is_file() and path.stat().st_size > 100 and path.suffix != ".f32":
            with path.open("r+b") as file:
                file.seek(path.stat().st_size // 2)
                file.write(noise.randbytes(50))


_HARMED = {delete: "deleted", damage: "overwritten"}


@pytest.mark.parametrize("fault", _HARMED)
@pytest.mark.parametrize("name", _NAMES)
def test_under_a_running_job(
    name: str,
    fault: Callable[[Path], None],
    base: Path,
    inputs: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally(f"a cache that is {_HARMED[fault]} under a running job", name)
    folder = make_folder(whole.folder, base / "running")
    words = words_of(command, inputs)
    child = zygote.start(command.module, words, folder, stop_at=whole.changes // 2)
    child.until_stopped()
    fault(folder)
    child.send(signal.SIGCONT)
    status = zygote.wait(child)
    count_fault(tally, status != 0)
    found = count_result(tally, status == 0, folder, whole.folder)
    assert status == 0, child.said()
    assert "Traceback" not in child.said()
    assert found == []


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
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("stored programs that are cut, emptied or changed", name)
    folder = make_folder(whole.folder, base / "torn")
    harmed = [*programs(folder)]
    assert harmed
    for path in harmed:
        harm(path)
    status, said = give(command, folder)
    count_fault(tally, status != 0)
    assert status == 0, said
    assert "persistent compilation cache" not in said, said
    assert count_result(tally, True, folder, whole.folder) == []


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
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[_CACHED], undisturbed(_CACHED)
    tally = begin_tally("stored features that are cut, emptied or changed", _CACHED)
    folder = make_folder(whole.folder, base / "features")
    shutil.copytree(whole.folder / "cache" / "features", folder / "cache" / "features")
    harmed = [*(folder / "cache" / "features").rglob(file)]
    assert harmed
    for path in harmed:
        harm(path)
    status, said = give(command, folder)
    count_fault(tally, status != 0)
    if status:
        sentence = error_of(said)
        assert str(folder / "cache" / "features") in sentence
        assert "move the folder away" in sentence
        shutil.rmtree(folder / "cache" / "features")
        status, said = give(command, folder)
    found = count_result(tally, status == 0, folder, whole.folder)
    assert status == 0, said
    assert found == []
