"""Prints the share of faults that the tests found, by package, and each one that they missed."""

import sys
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome


def main(sessions: list[str]) -> None:
    """Prints a table in Markdown, then the survivors with their place and their change."""
    print("| package | faults | found | missed | share found |\n|---|--:|--:|--:|--:|")
    total, survivors = [0, 0], []
    for session in sessions:
        found = missed = 0
        with use_db(session, WorkDB.Mode.open) as database:
            for job_id, result in database.results:
                if result.worker_outcome == WorkerOutcome.SKIPPED:
                    continue
                if result.test_outcome != TestOutcome.SURVIVED:
                    found += 1  # a test failed, the module cannot be imported, or time ran out
                    continue
                missed += 1
                survivors.append((job_id, result.diff))
        total = [total[0] + found, total[1] + missed]
        row(Path(session).parent.name, found, missed)
    row("all", *total)
    for job_id, diff in survivors:
        print(f"\n{job_id}\n{diff}")


def row(name: str, found: int, missed: int) -> None:
    """Prints a row of the table."""
    count = found + missed
    print(f"| {name} | {count} | {found} | {missed} | {100 * found / max(count, 1):.1f} % |")


if __name__ == "__main__":
    main(sys.argv[1:])
