"""A clock that goes back by an hour whenever it is looked at changes no result."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import Zygote, words_of
from results import differences

pytestmark = pytest.mark.faults

_HOUR = 3600
_NAMES = ("train", "train, two phases, cached features", "search", "predict", "export")


@pytest.mark.parametrize("step", [_HOUR, -_HOUR])
@pytest.mark.parametrize(
    "name",
    ["train", "train, two phases, cached features", "search", "predict", "export", "reproduce"],
)
def test_a_clock_that_jumps(
    name: str,
    step: int,
    base: Path,
    inputs: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    give: Callable[..., tuple[int, str]],
) -> None:
    """The command is killed too: what it left has times from before and from after."""
    command, whole = COMMANDS[name], undisturbed(name)
    folder = make_folder(whole.folder, base / "clock")
    at = random.Random(f"{name} {step}").randrange(whole.changes)
    words = words_of(command, inputs)
    child = zygote.start(command.module, words, folder, clock=step, kill_at=at)
    assert zygote.wait(child) in (-9, 0), child.said()
    for path in folder.rglob("*"):
        if path.is_file() and "cache" not in path.relative_to(folder).parts:
            changed = path.stat().st_mtime + step
            os.utime(path, (changed, changed))
    status, said = give(command, folder, clock=-step)
    assert status == 0, said
    assert [*differences(folder, whole.folder)] == []
