"""Prices against a bootstrap written as loops, and against what is known without one."""

from typing import Any

import numpy as np
import pytest

from ferjax.reproduce.studies.answers import Answers
from ferjax.reproduce.studies.prices import NotCompared, price_of
from ferjax.reproduce.studies.protocol_table import COMPARISONS, EXPERIMENTS, Comparison, Side

IMAGES = 300


def answers(rate: float, seed: int, digest: str = "same", **more: Any) -> Answers:
    """Returns answers that are right in about `rate` of the images."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 7, IMAGES).astype(np.uint8)
    wrong = random.random(IMAGES) >= rate
    return Answers(
        digest, labels, np.where(wrong, (labels + 1) % 7, labels).astype(np.uint8), **more
    )


A, B = Side(("a",)), Side(("b",))


def compare(first: Side = A, second: Side = B) -> Comparison:
    return Comparison("name", "fer2013", "a breach", "Some meaning.", first, second)


def of_seeds(rate: float, start: int, **more: Any) -> dict[int, dict[str, Answers]]:
    return {k: {"test": answers(rate, start + k, **more)} for k in range(3)}


def test_equal_answers_cost_nothing() -> None:
    same = of_seeds(0.6, 0)
    found = price_of(compare(), {"a": same, "b": same})
    assert (found.mean, found.low, found.high) == (0, 0, 0)
    assert found.by_seed == (0, 0, 0)
    assert found.with_breach == found.honest


def test_the_interval_is_that_of_loops() -> None:
    a, b = of_seeds(0.8, 0), of_seeds(0.6, 100)
    found = price_of(compare(), {"a": a, "b": b})
    right = np.array([[one[k]["test"].correct for k in range(3)] for one in (a, b)], float)
    by_seed = right[0].mean(1) - right[1].mean(1)
    assert found.by_seed == pytest.approx(by_seed)
    random, means = np.random.default_rng(5), []
    for _ in range(3000):
        rows = random.integers(0, IMAGES, IMAGES)
        means.append((right[0, :, rows] - right[1, :, rows]).mean())
    low, high = np.quantile(means, [0.025, 0.975])
    over_seeds = 4.302653 * by_seed.std(ddof=1) / np.sqrt(3)  # Student's t of two degrees
    expected = found.mean - np.hypot(found.mean - low, over_seeds)
    assert found.low == pytest.approx(expected, abs=0.006)
    assert found.high - found.mean == pytest.approx(
        np.hypot(high - found.mean, over_seeds), abs=0.006
    )
    assert found.bootstrap[0] > found.low
    assert found.bootstrap[1] < found.high


def test_the_same_images_cancel() -> None:
    """What is hard is hard for both: the interval is narrower than of other images."""
    hard = np.random.default_rng(0).random(IMAGES) < 0.5
    labels = np.zeros(IMAGES, np.uint8)
    more = hard | (np.arange(IMAGES) % 25 == 0)

    def runs(right: np.ndarray, digest: str) -> dict[int, dict[str, Answers]]:
        one = Answers(digest, labels, (~right).astype(np.uint8))
        return {k: {"test": one} for k in range(3)}

    paired = price_of(compare(), {"a": runs(more, "x"), "b": runs(hard, "x")})
    other = price_of(compare(), {"a": runs(more, "x"), "b": runs(hard, "y")})
    assert paired.mean == other.mean > 0
    assert paired.high - paired.low < 0.6 * (other.high - other.low)


def test_a_part_of_the_images() -> None:
    part = np.arange(IMAGES) < 100
    runs = of_seeds(0.7, 3, only={"unique": part})
    found = price_of(compare(Side(("a",)), Side(("a",), only="unique")), {"a": runs})
    right = np.array([one["test"].correct for one in runs.values()], float)
    assert found.honest == pytest.approx(right[:, part].mean())
    assert found.images == (IMAGES, 100)


def test_people_are_resampled_with_all_their_images() -> None:
    """Ten people of 30 equal images are ten observations, not 300."""
    people = tuple(f"S{k // 30:03}" for k in range(IMAGES))
    right = np.isin(np.arange(IMAGES) // 30, [0, 2, 4, 6])
    labels = np.zeros(IMAGES, np.uint8)
    none = Answers("b", labels, np.ones(IMAGES, np.uint8), people)
    some = Answers("a", labels, (~right).astype(np.uint8), people)
    found = price_of(
        compare(Side(("a1", "a2")), Side(("b",))),
        {"a1": {0: {"test": some}}, "a2": {0: {"test": some}}, "b": {0: {"test": none}}},
    )
    assert found.people == 10
    assert found.images == (600, 300)
    # The binomial interval of 4 of 10.
    assert found.low == pytest.approx(0.1, abs=0.051)
    assert found.high == pytest.approx(0.7, abs=0.051)


def test_what_cannot_be_compared_says_why() -> None:
    one = of_seeds(0.5, 0)
    with pytest.raises(NotCompared, match="b: not run yet"):
        price_of(compare(), {"a": one})
    with pytest.raises(NotCompared, match="no seed is finished in all"):
        price_of(compare(), {"a": one, "b": {7: one[0]}})
    with pytest.raises(NotCompared, match=r"a: no answers on test\+flip"):
        price_of(compare(Side(("a",), "test+flip")), {"a": one, "b": one})
    empty = of_seeds(0.5, 0, only={"duplicated": np.zeros(IMAGES, bool)})
    with pytest.raises(NotCompared, match="a: no duplicated images of test"):
        price_of(compare(Side(("a",), only="duplicated")), {"a": empty, "b": empty})


def test_the_table_names_experiments_that_exist() -> None:
    names = [one.name for one in EXPERIMENTS]
    assert len(set(names)) == len(names)
    assert len({one.name for one in COMPARISONS}) == len(COMPARISONS)
    for one in COMPARISONS:
        for side in (one.with_breach, one.honest):
            assert set(side.experiments) <= set(names)
        assert one.meaning.endswith(".")
