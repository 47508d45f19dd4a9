"""A full disk in every kind of write: one sentence, nothing half written, and then it goes on.

A command writes to a disk of its own in memory that has room for a part of the result, from
nothing to nearly all. Where such a disk cannot be made, files are limited in size instead, which
every write to a larger one refuses.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import Zygote, ended_well
from results import look
from tally import count_fault, count_result

pytestmark = pytest.mark.faults

_PAGE = 4096
# Of a file, where files are limited: more than what is printed, less than the largest result.
_MOST_BYTES = 16384
# Of what the result takes on such a disk.
_SHARES = (0.02, 0.3, 0.6, 0.95)
_REASONS = ("No space left on device", "File too large")


def bytes_on_disk(folder: Path) -> int:
    """Returns the bytes that the files of a folder take, in whole pages, without its cache."""
    pages = 0
    for path in folder.rglob("*"):
        if "cache" not in path.relative_to(folder).parts:
            pages += 1 + (path.stat().st_size // _PAGE if path.is_file() else 0)
    return pages * _PAGE


def check_sentence(out: str, said: str, error_of: Callable[[str], str]) -> None:
    """Asserts that a command says in one sentence which result, or cache, lacks room."""
    sentence = error_of(said)
    assert any(reason in sentence for reason in _REASONS), sentence
    assert re.search(rf"{out}|/cache/features/", sentence), sentence


@pytest.mark.parametrize("name", COMMANDS)
def test_a_small_disk(
    name: str,
    base: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    error_of: Callable[[str], str],
    give: Callable[..., tuple[int, str]],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    if not zygote.mounts:
        pytest.skip("a disk of its own cannot be mounted here")
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("a disk with room for 2, 30, 60, 95 % of the result", name)
    cache = make_folder(whole.folder, base / "cache_of_small_disks") / "cache"
    folder = base / "small_disk"
    folder.mkdir(exist_ok=True)
    faults = []
    for share in _SHARES:
        size = max(1, int(bytes_on_disk(whole.folder) * share) // _PAGE)
        zygote.shell(f"mount -t tmpfs -o size={size * 4}k none '{folder}'")
        try:
            view = zygote.view(folder)
            variables = {"FERJAX_CACHE": str(cache)}
            status, said = give(command, folder, variables=variables)
            seen = look(view)
            count_fault(tally, status != 0, seen)
            # The larger ones may have room after all, because folders are counted as a page.
            if status == 0 and share == _SHARES[0]:
                faults.append(f"{size} pages are enough, so the disk was never full")
            if status != 0:
                try:
                    check_sentence(command.out, said, error_of)
                except AssertionError as error:
                    faults.append(f"{size} pages: {error}")
            faults += [f"{size} pages, torn: {each}" for each in seen.torn]
            zygote.shell(f"mount -o remount,size=1g '{folder}'")
            status, said = give(command, folder, variables=variables)
            well = ended_well(command, status, said)
            found = count_result(tally, well, view, whole.folder)
            if not well:
                faults.append(f"{size} pages, again with room: {said}")
            faults += [f"{size} pages, with room: {each}" for each in found]
        finally:
            zygote.shell(f"umount '{folder}'")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", COMMANDS)
def test_files_that_may_not_grow(
    name: str,
    base: Path,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    error_of: Callable[[str], str],
    give: Callable[..., tuple[int, str]],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("a limit on the size of a file", name)
    folder = make_folder(whole.folder, base / "limited")
    status, said = give(command, folder, most_bytes=_MOST_BYTES)
    seen = look(folder)
    count_fault(tally, status != 0, seen)
    # Every command of the table writes a file that is larger.
    assert status != 0, said
    check_sentence(command.out, said, error_of)
    assert seen.torn == []
    status, said = give(command, folder)
    well = ended_well(command, status, said)
    found = count_result(tally, well, folder, whole.folder)
    assert well, said
    assert found == []


@pytest.mark.parametrize("name", ["train, two phases, cached features", "predict"])
def test_a_full_cache_stops_nothing(
    name: str,
    base: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    give: Callable[..., tuple[int, str]],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    """Features that are to be stored need room; what is compiled does not need to be kept."""
    if not zygote.mounts:
        pytest.skip("a disk of its own cannot be mounted here")
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("a full cache", name)
    folder = make_folder(whole.folder, base / "full_cache", cache=False)
    (folder / "cache" / "compiled").mkdir(parents=True)
    zygote.shell(f"mount -t tmpfs -o size=4k none '{folder}/cache/compiled'")
    try:
        status, said = give(command, folder)
        count_fault(tally, status != 0)
        assert status == 0, said
        assert "Traceback" not in said
    finally:
        zygote.shell(f"umount '{folder}/cache/compiled'")
    assert count_result(tally, True, folder, whole.folder) == []
