"""A process of a run in two processes is killed: the other ends too, and the run goes on."""

import os
import random
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import COMMANDS
from processes import Child, Zygote
from results import differences, look

from launch.command.app import LOST_PEER

pytestmark = pytest.mark.faults

_KILLS = max(1, round(6 * int(os.environ.get("FERJAX_FAULT_KILLS", 300)) / 300))
# Within which the process that has lost the other must end.
_SURVIVES = 120


def start(zygote: Zygote, folder: Path) -> list[Child]:
    """Starts both processes of a run."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    address = [f"--coordinator=127.0.0.1:{port}", "--num_processes=2", "--join_seconds=300"]
    words = [*COMMANDS["train"].words, *address]
    return [
        zygote.start(
            "launch.train",
            [*words, f"--process_id={rank}"],
            folder,
            log=folder.with_name(f"{folder.name}_{rank}.log"),
        )
        for rank in range(2)
    ]


def finish(zygote: Zygote, folder: Path) -> float:
    """Runs both processes to the end; returns the seconds that they took."""
    begun = time.monotonic()
    children = start(zygote, folder)
    for child in children:
        assert zygote.wait(child) == 0, said(children)
    return time.monotonic() - begun


def said(children: Sequence[Child]) -> str:
    return "\n---\n".join(child.said() for child in children)


def test_a_killed_host(base: Path, zygote: Zygote) -> None:
    whole = base / "hosts_whole"
    whole.mkdir()
    seconds, moments = finish(zygote, whole), random.Random("hosts")
    folder = base / "hosts_killed"
    folder.mkdir()
    kills = 0
    while kills < _KILLS:
        children, victim = start(zygote, folder), moments.randrange(2)
        time.sleep(moments.uniform(0, seconds))
        children[victim].kill()
        statuses = [zygote.wait(child, _SURVIVES) for child in children]
        if statuses[victim] != -9:
            break
        kills += 1
        survivor = statuses[1 - victim]
        assert survivor != -9, f"it did not end within {_SURVIVES} s\n{said(children)}"
        assert survivor in (0, 1, LOST_PEER) or survivor < 0, said(children)
        assert look(folder).torn == []
    finish(zygote, folder)
    assert [*differences(folder, whole)] == []
