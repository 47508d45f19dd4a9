"""Counts of what faults did to commands, and the table of them that is printed at the end."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from results import Seen, differences

# Of the fault itself: how often it was given, and ended the command; what it then left. Of the same
# command given again: whether its result is not there, or is another one than without the fault.
COUNTED = ("times", "ended the command", "left half written", "left torn", "lost", "changed")
# Faults that the table has a row of for every command.
BY_COMMAND = ("SIGKILL",)


def new_tally(fault: str, command: str) -> dict[str, Any]:
    """Returns the counts of a test, all 0; JSON values, so that they can be its property."""
    return {"fault": fault, "command": command, **dict.fromkeys(COUNTED, 0)}


def count_fault(tally: dict[str, Any], ended: bool, seen: Seen | None = None) -> None:
    """Counts one fault.

    Args:
      tally: the counts of the test.
      ended: whether the command has ended because of it, not with its result.
      seen: what it has left; None where nothing can be left.
    """
    tally["times"] += 1
    tally["ended the command"] += ended
    if seen:
        tally["left half written"] += bool(seen.unfinished)
        tally["left torn"] += bool(seen.torn)


def count_result(
    tally: dict[str, Any], ended_well: bool, folder: Path, undisturbed: Path
) -> list[str]:
    """Counts the result of a command that was given again; returns its differences.

    Args:
      tally: the counts of the test.
      ended_well: whether the result is there; otherwise it counts as lost and has no differences.
      folder: of the command.
      undisturbed: the folder of the same command without a fault.
    """
    found = [*differences(folder, undisturbed)] if ended_well else []
    tally["lost"] += not ended_well
    tally["changed"] += bool(found)
    return found


def table(tallies: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the lines of a table in Markdown: a row of each fault, the sums at the end."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for tally in tallies:
        by_command = tally["fault"] in BY_COMMAND
        groups.setdefault((tally["fault"], tally["command"] if by_command else ""), []).append(
            tally
        )
    rows = [
        [fault, command or _names({one["command"] for one in group}), *_sums(group)]
        for (fault, command), group in groups.items()
    ]
    for fault in BY_COMMAND:
        group = [one for (name, _), ones in groups.items() if name == fault for one in ones]
        if group:
            at = 1 + max(k for k, row in enumerate(rows) if row[0] == fault)
            rows.insert(
                at, [f"{fault}, all", _names({one["command"] for one in group}), *_sums(group)]
            )
    everything = [one for group in groups.values() for one in group]
    rows.append(["all", _names({one["command"] for one in everything}), *_sums(everything)])
    rule = ["---", "---", *("--:" for _ in COUNTED)]
    return [f"| {' | '.join(row)} |" for row in (["fault", "commands", *COUNTED], rule, *rows)]


def _names(commands: set[str]) -> str:
    return next(iter(commands)) if len(commands) == 1 else f"{len(commands)} commands"


def _sums(group: Iterable[Mapping[str, Any]]) -> list[str]:
    ones = [*group]
    return [str(sum(one[name] for one in ones)) for name in COUNTED]
