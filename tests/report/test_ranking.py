"""ROC, precision and recall against scikit-learn: random, tied and degenerate scores."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ferjax.report.ranking import (
    average_precision,
    precision_recall_curve,
    ranking_by_class,
    roc_curve,
)

pairs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.9]) | st.floats(0, 1), st.booleans()),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_curves_and_areas_equal_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    from sklearn import metrics  # takes seconds, and other tests need not wait for it

    scores, positive = np.array([s for s, _ in rows]), np.array([p for _, p in rows])
    if not positive.any():
        assert average_precision(scores, positive) is None
        assert precision_recall_curve(scores, positive) is None
        assert roc_curve(scores, positive) is None
        return
    found = average_precision(scores, positive)
    assert found == pytest.approx(metrics.average_precision_score(positive, scores))
    curve = precision_recall_curve(scores, positive)
    assert curve is not None
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    # Theirs descends and begins with the point (0, 1).
    np.testing.assert_allclose(curve[0], recall[:-1][::-1])
    np.testing.assert_allclose(curve[1], precision[:-1][::-1])
    if positive.all():
        assert roc_curve(scores, positive) is None
        return
    roc = roc_curve(scores, positive)
    assert roc is not None
    false_rate, true_rate, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(roc[0], false_rate)
    np.testing.assert_allclose(roc[1], true_rate)
    both = np.stack([1 - scores, scores], axis=1)
    area = ranking_by_class(both, positive.astype(int), ["no", "yes"])[1]["roc_auc"]
    assert area == pytest.approx(metrics.auc(false_rate, true_rate), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(arrays(np.float64, (12, 3), elements=st.floats(0, 1)), st.integers(0, 2))
def test_every_class_has_a_row(probabilities: np.ndarray, only: int) -> None:
    from sklearn import metrics

    labels = np.arange(12) % 2
    rows = ranking_by_class(probabilities, labels, ["anger", "fear", "happiness"])
    assert [row["class"] for row in rows] == ["anger", "fear", "happiness"]
    assert rows[2] == {"class": "happiness", "roc_auc": None, "average_precision": None}
    for k in (0, 1):
        expected = metrics.roc_auc_score(labels == k, probabilities[:, k])
        assert rows[k]["roc_auc"] == pytest.approx(expected)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    alone = ranking_by_class(probabilities, np.full(12, only), ["anger", "fear", "happiness"])
    assert alone[only]["roc_auc"] is None
    assert alone[only]["average_precision"] == pytest.approx(1)


def test_no_images_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert average_precision(np.zeros(0), np.zeros(0, bool)) is None
        assert roc_curve(np.zeros(0), np.zeros(0, bool)) is None
