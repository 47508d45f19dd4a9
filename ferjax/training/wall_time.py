"""Wall-time breakdown of a run: data, compilation, evaluation, saving; the rest is steps."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

# Seconds by kind of work; a run has one such dictionary, and its values grow.
SecondsByKind = dict[str, float]
# Kinds that are measured. The rest of the wall time is the kind `step`.
KINDS = ("data", "compile", "evaluate", "save")


def zero_seconds(before: Mapping[str, float] | None = None) -> SecondsByKind:
    """Returns zero seconds of each kind, or the seconds of an earlier part of the run."""
    return {kind: (before or {}).get(kind, 0.0) for kind in KINDS}


@contextlib.contextmanager
def timed(spent: SecondsByKind, kind: str) -> Iterator[None]:
    """Adds the duration of its block to the seconds of a kind."""
    start_time = time.perf_counter()
    try:
        yield
    finally:
        spent[kind] += time.perf_counter() - start_time


def since(spent: Mapping[str, float], before: Mapping[str, float]) -> SecondsByKind:
    """Returns the seconds of each kind since an earlier copy of the same dictionary."""
    return {kind: spent[kind] - before[kind] for kind in KINDS}


def lap_timer(spent: SecondsByKind) -> Callable[[], SecondsByKind]:
    """Returns a function () → seconds of each kind, `step` first, since its last call."""
    last_call, spent_before = time.monotonic(), dict(spent)

    def lap() -> SecondsByKind:
        nonlocal last_call, spent_before
        this_call, seconds = time.monotonic(), since(spent, spent_before)
        seconds, last_call, spent_before = (
            with_step_time(seconds, this_call - last_call),
            this_call,
            dict(spent),
        )
        return seconds

    return lap


def with_step_time(spent: Mapping[str, float], seconds: float) -> SecondsByKind:
    """Returns the seconds of each kind with `step` added, so that all sum to `seconds`."""
    kinds = {kind: spent.get(kind, 0.0) for kind in KINDS}
    return {"step": max(0.0, seconds - sum(kinds.values())), **kinds}
