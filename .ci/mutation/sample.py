"""Leaves a random sample of a session's faults to be tried; the others are marked as skipped.

Faults in annotations are none: `int | None` with another operator fails when it is imported.
"""

import random
import sys

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkerOutcome, WorkResult


def main(session: str, count: int) -> None:
    """Marks all but `count` faults, drawn with a fixed seed, as skipped."""
    with use_db(session, WorkDB.Mode.open) as database:
        items = sorted(database.work_items, key=lambda item: repr(item.mutations))
        tried = [
            item
            for item in items
            if not any("_BitOr_" in one.operator_name for one in item.mutations)
        ]
        chosen = {item.job_id for item in random.Random(0).sample(tried, min(count, len(tried)))}
        for item in items:
            if item.job_id not in chosen:
                database.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
        print(f"{session}: {len(chosen):,} of {len(tried):,} faults")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
