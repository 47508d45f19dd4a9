"""SIGKILL at random moments of a command, the same command again: nothing lost, no bit changed.

Half of the kills come at a random time, half before a random change of the file system. Each goes
to the command and to all processes that it has started. FERJAX_FAULT_KILLS says how many kills
there are in all (default 300); the table at the end says what they hit.
"""

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import Child, Zygote, ended_well, words_of
from results import Seen, look
from tally import count_fault, count_result

pytestmark = pytest.mark.faults

_ALL = 300
_WANTED = int(os.environ.get("FERJAX_FAULT_KILLS", _ALL))
# Before the result is compared. A search fails a trial whose process died three times.
_KILLS_OF_A_VICTIM = 2
# A command that ends before its kills comes to an end so often that the draw is wrong.
_MOST_VICTIMS = 4


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_ends_as_the_undisturbed_one(
    name: str,
    base: Path,
    inputs: Path,
    zygote: Zygote,
    undisturbed: Callable[[str], Any],
    make_folder: Callable[..., Path],
    begin_tally: Callable[[str, str], dict[str, Any]],
) -> None:
    command, whole = COMMANDS[name], undisturbed(name)
    wanted = max(1, round(command.kills * _WANTED / _ALL))
    moments = random.Random(name)
    words, files_before = words_of(command, inputs), tree(inputs)
    tally = begin_tally("SIGKILL", name)
    kills = victims = 0
    faults: list[str] = []

    def start(folder: Path) -> Child:
        nonlocal kills
        if kills % 2:
            at = moments.randrange(whole.changes)
            return zygote.start(command.module, words, folder, kill_at=at)
        child = zygote.start(command.module, words, folder)
        time.sleep(moments.uniform(0, whole.seconds))
        child.kill()
        return child

    while kills < wanted:
        victims += 1
        assert victims <= _MOST_VICTIMS * wanted, "it ends before its kills"
        folder = make_folder(whole.folder, base / f"victim_{[*COMMANDS].index(name)}_{victims}")
        before = Seen([], [], {})
        for _ in range(min(_KILLS_OF_A_VICTIM, wanted - kills)):
            child = start(folder)
            status = zygote.wait(child)
            if status != -9:
                break
            kills += 1
            seen = look(folder)
            count_fault(tally, True, seen)
            faults += [f"{folder}: torn after kill {kills}: {each}" for each in seen.torn]
            back = [k for k, n in before.reached.items() if seen.reached.get(k, n) < n]
            tally["lost"] += bool(back)
            faults += [f"{folder}: lost by kill {kills}: {each}" for each in back]
            before = seen
        child = zygote.start(command.module, words, folder)
        status = zygote.wait(child)
        well = ended_well(command, status, child.said())
        found = count_result(tally, well, folder, whole.folder)
        if not well:
            faults.append(f"{folder}: ended with {status}: {child.said()[-500:]}")
        elif found:
            faults += [f"{folder}: {each}" for each in found]
        else:
            shutil.rmtree(folder)
    assert not faults, "\n".join(faults)
    assert tree(inputs) == files_before, "a file that was only read has changed"


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns name → size and time of every file below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "cache" not in path.parts:
            status = path.stat()
            found[str(path.relative_to(folder))] = status.st_size, status.st_mtime_ns
    return found
