"""Estimates: a metric's mean over seeds, or a difference of such means, with its interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from ferjax.report.intervals import wilson_interval
from ferjax.reproduce.claim_table import Measure
from ferjax.reproduce.judging.metrics import METRICS
from ferjax.reproduce.judging.resamples import DRAWS, resampled_confusions
from ferjax.reproduce.judging.seeds_and_images import half_width_over_seeds, joined
from ferjax.reproduce.run_result import Predictions, RunResult

Results = Mapping[str, Sequence[RunResult]]


class NotMeasured(Exception):
    """A measure cannot be taken; the text says why."""


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty.

    Attributes:
      mean: mean over the seeds.
      low: lower bound of the 95 % interval; None if its uncertainty is not known.
      high: upper bound.
      by_seed: the value of each run.
      images: number of images from which each value was computed, 0 if it was computed from none.
      allows_for: sources of uncertainty that the interval allows for, in words.
      seeds: number of runs of which it is the mean; for a combination the smallest among its terms.
      draws: whether another seed would give another value.
      split: the split that was used.
    """

    mean: float
    low: float | None
    high: float | None
    by_seed: tuple[float, ...]
    images: int
    allows_for: str
    seeds: int
    draws: bool
    split: str


def estimate(results: Results, measure: Measure) -> Estimate:
    """Returns the value of a measure.

    A share of images has Wilson's interval over images, as if all seeds made errors on the same
    images. Any other metric of predictions has the interval of the bootstrap, which draws the same
    images for all seeds.

    Args:
      results: experiment → its finished runs.
      measure: what to compute. If its split is `test` and the data lack it, `val` is used.

    Raises:
      NotMeasured: no run of the experiment is finished, or it has no such split or class.
    """
    runs, split = runs_of(results, measure)
    metric = METRICS[measure.metric]
    over_images = None
    if metric.of_confusion:
        values = resampled(runs, measure, split, draws=0 if metric.share_of else DRAWS)
        by_seed = values[:, 0]
        if not metric.share_of:
            low, high = np.quantile(values[:, 1:].mean(0), [0.025, 0.975])
            over_images = float(low), float(high)
    else:
        by_seed = _curve_values(runs, measure, split)
    mean, images = float(by_seed.mean()), _images_of(runs, measure, split)
    if metric.share_of:
        over_images = _wilson(mean, images)
    return _with_interval(mean, over_images, [by_seed.tolist()], images, [runs], split)


def combination(results: Results, terms: Sequence[tuple[float, Measure]]) -> Estimate:
    """Returns a sum of measures, each with a factor: a difference, or a slope.

    Measures on equal images are resampled together, so that images that are hard for all of them
    cancel out. For shares that are read off curves the single images are not known: Wilson's
    intervals of the terms are joined by MOVER as if their images were different, which is too wide
    where they are the same.

    Args:
      results: experiment → its finished runs.
      terms: factor and measure of each term; all terms have the same metric.

    Raises:
      NotMeasured: as `estimate`.
    """
    measured = [(factor, measure, *runs_of(results, measure)) for factor, measure in terms]
    metric = METRICS[terms[0][1].metric]
    groups, resamples, same_images = [], [], True
    below = above = 0.0
    _, _, first_runs, first_split = measured[0]
    for factor, measure, runs, split in measured:
        if metric.of_confusion:
            values = resampled(runs, measure, split)
            resamples.append(factor * values[:, 1:].mean(0))
            by_seed = values[:, 0]
        else:
            by_seed = _curve_values(runs, measure, split)
            if metric.share_of:
                value = float(by_seed.mean())
                bounds = _wilson(value, _images_of(runs, measure, split))
                low, high = sorted(factor * (bound - value) for bound in bounds)
                below, above = math.hypot(below, low), math.hypot(above, high)
        groups.append((factor * by_seed).tolist())
        same_images &= _digest(runs, split) == _digest(first_runs, first_split)
    mean = sum(fmean(group) for group in groups)
    over_images = None
    if resamples:
        # Resamples of different images are independent of each other.
        if not same_images:
            random = np.random.default_rng(1)
            resamples = [random.permutation(values) for values in resamples]
        low, high = np.quantile(np.sum(resamples, 0), [0.025, 0.975])
        over_images = float(low), float(high)
    elif metric.share_of:
        over_images = mean - below, mean + above
    images = min(_images_of(runs, measure, split) for _, measure, runs, split in measured)
    runs_by_term = [runs for _, _, runs, _ in measured]
    return _with_interval(mean, over_images, groups, images, runs_by_term, first_split)


