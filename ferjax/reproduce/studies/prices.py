"""The price of a breach: a difference of accuracies over the seeds, with its interval.

The images are resampled by the bootstrap: the same images for all seeds and for both sides of a
comparison, so that images that are hard for both sides cancel out. Where people are known, people
are resampled with all their images. The spread between seeds is Student's. Both are joined as in
the reports of papers (`ferjax.reproduce.judging.seeds_and_images`). The hierarchical bootstrap,
which resamples seeds too, is given beside it: with three seeds it shows too little of their spread.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.reproduce.judging.resamples import DRAWS, times_drawn
from ferjax.reproduce.judging.seeds_and_images import half_width_over_seeds, joined
from ferjax.reproduce.studies.answers import AllAnswers, Answers
from ferjax.reproduce.studies.protocol_table import Comparison, Side


class NotCompared(Exception):
    """A comparison cannot be made; the text says why."""


@dataclass(frozen=True)
class Price:
    """A difference of accuracies, in [-1, 1].

    Attributes:
      comparison: the comparison that gives it.
      mean: mean over the seeds.
      low: lower bound of the 95 % interval.
      high: upper bound.
      bootstrap: bounds of the hierarchical bootstrap.
      by_seed: the difference of each seed.
      with_breach: mean accuracy of the side with the breach.
      honest: mean accuracy of the other side.
      images: number of images of each side.
      people: number of people that were resampled; 0: images were resampled.
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
    """Right answers and images of one side and seed.

    A population is what is resampled: `people`, or the digest of a split. Its units are the single
    people, or the single images.

    Attributes:
      right: population → float32 [U], number of right answers of each unit.
      images: population → float32 [U], number of images of each unit.
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
    resampled = np.array([[_resampled(one) for one in side] for side in counted])
    by_seed, over_images = rates[0] - rates[1], resampled[0] - resampled[1]
    mean, resampled_means = float(by_seed.mean()), over_images.mean(0)
    low, high = np.quantile(resampled_means, [0.025, 0.975])
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
        (_image_count(counted[0][0]), _image_count(counted[1][0])),
        len(people),
    )


def prices_of(
    comparisons: Sequence[Comparison], answers: AllAnswers, missing: Mapping[str, str]
) -> tuple[list[Price], dict[str, str]]:
    """Returns the prices, and for the other comparisons name → why it could not be made.

    Args:
      comparisons: in the order of the report.
      answers: the answers of the finished runs.
      missing: experiment → why it has no run.
    """
    prices, not_compared = [], {}
    for comparison in comparisons:
        names = (*comparison.with_breach.experiments, *comparison.honest.experiments)
        try:
            prices.append(price_of(comparison, answers))
        except NotCompared as error:
            without = [name for name in names if not answers.get(name)]
            reason = next((missing[name] for name in without if name in missing), None)
            not_compared[comparison.name] = reason or str(error)
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
    """Returns the people in the images of both sides; an empty tuple if they are not known."""
    people: set[str] = set()
    for side in sides:
        for name in side.experiments:
            side_answers = _answers_of(answers, name, seeds[0], side.images)
            if not side_answers.people:
                return ()
            people |= set(side_answers.people)
    return tuple(sorted(people))


def _answers_of(answers: AllAnswers, experiment: str, seed: int, images: str) -> Answers:
    """Returns the answers of a run to a set of images; raises `NotCompared` if there are none."""
    run_answers = answers[experiment][seed].get(images)
    if run_answers is None:
        raise NotCompared(f"{experiment}: no answers on {images}")
    return run_answers


def _count(side: Side, seed: int, answers: AllAnswers, people: tuple[str, ...]) -> _Counted:
    """Returns the right answers and the images of one side and seed."""
    right: dict[str, np.ndarray] = {}
    images: dict[str, np.ndarray] = {}
    for name in side.experiments:
        run_answers = _answers_of(answers, name, seed, side.images)
        is_counted = np.ones(len(run_answers.labels), bool)
        if side.only:
            if side.only not in run_answers.only:
                raise NotCompared(f"{name}: {side.only} images of {side.images} are not known")
            is_counted = run_answers.only[side.only]
        units = np.arange(len(is_counted))
        population, size = run_answers.digest, len(is_counted)
        if people:
            units = np.searchsorted(people, run_answers.people)
            population, size = "people", len(people)
        zeros = np.zeros(size, np.float32)
        weights = is_counted.astype(np.float32)
        hits = np.bincount(units, weights * run_answers.correct, size).astype(np.float32)
        right[population] = right.get(population, zeros) + hits
        unit_images = np.bincount(units, weights, size).astype(np.float32)
        images[population] = images.get(population, zeros) + unit_images
    counted = _Counted(right, images)
    if not _image_count(counted):
        raise NotCompared(f"{', '.join(side.experiments)}: no {side.only} images of {side.images}")
    return counted


def _image_count(counted: _Counted) -> int:
    """Returns the number of images."""
    return int(sum(part.sum() for part in counted.images.values()))


def _rate(counted: _Counted) -> float:
    """Returns the accuracy."""
    return float(sum(part.sum() for part in counted.right.values())) / _image_count(counted)


def _resampled(counted: _Counted) -> np.ndarray:
    """Returns float [DRAWS]: the accuracy of each resample."""
    right, images = np.zeros(DRAWS), np.zeros(DRAWS)
    for population, hits in counted.right.items():
        # Populations with different names are resampled independently of each other.
        counts = times_drawn(len(hits), zlib.crc32(population.encode()))
        right += counts @ hits
        images += counts @ counted.images[population]
    # A resample may hold no image of a small part. It then gets the accuracy of the part itself.
    return np.where(images > 0, right / np.maximum(images, 1), _rate(counted))


def _hierarchical(over_images: np.ndarray) -> tuple[float, float]:
    """Returns bounds of float [S, DRAWS], differences on resampled images; resamples seeds too."""
    seeds, draws = over_images.shape
    chosen = np.random.default_rng(0).integers(0, seeds, (draws, seeds))
    means = over_images[chosen, np.arange(draws)[:, None]].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
