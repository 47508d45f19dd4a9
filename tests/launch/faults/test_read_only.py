"""Folders that may not be written: what is only read is enough, all else is one sentence."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import Zygote
from results import look
from tally import count_fault, count_result

pytestmark = pytest.mark.faults

_READS_INPUTS = [name for name, command in COMMANDS.items() if "{inputs}" in "".join(command.words)]
_REASONS = ("Read-only file system", "Permission denied")


@contextlib.contextmanager
def read_only(zygote: Zygote, folder: Path) -> Iterator[None]:
    """Makes a folder one that the children may not write: by a mount, or else by its mode."""
    if zygote.mounts:
        place = f"'{folder}'"
        zygote.shell(f"mount --bind {place} {place} && mount -o remount,bind,ro {place}")
        try:
            yield
        finally:
            zygote.shell(f"umount {place}")
    elif os.geteuid() == 0:
        pytest.skip("nothing can be mounted here, and root may write everywhere")
    else:
        before = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
        try:
            for path, mode in before.items():
                path.chmod(mode & ~0o222)
            yield
        finally:
            for path, mode in before.items():
                path.chmod(mode)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_place_that_may_not_be_written(
    name: str,
    base: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    error_of: Callable[[str], str],
    give: Callable[..., tuple[int, str]],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("a read-only folder for the result", name)
    folder = make_folder(whole.folder, base / "closed")
    before = sorted(folder.rglob("*"))
    with read_only(zygote, folder):
        status, said = give(command, folder)
    count_fault(tally, status != 0, look(folder))
    assert status == 1, said
    sentence = error_of(said)
    assert any(reason in sentence for reason in _REASONS), sentence
    assert re.search(command.out, sentence), sentence
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", _READS_INPUTS)
def test_what_is_read_may_be_read_only_and_caches_too(
    name: str,
    base: Path,
    inputs: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    give: Callable[..., tuple[int, str]],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("read-only inputs and caches", name)
    folder = make_folder(whole.folder, base / "reads")
    (folder / "cache").mkdir(exist_ok=True)
    with read_only(zygote, inputs), read_only(zygote, folder / "cache"):
        status, said = give(command, folder)
    count_fault(tally, status != 0)
    assert status == 0, said
    assert "Traceback" not in said
    assert count_result(tally, True, folder, whole.folder) == []


def test_a_finished_run_is_shown_also_where_it_may_not_be_written(
    base: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    give: Callable[..., Any],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    whole = undisturbed("train")
    tally = begin_tally("a read-only folder of a finished run", "train")
    with read_only(zygote, whole.folder):
        status, said = give(COMMANDS["train"], whole.folder)
    count_fault(tally, status != 0)
    assert status == 0, said
    assert "report.md" in said
