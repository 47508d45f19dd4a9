"""A clock of which every second reading is two minutes ahead, or behind, changes no result.

Orbax gives up waiting for a part of a save after five minutes of this clock.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import Zygote, ended_well, words_of
from results import look
from tally import count_fault, count_result

pytestmark = pytest.mark.faults

_JUMP_SECONDS = 120
_NAMES = ("train", "train, two phases, cached features", "search", "predict", "export", "reproduce")


@pytest.mark.parametrize("step", [_JUMP_SECONDS, -_JUMP_SECONDS])
@pytest.mark.parametrize("name", _NAMES)
def test_a_clock_that_jumps(
    name: str,
    step: int,
    base: Path,
    inputs: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    give: Callable[..., tuple[int, str]],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    """The command is killed too: what it left has times from before and from after."""
    command, whole = COMMANDS[name], undisturbed(name)
    tally = begin_tally("a clock that jumps at every look, and SIGKILL", name)
    folder = make_folder(whole.folder, base / "clock")
    at = random.Random(f"{name} {step}").randrange(whole.changes)
    words = words_of(command, inputs)
    child = zygote.start(command.module, words, folder, clock=step, kill_at=at)
    status, seen = zygote.wait(child), look(folder)
    count_fault(tally, status == -9, seen)
    assert status in (-9, 0), child.said()
    assert seen.torn == []
    for path in folder.rglob("*"):
        if path.is_file() and "cache" not in path.relative_to(folder).parts:
            changed = path.stat().st_mtime + step
            os.utime(path, (changed, changed))
    status, said = give(command, folder, clock=-step)
    well = ended_well(command, status, said)
    found = count_result(tally, well, folder, whole.folder)
    assert well, said
    assert found == []