def runs_of(results: Results, measure: Measure) -> tuple[Sequence[RunResult], str]:
    """Returns the finished runs of a measure's experiment, and the split that is used.

    Raises:
      NotMeasured: no run is finished, or the runs lack the split.
    """
    runs = results.get(measure.experiment, ())
    if not runs:
        raise NotMeasured(f"{measure.experiment}: not run yet")
    split = measure.split
    if split == "test" and "test" not in runs[0].splits and "val" in runs[0].splits:
        split = "val"
    if split not in runs[0].splits:
        raise NotMeasured(f"{measure.experiment}: its data have no {split} split")
    return runs, split


def resampled(
    runs: Sequence[RunResult], measure: Measure, split: str, draws: int = DRAWS
) -> np.ndarray:
    """Returns float64 [S, 1 + draws]: a metric's value for each run, then for each resample.

    The same resamples are drawn for all splits with the same number of images.

    Raises:
      NotMeasured: no predictions on this split are stored, or the runs lack the class.
    """
    metric = METRICS[measure.metric]
    assert metric.of_confusion
    values = []
    for run in runs:
        predictions, class_index = _predictions(run, measure, split), 0
        if metric.of_class:
            if measure.emotion not in run.classes:
                raise NotMeasured(f"{measure.experiment}: {measure.emotion} is none of its classes")
            class_index = run.classes.index(measure.emotion)
            if metric.share_of == "true" and not (predictions.labels == class_index).any():
                raise NotMeasured(f"{measure.experiment}: {split} shows no {measure.emotion}")
        confusions = resampled_confusions(predictions, len(run.classes), draws)
        values.append(metric.of_confusion(confusions, class_index))
    return np.array(values)


def _predictions(run: RunResult, measure: Measure, split: str) -> Predictions:
    epoch = run.epochs.get(measure.epoch)
    predictions = run.predictions.get((split, epoch)) if epoch is not None else None
    if predictions is None:
        raise NotMeasured(
            f"{measure.experiment}: no predictions on {split} for the {measure.epoch} epoch"
        )
    return predictions


def _curve_values(runs: Sequence[RunResult], measure: Measure, split: str) -> np.ndarray:
    """Returns float64 [S]: the value of a metric of curves for each run."""
    of_curve = METRICS[measure.metric].of_curve
    assert of_curve
    values = []
    for run in runs:
        lines = sorted(
            (line for line in run.curves if line["split"] == split),
            key=lambda line: line["epoch"],
        )
        epoch = run.epochs.get(measure.epoch)
        if epoch is None or not any(line["epoch"] == epoch for line in lines):
            raise NotMeasured(f"{measure.experiment}: {split} has no curve at {measure.epoch}")
        values.append(of_curve(lines, epoch))
    return np.array(values)


def _wilson(mean: float, images: int) -> tuple[float, float]:
    """Returns Wilson's interval of a share of images."""
    return wilson_interval(min(round(mean * images), images), images)


def _images_of(runs: Sequence[RunResult], measure: Measure, split: str) -> int:
    """Returns the number of images of which a metric is a share, or from which it was computed."""
    metric, run = METRICS[measure.metric], runs[0]
    if metric.share_of == "true":
        return int(run.splits[split]["classes"][measure.emotion])
    return int(run.splits[split]["images"])


def _with_interval(
    mean: float,
    over_images: tuple[float, float] | None,
    groups: Sequence[Sequence[float]],
    images: int,
    runs_by_term: Sequence[Sequence[RunResult]],
    split: str,
) -> Estimate:
    """Returns an estimate from the values of each experiment's runs, multiplied by its factor."""
    over_seeds = half_width_over_seeds(*groups)
    random_run_counts = [len(group) for group in runs_by_term if any(run.draws for run in group)]
    seeds = min(random_run_counts or map(len, groups))
    sources = ["seeds"] * (over_seeds is not None) + ["images"] * (over_images is not None)
    allows_for = " and ".join(sources) or "nothing"
    if random_run_counts and seeds < 2:
        allows_for += ", one seed"
    interval = joined(mean, over_images, over_seeds)
    low, high = interval or (None, None)
    by_seed = tuple(groups[0]) if len(groups) == 1 else ()
    return Estimate(
        mean, low, high, by_seed, images, allows_for, seeds, bool(random_run_counts), split
    )


def _digest(runs: Sequence[RunResult], split: str) -> str:
    return str(runs[0].splits[split]["digest"])
