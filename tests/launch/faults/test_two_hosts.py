"""A process of a run in two processes is killed: the other ends too, and the run goes on."""

import os
import random
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from commands import COMMANDS
from processes import Child, Zygote
from results import look
from tally import count_fault, count_result

from launch.command.app import LOST_PEER

pytestmark = pytest.mark.faults

_KILLS = max(1, round(6 * int(os.environ.get("FERJAX_FAULT_KILLS", 300)) / 300))
# Within which the process that has lost the other must end.
_SURVIVES = 120
# Of the process that has lost the other; 0 if it had ended before. JAX itself ends with SIGABRT.
_ENDINGS = (0, LOST_PEER, -signal.SIGABRT)
# For each kill. A run that ends before its kills is started again.
_MOST_STARTS = 4


def start(zygote: Zygote, folder: Path) -> list[Child]:
    """Starts both processes of a run."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    address = [f"--coordinator=127.0.0.1:{port}", "--num_processes=2", "--join_seconds=90"]
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


def test_a_killed_host(
    base: Path, zygote: Zygote, begin_tally: Callable[[str, str], dict[str, Any]]
) -> None:
    tally = begin_tally("SIGKILL to one of two processes of a run", "train")
    whole = base / "hosts_whole"
    whole.mkdir()
    seconds, moments = finish(zygote, whole), random.Random("hosts")
    folder = base / "hosts_killed"
    folder.mkdir()
    kills = starts = 0
    while kills < _KILLS:
        starts += 1
        assert starts <= _MOST_STARTS * _KILLS, "the run ends before its kills"
        children, victim = start(zygote, folder), moments.randrange(2)
        time.sleep(moments.uniform(0, seconds))
        children[victim].kill()
        statuses = [zygote.wait(child, _SURVIVES) for child in children]
        if statuses[victim] != -signal.SIGKILL:
            # The run was complete before; the next kill is of another one.
            assert statuses == [0, 0], said(children)
            assert count_result(tally, True, folder, whole) == []
            shutil.rmtree(folder)
            folder.mkdir()
            continue
        kills += 1
        survivor, seen = statuses[1 - victim], look(folder)
        count_fault(tally, survivor != 0, seen)
        assert survivor != -signal.SIGKILL, f"not ended within {_SURVIVES} s\n{said(children)}"
        assert survivor in _ENDINGS or never_joined(survivor, said(children)), said(children)
        assert seen.torn == []
    finish(zygote, folder)
    assert count_result(tally, True, folder, whole) == []


def never_joined(status: int, printed: str) -> bool:
    """Returns whether a process has waited for the other one and then refused to begin."""
    return status == 1 and re.search("did not connect in|s for process 0", printed) is not None
