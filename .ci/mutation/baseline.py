"""Runs the tests of every module that a session gives a fault, first without any fault.

Usage: baseline.py SESSION SECONDS PYTHON, in the tree that is tested. It stops with a sentence if
a test fails, or if the tests of a module take more than a third of SECONDS: what the faults would
do then says nothing of the tests. Modules that were tested before are not tested again.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from run_tests import FAILED, NO_TESTS, OUT_OF_TIME, PASSED

_RUN = Path(__file__).with_name("run_tests.py")


def modules_of(session: Path) -> list[str]:
    """Returns the paths of the modules whose faults are not tried yet."""
    with use_db(session, WorkDB.Mode.open) as database:
        pending = database.pending_work_items
    return sorted({str(one.module_path) for item in pending for one in item.mutations})


def main(session: Path, seconds: float, python: str) -> None:
    """Writes the seconds of each module to `baseline.json` beside the session."""
    record = session.with_name("baseline.json")
    taken = json.loads(record.read_text("utf-8")) if record.exists() else {}
    for module in modules_of(session):
        if module in taken:
            continue
        begun = time.monotonic()
        command = [python, str(_RUN), str(seconds / 3), module]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        ending = (done.stdout.splitlines() or [""])[-1]
        if ending == OUT_OF_TIME:
            sys.exit(
                f"{module}: its tests take more than {seconds / 3:.0f} s without a fault, a third"
                f" of the limit of {seconds:.0f} s. Wait until the machine is idle, or give a"
                " higher limit."
            )
        if ending not in (PASSED, NO_TESTS):
            log = session.with_name("baseline.log")
            log.write_text(done.stdout + done.stderr, "utf-8")
            what = "a test fails" if ending == FAILED else "its tests cannot be run"
            sys.exit(f"{module}: {what} without a fault, see {log}")
        taken[module] = round(time.monotonic() - begun, 1)
        record.write_text(json.dumps(taken, indent=1), "utf-8")
    print(f"{session.parent.name}: tests pass without a fault, for {len(taken)} modules")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
