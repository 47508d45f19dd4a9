"""Trends of costs by hand: overhead, linear, growing and falling costs."""

import pytest

from ferjax.bench.growth.growth_results import FALLS, FIXED, FLAT, GROWS, UNEVEN, Growth, trend

SIZES = (1_000, 10_000, 100_000, 1_000_000)


@pytest.mark.parametrize(
    ("costs", "base", "largest", "word"),
    [
        # No overhead: all sizes are compared with the smallest.
        ([n * 1e-6 for n in SIZES], 0, 1.0, FLAT),
        # 5 ms of overhead are five times the cost of 1,000, half of that of 10,000, and 5 % of
        # that of 100,000.
        ([5e-3 + n * 1e-6 for n in SIZES], 2, 1.005 / 1.05, FLAT),
        ([n * 1e-6 for n in SIZES[:3]] + [1.5], 0, 1.5, GROWS),
        # The largest is like the smallest, but one between is not.
        ([1e-3, 1e-2, 0.13, 1.0], 0, 1.0, UNEVEN),
        ([1e-3, 1e-2, 0.1, 0.8], 0, 0.8, FALLS),
        # Quadratic: what would be a line through the first two has no overhead.
        ([(n * 1e-6) ** 2 for n in SIZES], 0, 1000.0, GROWS),
    ],
)
def test_trends_by_hand(costs: list[float], base: int, largest: float, word: str) -> None:
    found = trend(SIZES, costs)
    assert (found.base, found.word) == (base, word)
    assert found.ratios[0] == 1
    assert found.ratios[-1] == pytest.approx(largest)
    assert len(found.ratios) == len(SIZES) - base


@pytest.mark.parametrize(
    "costs",
    [
        [1e-3, 1e-3, 1e-3, 1e-3],
        [2e-3, 1e-3, 1e-3, 1e-3],
        [0, 0, 0, 0],
        # Settled at the largest size only: there is none to compare it with.
        [1.0, 1.001, 1.02, 100.0],
    ],
)
def test_a_cost_that_is_mostly_fixed_has_no_trend(costs: list[float]) -> None:
    found = trend(SIZES, costs)
    assert (found.word, found.ratios) == (FIXED, ())


def test_json_of_a_part() -> None:
    part = Growth("an epoch", 8, (10, 100), (9, 90), ((1.0, 3.0, 2.0), (30.0, 20.0)), (900, 9_000))
    found = part.to_json()
    assert [size["median seconds"] for size in found["sizes"]] == [2, 25]
    assert [size["images"] for size in found["sizes"]] == [9, 90]
    assert found["sizes"][1]["microseconds for each image"] == pytest.approx(25e6 / 90)
    assert found["sizes"][1]["bytes for each image"] == 100
    # No fixed part: 25 seconds are more than ten times 2.
    expected = {"compared with images": 10, "ratios": [1, pytest.approx(1.25)], "trend": GROWS}
    assert found["time"] == expected
    assert found["memory"]["trend"] == FLAT
    unknown = Growth("an epoch", 8, (10, 100), (9, 90), ((1.0,), (2.0,)), (None, None))
    assert unknown.memory_trend is None
    assert unknown.to_json()["memory"] is None
