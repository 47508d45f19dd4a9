"""Intervals of the headline scores: SciPy's bootstrap, coverage of known populations, order."""

import numpy as np
import pytest

from ferjax.report import headline
from ferjax.report import headline_intervals as headline_intervals_module
from ferjax.report.calibration import softmax
from ferjax.report.headline import HEADLINE, headline_scores
from ferjax.report.headline_intervals import headline_intervals, resamples
from ferjax.report.intervals import wilson_interval

CLASSES = ("anger", "fear", "happiness", "neutral")


def drawn(count: int, seed: int = 0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities, calibrated for a scale of 1, and labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, len(CLASSES)))
    labels = (random.random((count, 1)) < softmax(logits).cumsum(1)).argmax(1)
    return softmax(scale * logits), labels


def test_resamples_draw_as_many_images_as_there_are() -> None:
    parts = list(resamples(2_000_000, 3, seed=1))
    assert [part.shape for part in parts] == [(2_000_000, 2), (2_000_000, 1)]
    (weights,) = resamples(50, 4000, seed=1)
    assert (weights.sum(0) == 50).all()
    # Each image is drawn Binomial(50, 1/50) times.
    np.testing.assert_allclose(weights.mean(1), 1, atol=0.08)
    np.testing.assert_allclose(weights.var(1), 0.98, atol=0.15)
    assert not (weights[:, 0] == weights[:, 1]).all()


@pytest.mark.parametrize(
    "name", ["balanced_accuracy", "macro_f1", "cohen_kappa", "roc_auc", "brier_score"]
)
def test_intervals_are_scipys_percentiles(name: str) -> None:
    from scipy.stats import bootstrap

    probabilities, labels = drawn(200)

    def score(rows: np.ndarray) -> float:
        value = headline_scores(probabilities[rows], labels[rows], CLASSES)[name]
        assert value is not None
        return value

    theirs = bootstrap(
        (np.arange(200),), score, n_resamples=400, vectorized=False, method="percentile", rng=1
    ).confidence_interval
    ours = headline_intervals(probabilities, labels, CLASSES, draws=4000)[name]
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.12 * width)


def test_more_chunks_of_resamples_change_nothing_and_sort_no_image_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A million images are drawn four times at once: 250 chunks, which would be 250 sorts."""
    probabilities, labels = drawn(200)
    whole = headline_intervals(probabilities, labels, CLASSES, draws=50)
    sorts: list[int] = []

    def counted(scores: np.ndarray, positive: np.ndarray) -> headline.Ranking:
        sorts.append(len(scores))
        return ranked(scores, positive)

    ranked = headline.ranked
    monkeypatch.setattr(headline, "ranked", counted)
    monkeypatch.setattr(headline_intervals_module, "_COUNTS", 400)
    found = headline_intervals(probabilities, labels, CLASSES, draws=50)
    assert sorts == [200] * len(CLASSES)
    assert set(found) == set(whole)
    for name, bounds in whole.items():
        assert found[name] == pytest.approx(bounds, rel=1e-5), name


def test_shares_have_wilsons_interval() -> None:
    probabilities, labels = drawn(300)
    found = headline_intervals(probabilities, labels, CLASSES, draws=2)
    hits = int((probabilities.argmax(1) == labels).sum())
    assert found["accuracy"] == wilson_interval(hits, 300)
    top2 = headline_scores(probabilities, labels, CLASSES)["top2_accuracy"]
    assert top2 is not None
    assert found["top2_accuracy"] == wilson_interval(round(300 * top2), 300)


@pytest.mark.parametrize(("scale", "error"), [(1.0, 0.0), (2.0, 0.141)])
def test_the_calibration_errors_interval_covers_the_populations_error(
    scale: float, error: float
) -> None:
    if error:
        many = drawn(200_000, 1, scale)
        known = headline_scores(*many, CLASSES)["expected_calibration_error"]
        assert known == pytest.approx(error, abs=0.003)
    covered = 0
    for seed in range(40):
        found = headline_intervals(*drawn(400, seed, scale), CLASSES, draws=100, seed=seed)
        interval = found["expected_calibration_error"]
        assert interval is not None
        covered += interval[0] <= error <= interval[1]
    assert covered >= 34


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_images_and_missing_classes(count: int) -> None:
    probabilities = softmax(np.random.default_rng(count).normal(0, 1, (count, 4)))
    for labels in (np.zeros(count, int), np.arange(count) % 2):
        own = headline_scores(probabilities, labels, CLASSES)
        found = headline_intervals(probabilities, labels, CLASSES, draws=50)
        assert list(found) == list(HEADLINE)
        for name, interval in found.items():
            value = own[name]
            assert (interval is None) == (value is None)
            if interval is not None and value is not None:
                assert interval[0] - 1e-12 <= value <= interval[1] + 1e-12, name


def test_one_seed_gives_one_result() -> None:
    images = drawn(120)
    first = headline_intervals(*images, CLASSES, draws=100)
    assert first == headline_intervals(*images, CLASSES, draws=100)
    assert first != headline_intervals(*images, CLASSES, draws=100, seed=1)


def test_a_higher_level_is_wider() -> None:
    images = drawn(120)
    narrow = headline_intervals(*images, CLASSES, level=0.5, draws=200)
    for name, wide in headline_intervals(*images, CLASSES, level=0.99, draws=200).items():
        inner = narrow[name]
        assert inner is not None
        assert wide is not None
        assert wide[0] <= inner[0] <= inner[1] <= wide[1]
    with pytest.raises(ValueError, match="level of confidence"):
        headline_intervals(*images, CLASSES, level=1)
