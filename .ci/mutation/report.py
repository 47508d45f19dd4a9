"""Prints the share of faults that the tests found, by package, and each one that they did not."""

import sys
from collections import Counter
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkerOutcome
from scores import FOUND, column_of, table


def main(sessions: list[str]) -> None:
    """Prints a table in Markdown, then each fault that was not found, with its change."""
    counts: dict[str, Counter[str]] = {}
    rest: list[str] = []
    for session in sessions:
        columns = counts.setdefault(Path(session).parent.name, Counter())
        with use_db(session, WorkDB.Mode.open) as database:
            for job_id, result in database.results:
                if result.worker_outcome == WorkerOutcome.SKIPPED:
                    continue
                column = column_of(result.output)
                columns[column] += 1
                if column != FOUND:
                    change = result.diff or result.output or result.worker_outcome.value
                    rest.append(f"\n{column}: {job_id}\n{change}")
    print("\n".join([*table(counts), *rest]))


if __name__ == "__main__":
    main(sys.argv[1:])
