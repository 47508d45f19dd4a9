"""Where a run's wall time goes: waiting for data, compiling, evaluating, saving; steps the rest."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

# Seconds by kind; a run has one, which grows.
Spent = dict[str, float]
# Beside these: `step`, what is left of the wall time.
KINDS = ("data", "compile", "evaluate", "save")


def nothing_spent(before: Mapping[str, float] | None = None) -> Spent:
    """Returns the seconds of a run that starts, or goes on from those of before."""
    return {kind: (before or {}).get(kind, 0.0) for kind in KINDS}


@contextlib.contextmanager
def timed(spent: Spent, kind: str) -> Iterator[None]:
    """Adds the seconds that its block takes to those of a kind."""
    began = time.perf_counter()
    try:
        yield
    finally:
        spent[kind] += time.perf_counter() - began


def since(spent: Mapping[str, float], before: Mapping[str, float]) -> Spent:
    """Returns the seconds of each kind since an earlier state of the same account."""
    return {kind: spent[kind] - before[kind] for kind in KINDS}


def laps(spent: Spent) -> Callable[[], Spent]:
    """Returns () → the seconds of each kind, `step` first, since its last call, or since now."""
    at, before = time.monotonic(), dict(spent)

    def lap() -> Spent:
        nonlocal at, before
        now, found = time.monotonic(), since(spent, before)
        found, at, before = accounted(found, now - at), now, dict(spent)
        return found

    return lap


def accounted(spent: Mapping[str, float], seconds: float) -> Spent:
    """Returns the seconds of each kind, `step` first, which add up to `seconds` of wall time."""
    kinds = {kind: spent.get(kind, 0.0) for kind in KINDS}
    return {"step": max(0.0, seconds - sum(kinds.values())), **kinds}
