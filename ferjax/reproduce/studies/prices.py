"""The price of a breach: a difference of accuracies over the seeds, with its interval.

The images are resampled by the bootstrap, the same ones for all seeds and for both sides of a
comparison, so that what is hard for both cancels; where people are known, people are resampled with
all their images. The spread between seeds is Student's. Both are joined as in the reports of papers
(`ferjax.reproduce.judging.seeds_and_images`). Beside it stands the hierarchical bootstrap, which
resamples seeds too: with three seeds it shows too little of their spread.
"""

import functools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.reproduce.judging.seeds_and_images import half_width_over_seeds, joined
from ferjax.reproduce.studies.answers import AllAnswers, Answers
from ferjax.reproduce.studies.protocol_table import Comparison, Side

DRAWS = 1000


class NotCompared(Exception):
    """A comparison cannot be made; the text says why."""


@dataclass(frozen=True)
class Price:
    """A difference of accuracies, in [-1, 1].

    Attributes:
      comparison: what was compared.
      mean: over the seeds.
      low: lower bound of the 95 % interval.
      high: upper bound.
      bootstrap: bounds of the hierarchical bootstrap.
      by_seed: the difference of each seed.
      with_breach: mean accuracy of the side with the breach.
      honest: mean accuracy of the other side.
      images: number of images of each side.
      people: number of people that were resampled, 0 where images were.
    """

    comparison: Comparison
    mean: float
    low: float
    high: float
    bootstrap: tuple[float, float]
    by_seed: tuple[float, ...]
    with_breach: float
    honest: float
    images: tuple[int, int]
    people: int


@dataclass(frozen=True)
class _Counted:
    """Right answers and images of one side and seed, by what is resampled.

    Attributes:
      right: resampled whole (people, or a split) → float32 [U], right answers of each unit.
      images: the same, numbers of images.
    """

    right: dict[str, np.ndarray]
    images: dict[str, np.ndarray]


def price_of(comparison: Comparison, answers: AllAnswers) -> Price:
    """Returns the price of a breach.

    Raises:
      NotCompared: a run is missing, or a side has no images.
    """
    sides = (comparison.with_breach, comparison.honest)
    seeds = _shared_seeds(sides, answers)
    people = _people(sides, seeds, answers)
    counted = [[_count(side, seed, answers, people) for seed in seeds] for side in sides]
    rates = np.array([[_rate(one) for one in side] for side in counted])
    drawn = np.array([[_resampled(one) for one in side] for side in counted])
    by_seed, over_images = rates[0] - rates[1], drawn[0] - drawn[1]
    mean, whole = float(by_seed.mean()), over_images.mean(0)
    low, high = np.quantile(whole, [0.025, 0.975])
    bounds = joined(mean, (float(low), float(high)), half_width_over_seeds(by_seed.tolist()))
    assert bounds
    return Price(
        comparison,
        mean,
        *bounds,
        _hierarchical(over_images),
        tuple(by_seed.tolist()),
        float(rates[0].mean()),
        float(rates[1].mean()),
        (_images(counted[0][0]), _images(counted[1][0])),
        len(people),
    )


def prices_of(
    comparisons: Sequence[Comparison], answers: AllAnswers, missing: Mapping[str, str]
) -> tuple[list[Price], dict[str, str]]:
    """Returns the prices, and name of each other comparison → why it could not be made.

    Args:
      comparisons: in the order of the report.
      answers: of the runs that are finished.
      missing: experiment → why it has no run.
    """
    prices, not_compared = [], {}
    for one in comparisons:
        names = (*one.with_breach.experiments, *one.honest.experiments)
        try:
            prices.append(price_of(one, answers))
        except NotCompared as error:
            lacking = next((missing[name] for name in names if name in missing), None)
            not_compared[one.name] = lacking or str(error)
    return prices, not_compared


def _shared_seeds(sides: Sequence[Side], answers: AllAnswers) -> list[int]:
    """Returns the seeds with which all experiments of both sides are finished."""
    names = [name for side in sides for name in side.experiments]
    for name in names:
        if not answers.get(name):
            raise NotCompared(f"{name}: not run yet")
    shared = set.intersection(*(set(answers[name]) for name in names))
    if not shared:
        raise NotCompared(f"{', '.join(names)}: no seed is finished in all of them")
    return sorted(shared)


def _people(sides: Sequence[Side], seeds: Sequence[int], answers: AllAnswers) -> tuple[str, ...]:
    """Returns the people of the images of both sides; none where they are not known."""
    named: set[str] = set()
    for side in sides:
        for name in side.experiments:
            found = _of(answers, name, seeds[0], side.images)
            if not found.people:
                return ()
            named |= set(found.people)
    return tuple(sorted(named))


def _of(answers: AllAnswers, experiment: str, seed: int, images: str) -> Answers:
    found = answers[experiment][seed].get(images)
    if found is None:
        raise NotCompared(f"{experiment}: no answers on {images}")
    return found


def _count(side: Side, seed: int, answers: AllAnswers, people: tuple[str, ...]) -> _Counted:
    """Returns the right answers and the images of one side and seed."""
    right: dict[str, np.ndarray] = {}
    images: dict[str, np.ndarray] = {}
    for name in side.experiments:
        found = _of(answers, name, seed, side.images)
        counts = np.ones(len(found.labels), bool)
        if side.only:
            if side.only not in found.only:
                raise NotCompared(f"{name}: {side.only} images of {side.images} are not known")
            counts = found.only[side.only]
        units = np.arange(len(counts))
        whole, size = found.digest, len(counts)
        if people:
            units = np.searchsorted(people, found.people)
            whole, size = "people", len(people)
        none = np.zeros(size, np.float32)
        weights = counts.astype(np.float32)
        hits = np.bincount(units, weights * found.correct, size).astype(np.float32)
        right[whole] = right.get(whole, none) + hits
        shown = np.bincount(units, weights, size).astype(np.float32)
        images[whole] = images.get(whole, none) + shown
    counted = _Counted(right, images)
    if not _images(counted):
        raise NotCompared(f"{', '.join(side.experiments)}: no {side.only} images of {side.images}")
    return counted


def _images(one: _Counted) -> int:
    return int(sum(part.sum() for part in one.images.values()))


def _rate(one: _Counted) -> float:
    return float(sum(part.sum() for part in one.right.values())) / _images(one)


def _resampled(one: _Counted) -> np.ndarray:
    """Returns float [DRAWS]: the accuracy of each resample."""
    right, images = np.zeros(DRAWS), np.zeros(DRAWS)
    for whole, hits in one.right.items():
        times = _times_drawn(whole, len(hits))
        right += times @ hits
        images += times @ one.images[whole]
    # A part with few images may be missing from a resample, which then says nothing.
    return np.where(images > 0, right / np.maximum(images, 1), _rate(one))


@functools.lru_cache(maxsize=4)
def _times_drawn(whole: str, units: int) -> np.ndarray:
    """Returns float32 [DRAWS, units]: how often each resample holds each unit.

    Wholes of other names are resampled independently of each other.
    """
    random = np.random.default_rng(zlib.crc32(whole.encode()))
    rows = (random.integers(0, units, units) for _ in range(DRAWS))
    return np.array([np.bincount(row, minlength=units) for row in rows], np.float32)


def _hierarchical(over_images: np.ndarray) -> tuple[float, float]:
    """Returns bounds from resampled seeds of resampled images; float [S, DRAWS] differences."""
    seeds, draws = over_images.shape
    chosen = np.random.default_rng(0).integers(0, seeds, (draws, seeds))
    means = over_images[chosen, np.arange(draws)[:, None]].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
