"""Rounds in turns, warm-up, budgets: on a clock that the sides themselves move."""

from collections.abc import Callable
from typing import Any

import pytest

from ferjax.bench.measuring.measure_in_turns import Effort, measure, paired_ratios, spread


class FakeClock:
    """A clock that only moves when a side runs; remembers who ran."""

    def __init__(self) -> None:
        self.now, self.log = 0.0, []

    def __call__(self) -> float:
        return self.now

    def side(self, label: str, durations: list[float]) -> Callable[[], Any]:
        """Returns a run that takes these seconds, one after the other, the last for ever."""
        left = list(durations)

        def run() -> None:
            self.log.append(label)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_sides_take_turns_after_a_warm_up() -> None:
    clock = FakeClock()
    sides = {"a": clock.side("a", [9, 2, 3, 4, 5]), "b": clock.side("b", [9, 6, 7, 8, 9])}
    seconds = measure(sides, Effort(rounds=3), clock=clock)
    # A run of more than a second is warmed up once; its first, slow run is not among the samples.
    assert "".join(clock.log) == "ab" + "ababab"
    assert seconds == {"a": (2, 3, 4), "b": (6, 7, 8)}


def test_short_runs_are_repeated_and_averaged() -> None:
    clock = FakeClock()
    runs = {"a": clock.side("a", [0.5, 0.25])}
    seconds = measure(runs, Effort(rounds=2, sample=1.0), clock=clock)
    assert seconds == {"a": (0.25, 0.25)}
    assert len(clock.log) == 2 + 2 * 4


def test_a_side_over_its_budget_sits_out() -> None:
    clock = FakeClock()
    sides = {"slow": clock.side("slow", [4]), "fast": clock.side("fast", [1])}
    seconds = measure(sides, Effort(rounds=5, least=2, budget=5), clock=clock)
    assert {label: len(values) for label, values in seconds.items()} == {"slow": 2, "fast": 5}


def test_every_sample_is_told() -> None:
    clock, told = FakeClock(), []
    measure({"a": clock.side("a", [2])}, Effort(rounds=3), clock=clock, tick=told.append)
    assert told == ["a"] * 4


def test_spread_and_pairs_by_hand() -> None:
    assert spread([4, 2, 3]) == pytest.approx(2 / 3)
    assert paired_ratios([6, 8, 20], [2, 4]) == [3, 2]
