"""Metrics against scikit-learn's rules, intervals against closed forms, pairing of comparisons."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ferjax.report.intervals import wilson_interval
from ferjax.report.scores import scores
from ferjax.reproduce.claim_table import Measure
from ferjax.reproduce.judging.estimates import NotMeasured, combination, estimate
from ferjax.reproduce.judging.metrics import METRICS, confusion_of
from ferjax.reproduce.judging.seeds_and_images import half_width_over_seeds, joined
from ferjax.reproduce.run_result import RunResult, half_precision

Make = Callable[..., RunResult]


def test_metrics_are_those_of_reports() -> None:
    random = np.random.default_rng(0)
    matrices = random.integers(0, 30, (4, 5, 5))
    # A class without images, and one that occurs nowhere.
    matrices[1, 2] = 0
    matrices[2, 3], matrices[2, :, 3] = 0, 0
    for k, matrix in enumerate(matrices):
        found = scores(matrix, "abcde")
        expected = {
            "accuracy": found["accuracy"],
            **{f"macro_{name}": value for name, value in found["macro"].items()},
            "weighted_precision": found["weighted"]["precision"],
            "weighted_f1": found["weighted"]["f1"],
        }
        for name, value in expected.items():
            of = METRICS[name].of_confusion
            assert of
            assert of(matrices, 0)[k] == pytest.approx(value, abs=1e-12), name
        for c, row in enumerate(found["per_class"]):
            of = METRICS["recall"].of_confusion
            assert of
            assert of(matrices, c)[k] == pytest.approx(row["recall"], abs=1e-12)
    of = METRICS["predicted_share"].of_confusion
    assert of
    assert of(np.array([[0, 3], [0, 5]]), 1) == 1


def test_accuracy_joins_students_and_wilsons_interval(make_result: Make) -> None:
    runs = [make_result("one", seed, accuracy) for seed, accuracy in enumerate((0.50, 0.52, 0.57))]
    found = estimate({"one": runs}, Measure("one"))
    mean = np.mean(found.by_seed)
    assert found.mean == pytest.approx(mean)
    assert found.by_seed == pytest.approx((0.50, 0.52, 0.57))
    sem = np.std(found.by_seed, ddof=1) / np.sqrt(3)
    student = stats.t.ppf(0.975, 2) * sem
    low, high = wilson_interval(round(mean * 700), 700)
    assert found.low == pytest.approx(mean - np.hypot(mean - low, student))
    assert found.high == pytest.approx(mean + np.hypot(high - mean, student))
    assert (found.seeds, found.images, found.allows_for) == (3, 700, "seeds and images")
    alone = estimate({"one": runs[:1]}, Measure("one"))
    assert alone.allows_for == "images, one seed"
    assert (alone.low, alone.high) == pytest.approx(wilson_interval(350, 700))


def test_welch_and_mover() -> None:
    one, other = [0.5, 0.53, 0.51], [-0.40, -0.47]
    expected = stats.ttest_ind(one, [-x for x in other], equal_var=False).confidence_interval(0.95)
    width = half_width_over_seeds(one, other)
    assert width == pytest.approx((expected.high - expected.low) / 2)
    assert half_width_over_seeds([0.5], [0.3]) is None
    assert joined(0.5, (0.47, 0.54), 0.04) == pytest.approx((0.45, 0.5 + np.hypot(0.04, 0.04)))
    assert joined(0.5, None, None) is None


def test_equal_images_are_resampled_together(make_result: Make) -> None:
    one = [make_result("one", seed) for seed in range(2)]
    # The same errors but for ten images, which the other gets right.
    other = []
    for run in one:
        key = ("test", 4)
        old = run.predictions[key]
        wrong = np.flatnonzero(old.predicted != old.labels)[:10]
        probabilities = np.eye(7, dtype=np.float16)[old.predicted]
        probabilities[wrong] = np.eye(7, dtype=np.float16)[old.labels[wrong]]
        better = replace(old, probabilities=probabilities)
        other.append(replace(run, experiment="other", predictions={key: better}))
    results = {"one": one, "other": other}
    terms = [(1.0, Measure("other")), (-1.0, Measure("one"))]
    found = combination(results, terms)
    assert found.mean == pytest.approx(10 / 700)
    assert found.low is not None
    assert found.low > 0
    # On other images the chance in both does not cancel.
    moved = [replace(run, splits={**run.splits, "test": {**run.splits["test"], "digest": "x"}})
             for run in other]  # fmt: skip
    apart = combination({"one": one, "other": moved}, terms)
    assert apart.low is not None
    assert apart.low < 0 < apart.mean


def test_macro_f1_has_the_bootstraps_interval(make_result: Make) -> None:
    run = make_result("one")
    found = estimate({"one": [run]}, Measure("one", "macro_f1"))
    part, random = run.predictions["test", 4], np.random.default_rng(7)
    of = METRICS["macro_f1"].of_confusion
    assert of
    values = []
    for _ in range(1000):
        rows = random.integers(0, 700, 700)
        values.append(of(confusion_of(part.labels[rows], part.predicted[rows], 7), 0))
    assert found.low == pytest.approx(np.quantile(values, 0.025), abs=0.005)
    assert found.high == pytest.approx(np.quantile(values, 0.975), abs=0.005)


def test_curves(make_result: Make) -> None:
    runs = {"one": [make_result("one", seed) for seed in range(3)]}
    loss = estimate(runs, Measure("one", "curve_loss", "val", "last"))
    assert loss.mean == pytest.approx(0.5 + 0.01)
    assert loss.allows_for == "seeds"
    first = estimate(runs, Measure("one", "curve_accuracy", "val", "phase_1"))
    assert first.mean == pytest.approx(0.25)
    # The accuracy grows to the last of four epochs: its quarter is the last epoch alone.
    for metric in ("curve_best_accuracy", "curve_stable_accuracy"):
        assert estimate(runs, Measure("one", metric, "val", "phase_1")).mean == pytest.approx(0.5)


def test_a_difference_of_accuracies_of_curves_allows_for_the_images(make_result: Make) -> None:
    """Newcombe's interval of a difference of shares, joined with Welch's."""
    results = {
        "one": [make_result("one", seed, 0.60 + 0.01 * seed) for seed in range(2)],
        "other": [make_result("other", seed, 0.50, images=210) for seed in range(2)],
    }
    names = ("one", "other")
    terms = [(sign, Measure(name, "curve_accuracy", "val", "last"))
             for sign, name in zip((1.0, -1.0), names, strict=True)]  # fmt: skip
    found = combination(results, terms)
    shares = [(0.605, 700), (0.5, 210)]
    bounds = [wilson_interval(round(share * n), n) for share, n in shares]
    below = np.hypot(0.605 - bounds[0][0], bounds[1][1] - 0.5)
    over_seeds = half_width_over_seeds([0.60, 0.61], [-0.5, -0.5])
    assert over_seeds is not None
    assert found.low == pytest.approx(0.105 - np.hypot(below, over_seeds), abs=1e-6)
    assert (found.allows_for, found.images) == ("seeds and images", 210)
    losses = [(sign, replace(one, metric="curve_loss")) for sign, one in terms]
    assert combination(results, losses).allows_for == "seeds"


def test_what_cannot_be_measured(make_result: Make) -> None:
    run = make_result("one")
    results = {"one": [run]}
    for measure in (
        Measure("other"),
        Measure("one", split="all"),
        Measure("one", "recall", emotion="contempt"),
        Measure("one", "curve_loss", "test"),
        Measure("one", "accuracy", "train"),
    ):
        with pytest.raises(NotMeasured):
            estimate(results, measure)
    without_test = replace(run, splits={k: v for k, v in run.splits.items() if k != "test"})
    assert estimate({"one": [without_test]}, Measure("one")).split == "val"


def test_half_precision_keeps_the_most_probable_class() -> None:
    random = np.random.default_rng(0)
    probabilities = np.full((2000, 3), 1 / 3) + random.normal(0, 1e-5, (2000, 3))
    halves = half_precision(probabilities, probabilities.argmax(1))
    assert halves.dtype == np.float16
    assert (halves.argmax(1) == probabilities.argmax(1)).all()
    assert (probabilities.astype(np.float16).argmax(1) != probabilities.argmax(1)).any()
    np.testing.assert_allclose(halves, probabilities, atol=1e-3)
