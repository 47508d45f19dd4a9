"""Prints the share of faults that the tests found, by package, and each one that they missed.

The share is that of the faults found among those found and missed. A fault whose tests ran out of
time twice counts for neither, and so does one that could not be tried. A module without tests
misses its faults.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkerOutcome, WorkResult
from run_tests import FAILED, NO_TESTS, OUT_OF_TIME, PASSED

_COLUMNS = {FAILED: "found", PASSED: "missed", NO_TESTS: "missed", OUT_OF_TIME: "time ran out"}
_NOT_TRIED = "not tried"
_HEADS = ("found", "missed", "time ran out", _NOT_TRIED)


def column_of(result: WorkResult) -> str:
    """Returns the column that a result is counted in."""
    last = ((result.output or "").splitlines() or [""])[-1]
    # Without a last line of ours: there was nothing to change at that place, or an error.
    return _COLUMNS.get(last, _NOT_TRIED)


def row(name: str, counts: Mapping[str, int]) -> str:
    """Returns a row of the table."""
    tried = counts["found"] + counts["missed"]
    share = f"{100 * counts['found'] / tried:.1f} %" if tried else "-"
    numbers = (sum(counts.values()), *(counts[head] for head in _HEADS))
    return f"| {name} | {' | '.join(map(str, numbers))} | {share} |"


def main(sessions: list[str]) -> None:
    """Prints a table in Markdown, then each fault that was not found, with its change."""
    print(f"| package | faults | {' | '.join(_HEADS)} | share found |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    total: Counter[str] = Counter()
    rest: list[str] = []
    for session in sessions:
        counts: Counter[str] = Counter()
        with use_db(session, WorkDB.Mode.open) as database:
            for job_id, result in database.results:
                if result.worker_outcome != WorkerOutcome.SKIPPED:
                    column = column_of(result)
                    counts[column] += 1
                    if column != "found":
                        why = result.diff or result.output or result.worker_outcome.value
                        rest.append(f"\n{column}: {job_id}\n{why}")
        print(row(Path(session).parent.name, counts))
        total += counts
    print(row("all", total))
    print("\n".join(rest))


if __name__ == "__main__":
    main(sys.argv[1:])
