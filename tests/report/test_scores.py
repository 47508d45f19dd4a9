"""Classification scores against scikit-learn and the papers' printed confusion matrices."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ferjax.report.scores import scores

matrices = st.integers(2, 8).flatmap(
    lambda k: arrays(np.int64, (k, k), elements=st.integers(0, 6) | st.just(0))
)


def names(count):
    return [f"class{k}" for k in range(count)]


def images(matrix):
    """Returns (true, predicted) labels, one pair per image of the matrix."""
    return np.argwhere(np.ones_like(matrix)).repeat(matrix.ravel(), axis=0).T


def parse(text):
    """Returns one of P1's printed matrices (rows = predicted) transposed to rows = true."""
    return np.array([[int(cell) for cell in row.split()] for row in text.split("/")]).T


@settings(max_examples=25)
@given(matrices.filter(np.any))
def test_scores_equal_scikit_learn(matrix):
    from sklearn import metrics  # takes seconds, and other tests need not wait for it

    true, predicted = images(matrix)
    labels = list(range(len(matrix)))
    result = scores(matrix, names(len(matrix)))
    assert (metrics.confusion_matrix(true, predicted, labels=labels) == matrix).all()
    assert result["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    support = metrics.precision_recall_fscore_support
    per_class = support(true, predicted, labels=labels, zero_division=0)
    for rate, expected in zip(("precision", "recall", "f1", "support"), per_class, strict=True):
        assert [row[rate] for row in result["per_class"]] == pytest.approx(expected.tolist())
    for average in ("macro", "weighted"):
        # Without `labels`: over the classes that occur in truth or prediction.
        expected = support(true, predicted, average=average, zero_division=0)
        assert tuple(result[average].values()) == pytest.approx(expected[:3])


@settings(max_examples=40)
@given(matrices.filter(np.any))
# scikit-learn warns of predicted classes that never occur.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_mean_class_accuracy_equals_scikit_learn(matrix):
    from sklearn import metrics

    result = scores(matrix, names(len(matrix)))["mean_class_accuracy"]
    assert result == pytest.approx(metrics.balanced_accuracy_score(*images(matrix)))


def test_no_image_scores_zero():
    result = scores(np.zeros((2, 2), int), names(2))
    assert result["accuracy"] == result["mean_class_accuracy"] == result["weighted"]["f1"] == 0


@settings(max_examples=40)
@given(matrices)
def test_scores_are_json_and_finite(matrix):
    result = scores(matrix, names(len(matrix)))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["count"] == matrix.sum()
    assert result["confusion"] == matrix.tolist()


def test_kumari_ck_plus():
    classes = ["anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]
    matrix = parse(
        "38 0 0 0 0 0 0 / 0 14 0 0 0 1 1 / 0 0 53 0 0 0 0 / 0 0 0 21 0 0 0 / "
        "1 2 0 0 62 0 0 / 1 0 0 0 0 24 0 / 0 0 0 1 0 0 74"
    )
    result = scores(matrix, classes)
    recall = {row["class"]: round(100 * row["recall"], 1) for row in result["per_class"]}
    assert list(recall.values()) == [95.0, 87.5, 100, 95.5, 100, 96.0, 98.7]
    assert list(recall) == classes
    assert round(100 * result["accuracy"], 1) == 97.6
    assert result["count"] == 293


def test_kumari_fer2013():
    matrix = parse(
        "921 85 411 133 165 302 168 / 21 109 5 1 2 5 0 / 77 13 509 32 66 162 84 / "
        "57 6 69 2840 187 96 82 / 262 11 257 156 1528 542 67 / 170 25 415 73 262 1099 19 / "
        "18 1 200 56 19 16 1105"
    )
    result = scores(matrix, names(7))
    recall = [round(100 * row["recall"], 1) for row in result["per_class"]]
    assert recall == [60.4, 43.6, 27.3, 86.3, 68.6, 49.5, 72.5]
    assert round(100 * result["accuracy"], 1) == 62.8
    assert result["count"] == 12909


def test_a_class_that_never_occurs_counts_nowhere():
    result = scores(np.array([[4, 0, 0], [0, 4, 0], [0, 0, 0]]), names(3))
    assert result["mean_class_accuracy"] == 1
    assert set(result["macro"].values()) == {1.0}
    assert result["weighted"]["recall"] == 1


def test_a_class_that_is_only_predicted_counts_in_macro_but_not_in_mean_class_accuracy():
    from sklearn import metrics

    matrix = np.array([[3, 0, 1], [0, 4, 0], [0, 0, 0]])
    result, pairs = scores(matrix, names(3)), images(matrix)
    assert result["mean_class_accuracy"] == pytest.approx((3 / 4 + 1) / 2)
    assert result["macro"]["f1"] == pytest.approx(metrics.f1_score(*pairs, average="macro"))
    assert result["macro"]["f1"] == pytest.approx((6 / 7 + 1 + 0) / 3)


@pytest.mark.parametrize("shape", [(2, 3), (3, 3), (4,), (0, 0)])
def test_a_matrix_of_the_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"2 classes must be \[K, K\]"):
        scores(np.zeros(shape, int), names(2))
