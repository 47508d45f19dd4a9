"""Wall-time breakdown of a run: data, compilation, evaluation, saving; the rest is steps."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

# Seconds by kind of work; a run has one such dictionary, and its values grow.
SecondsByKind = dict[str, float]
# The rest of the wall time is the kind `step`.
KINDS = ("data", "compile", "evaluate", "save")


def zero_seconds(before: Mapping[str, float] | None = None) -> SecondsByKind:
    """Returns zero seconds of each kind, or those of an earlier part of the run."""
    return {kind: (before or {}).get(kind, 0.0) for kind in KINDS}


@contextlib.contextmanager
def timed(spent: SecondsByKind, kind: str) -> Iterator[None]:
    """Adds the duration of its block to the seconds of a kind."""
    began = time.perf_counter()
    try:
        yield
    finally:
        spent[kind] += time.perf_counter() - began


def since(spent: Mapping[str, float], before: Mapping[str, float]) -> SecondsByKind:
    """Returns the seconds of each kind since an earlier copy of the same dictionary."""
    return {kind: spent[kind] - before[kind] for kind in KINDS}


def lap_timer(spent: SecondsByKind) -> Callable[[], SecondsByKind]:
    """Returns a function () → seconds of each kind, `step` first, since its last call."""
    at, before = time.monotonic(), dict(spent)

    def lap() -> SecondsByKind:
        nonlocal at, before
        now, found = time.monotonic(), since(spent, before)
        found, at, before = with_step_time(found, now - at), now, dict(spent)
        return found

    return lap


def with_step_time(spent: Mapping[str, float], seconds: float) -> SecondsByKind:
    """Returns the seconds of each kind with `step` added, so that all sum to `seconds`."""
    kinds = {kind: spent.get(kind, 0.0) for kind in KINDS}
    return {"step": max(0.0, seconds - sum(kinds.values())), **kinds}
