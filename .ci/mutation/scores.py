"""Counts how faults ended, and the share that the tests found, by package.

The share is that of the faults found among those found and missed. A fault whose tests ran out of
time twice counts for neither, and so does one that could not be tried. A module without tests
misses its faults.
"""

from collections import Counter
from collections.abc import Mapping

from run_tests import FAILED, NO_TESTS, OUT_OF_TIME, PASSED

FOUND, MISSED, TIME, NOT_TRIED = COLUMNS = ("found", "missed", "time ran out", "not tried")
# cosmic-ray's own word comes where run_tests.py did not end by itself.
_ENDINGS = {FAILED: FOUND, PASSED: MISSED, NO_TESTS: MISSED, OUT_OF_TIME: TIME, "timeout": TIME}


def column_of(output: str | None) -> str:
    """Returns the column in which a fault counts, from what run_tests.py printed.

    Another last line means that there was nothing to change at that place, or an error of a script.
    """
    lines = (output or "").splitlines()
    return _ENDINGS.get(lines[-1], NOT_TRIED) if lines else NOT_TRIED


def table(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Returns the lines of a table in Markdown, the sums last.

    Args:
      counts: package → column → number of faults.
    """
    total = Counter[str]()
    for one in counts.values():
        total.update(one)
    heads = f"| package | faults | {' | '.join(COLUMNS)} | share found |"
    rows = [_row(name, one) for name, one in [*counts.items(), ("all", total)]]
    return [heads, "|---|--:|--:|--:|--:|--:|--:|", *rows]


def _row(name: str, counts: Mapping[str, int]) -> str:
    numbers = [counts.get(column, 0) for column in COLUMNS]
    counted = counts.get(FOUND, 0) + counts.get(MISSED, 0)
    share = f"{100 * counts.get(FOUND, 0) / counted:.1f} %" if counted else "–"
    return f"| {name} | {' | '.join(map(str, (sum(numbers), *numbers)))} | {share} |"
