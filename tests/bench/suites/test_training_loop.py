"""The suite's epoch is one of the real training loop, and the next run continues it."""

import pytest

from ferjax.bench.measuring.case import BARE, OURS
from ferjax.bench.suites import training_loop


def test_an_epoch_runs_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop, "_STEPS", 2)
    monkeypatch.setattr(training_loop, "_BATCH", 4)
    (case,) = training_loop.cases()
    epoch = case.sides[OURS]()
    assert [int(epoch().step) for _ in range(2)] == [2, 4]
    state, sums = case.sides[BARE]()()
    assert (int(state.step), int(sums.count)) == (2, 8)
    assert case.images == 8
