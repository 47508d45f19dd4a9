"""Interleaved rounds, warm-up and budgets, on a fake clock that the runs move."""

from collections.abc import Callable
from typing import Any

import pytest

from ferjax.bench.measuring.interleaved_timing import Effort, measure, paired_ratios, spread


class FakeClock:
    """A clock that only moves when a side runs; logs which side ran."""

    def __init__(self) -> None:
        self.now, self.log = 0.0, []

    def __call__(self) -> float:
        return self.now

    def side(self, label: str, durations: list[float]) -> Callable[[], Any]:
        """Returns a run that takes these seconds in order, and the last of them from then on."""
        remaining = list(durations)

        def run() -> None:
            self.log.append(label)
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return run


def test_sides_take_turns_after_a_warm_up() -> None:
    clock = FakeClock()
    sides = {"a": clock.side("a", [9, 4, 5, 6]), "b": clock.side("b", [9, 6, 7, 8])}
    seconds = measure(sides, Effort(rounds=3), clock=clock)
    # A run of more than three seconds is warmed up once; the slow first run is not a sample.
    assert "".join(clock.log) == "ab" + "ababab"
    assert seconds == {"a": (4, 5, 6), "b": (6, 7, 8)}


def test_the_first_run_after_the_other_sides_is_not_measured() -> None:
    clock = FakeClock()
    sides = {"a": clock.side("a", [2, 1, 2, 1, 2, 1]), "b": clock.side("b", [0.5])}
    seconds = measure(sides, Effort(rounds=2), clock=clock)
    assert "".join(clock.log) == "aabb" + "aabb" * 2
    assert seconds == {"a": (1, 1), "b": (0.5, 0.5)}


def test_a_slow_first_run_does_not_decide_for_the_later_ones() -> None:
    clock = FakeClock()
    measure({"a": clock.side("a", [9, 1])}, Effort(rounds=3), clock=clock)
    assert len(clock.log) == 1 + 1 + 2 + 2


def test_short_runs_are_repeated_and_averaged() -> None:
    clock = FakeClock()
    runs = {"a": clock.side("a", [0.5, 0.25])}
    seconds = measure(runs, Effort(rounds=2, sample=1.0), clock=clock)
    assert seconds == {"a": (0.25, 0.25)}
    assert len(clock.log) == 2 + 2 * (1 + 4)


def test_a_side_over_its_budget_skips_later_rounds() -> None:
    clock = FakeClock()
    sides = {"slow": clock.side("slow", [4]), "fast": clock.side("fast", [1])}
    seconds = measure(sides, Effort(rounds=5, least=2, budget=5), clock=clock)
    assert {label: len(values) for label, values in seconds.items()} == {"slow": 2, "fast": 5}


def test_tick_is_called_for_every_sample() -> None:
    clock, ticks = FakeClock(), []
    measure({"a": clock.side("a", [2])}, Effort(rounds=3), clock=clock, tick=ticks.append)
    assert ticks == ["a"] * 4


def test_spread_and_paired_ratios() -> None:
    assert spread([4, 2, 3]) == pytest.approx(2 / 3)
    assert paired_ratios([6, 8, 20], [2, 4]) == [3, 2]
