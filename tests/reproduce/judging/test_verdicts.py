"""Verdicts from estimates made by hand: each rule at both sides of its border."""

import math
from dataclasses import replace

import pytest

from ferjax.reproduce.claim_table import Claim, Measure
from ferjax.reproduce.judging.estimates import Estimate
from ferjax.reproduce.judging.verdicts import (
    NOT_REPRODUCED,
    NOT_TESTED,
    REPRODUCED,
    judge_better,
    judge_bound,
    judge_count,
    judge_number,
    judge_trend,
    kendall_tau,
    rounding_of,
)

YES, NO, OPEN = REPRODUCED, NOT_REPRODUCED, NOT_TESTED


def made(mean: float, low: float | None, high: float | None, seeds: int = 3) -> Estimate:
    return Estimate(mean, low, high, (mean,) * seeds, 1000, "seeds and images", seeds, True, "test")


def claim(kind: str, paper: float | None = None, printed: str = "", metric: str = "accuracy",
          along: tuple[str, ...] = ()) -> Claim:  # fmt: skip
    measure = Measure("one", metric)
    return Claim("made", kind, "", "", paper, printed, measure=measure, along=along)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [(".47", 0.005), ("97.6 %", 0.0005), ("62.8 %", 0.0005), ("0.0243", 0.00005), ("2.5", 0.05),
     ("28,711", 0.5), ("all", 0.0)],
)  # fmt: skip
def test_half_a_unit_of_the_last_printed_digit(printed: str, expected: float) -> None:
    assert math.isclose(rounding_of(claim("number", 0.5, printed)), expected)


@pytest.mark.parametrize(
    ("found", "verdict", "exceeded"),
    [
        (made(0.50, 0.48, 0.52), YES, False),
        # .47 stands for anything from 0.465 to 0.475.
        (made(0.49, 0.4751, 0.505), NO, True),
        (made(0.49, 0.4749, 0.505), YES, False),
        (made(0.45, 0.44, 0.464), NO, False),
        # Wider than 5 points: inside says nothing, outside still does.
        (made(0.50, 0.44, 0.56), OPEN, False),
        (made(0.70, 0.60, 0.80), NO, True),
        (made(0.50, 0.48, 0.52, seeds=1), OPEN, False),
        (made(0.50, None, None), OPEN, False),
    ],
)
def test_a_printed_number(found: Estimate, verdict: str, exceeded: bool) -> None:
    paper = 0.50 if found.mean == 0.5 else 0.47
    judged = judge_number(claim("number", paper, f"{paper:.2f}"), found)
    assert (judged.word, judged.exceeded) == (verdict, exceeded)


def test_the_reason_says_by_how_much_the_interval_was_widened() -> None:
    inside = judge_number(claim("number", 0.5, "50 %"), made(0.5, 0.48, 0.52))
    assert inside.reason == "the printed number lies in our interval"
    beside = judge_number(claim("number", 0.5, "50 %"), made(0.52, 0.504, 0.536))
    assert beside.reason.endswith("widened by ±0.5 points, as exactly as the number is printed")
    about = replace(claim("number", 0.5, "50 %"), rounding=0.02)
    assert "widened by ±2 points," in judge_number(about, made(0.53, 0.515, 0.545)).reason


def test_a_bound_that_is_no_number_has_the_tolerance_of_its_claim() -> None:
    every = replace(claim("at_least", 1.0, "all"), rounding=0.01)
    assert judge_bound(every, made(0.995, 0.991, 1.0)).word == YES
    assert judge_bound(every, made(0.97, 0.95, 0.985)).word == NO


def test_of_a_loss_less_is_better() -> None:
    below = judge_number(claim("number", 1.6, "1.6", "curve_loss"), made(1.2, 1.1, 1.3))
    above = judge_number(claim("number", 1.6, "1.6", "curve_loss"), made(2.0, 1.9, 2.1))
    assert (below.word, below.exceeded) == (NO, True)
    assert (above.word, above.exceeded) == (NO, False)
    # A quarter of the printed number on each side is the widest.
    assert judge_number(claim("number", 1.6, "1.6", "curve_loss"), made(1.6, 1.2, 2.0)).word == YES
    assert judge_number(claim("number", 1.6, "1.6", "curve_loss"), made(1.6, 1.1, 2.0)).word == OPEN


@pytest.mark.parametrize(
    ("kind", "low", "high", "verdict"),
    [
        ("at_least", 0.701, 0.72, YES),  # a bound is exact: 0.70 or more
        ("at_least", 0.696, 0.72, OPEN),
        ("at_least", 0.60, 0.699, NO),
        ("at_most", 0.60, 0.699, YES),
        ("at_most", 0.60, 0.704, OPEN),
        ("at_most", 0.701, 0.75, NO),
    ],
)
def test_bounds(kind: str, low: float, high: float, verdict: str) -> None:
    found = made((low + high) / 2, low, high)
    assert judge_bound(claim(kind, 0.70, "0.70"), found).word == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.05, YES),
        (-0.05, -0.001, NO),
        (-0.019, 0.019, NO),  # no difference to speak of
        (-0.021, 0.019, OPEN),
        (-0.01, 0.05, OPEN),
    ],
)
def test_better(low: float, high: float, verdict: str) -> None:
    assert judge_better(claim("better"), made((low + high) / 2, low, high)).word == verdict
    one_seed = made((low + high) / 2, low, high, seeds=1)
    assert judge_better(claim("better"), one_seed).word == OPEN


def test_a_small_difference_of_losses_is_open() -> None:
    found = made(0.0, -0.01, 0.01)
    assert judge_better(claim("better", metric="curve_loss"), found).word == OPEN


def test_trend() -> None:
    three = claim("trend", along=("a", "b", "c"))
    up, down, flat = made(0.02, 0.01, 0.03), made(-0.02, -0.03, -0.01), made(0, -0.01, 0.01)
    wide = made(0.02, -0.01, 0.05)
    assert judge_trend(three, up, (up, flat)).word == YES
    fallen = judge_trend(three, up, (up, down))
    assert (fallen.word, fallen.reason) == (NO, "it goes down from b to c")
    assert judge_trend(three, down, (flat, flat)).word == NO
    assert judge_trend(three, flat, (flat, flat)).word == NO
    assert judge_trend(three, wide, (wide, wide)).word == OPEN


def test_count_and_tau() -> None:
    assert judge_count(claim("count", 4710), 4710).word == YES
    assert judge_count(claim("count", 4710), 4709).word == NO
    assert kendall_tau((1.0, 2.0, 3.0, 4.0)) == 1
    assert kendall_tau((1.0, 3.0, 2.0)) == pytest.approx(1 / 3)
    assert kendall_tau((2.0, 2.0)) == 0
