"""Metrics against scikit-learn and hand numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, recall_score

from ferjax.errors import UserError
from ferjax.training.metrics import evaluation, recall_by_class, restrict_classes


def example(count: int = 200, classes: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((count, classes), np.float32)
    return logits, rng.integers(0, classes, count).astype(np.int32)


@pytest.mark.parametrize(
    ("label", "words"), [(-1, "between -1 and"), (7, "and 7: expected 0 to 6")]
)
def test_a_label_outside_the_columns_is_refused(label: int, words: str) -> None:
    logits, labels = example()
    labels[3] = label
    with pytest.raises(UserError, match=words):
        evaluation(logits, labels)


@given(st.integers(1, 60), st.integers(2, 8), st.integers(0, 1000))
def test_evaluation_is_sklearns(count: int, classes: int, seed: int) -> None:
    logits, labels = example(count, classes, seed)
    result = evaluation(logits, labels)
    assert result.probabilities.dtype == np.float64
    np.testing.assert_allclose(result.probabilities.sum(1), 1, rtol=1e-12)
    every = list(range(classes))
    expected = log_loss(labels, result.probabilities, labels=every)
    np.testing.assert_allclose(result.loss, expected, rtol=1e-9)
    assert result.accuracy == accuracy_score(labels, logits.argmax(1))
    np.testing.assert_array_equal(
        result.confusion, confusion_matrix(labels, logits.argmax(1), labels=every)
    )


@pytest.mark.parity
def test_evaluation_is_torchs_cross_entropy() -> None:
    torch = pytest.importorskip("torch")
    logits, labels = example()
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits).double(), torch.tensor(labels).long()
    )
    np.testing.assert_allclose(evaluation(logits, labels).loss, float(theirs), rtol=1e-12)


def test_large_logits_stay_finite_and_ties_go_to_the_first() -> None:
    result = evaluation(np.array([[1e4, -1e4], [5.0, 5.0]]), np.array([1, 1]))
    np.testing.assert_allclose(result.loss, (2e4 + np.log(2)) / 2)
    assert result.predicted.tolist() == [0, 0]
    assert result.confusion.tolist() == [[0, 0], [2, 0]]


def test_restricted_classes_renormalise_and_leave_strangers_out() -> None:
    model_classes = ("anger", "fear", "happiness", "neutral")
    classes = ("anger", "happiness", "neutral", "contempt")
    logits, _ = example(40, 4)
    labels = np.arange(40) % 4
    found, translated, kept, shared = restrict_classes(logits, labels, model_classes, classes)
    assert shared == ("anger", "happiness", "neutral")
    np.testing.assert_array_equal(kept, labels != 3)
    assert [shared[i] for i in translated] == [classes[i] for i in labels[kept]]

    full = evaluation(logits[kept], np.zeros(30, int)).probabilities[:, [0, 2, 3]]
    renormalised = full / full.sum(1, keepdims=True)
    restricted = evaluation(found, translated)
    np.testing.assert_allclose(restricted.probabilities, renormalised, rtol=1e-12)


def test_one_shared_class_is_scored_among_all_of_the_network() -> None:
    """Alone its probability would be 1 for every image."""
    model_classes = ("anger", "fear", "happiness")
    logits, _ = example(6, 3)
    labels = np.array([0, 0, 1, 0, 0, 1])
    found, translated, kept, scored = restrict_classes(
        logits, labels, model_classes, ("fear", "tired")
    )
    assert scored == model_classes
    np.testing.assert_array_equal(kept, labels == 0)
    np.testing.assert_array_equal(found, logits[kept])
    assert translated.tolist() == [1] * 4


def test_restricting_to_the_same_classes_changes_nothing() -> None:
    logits, labels = example(classes=3)
    names = ("anger", "fear", "neutral")
    found, translated, kept, shared = restrict_classes(logits, labels, names, names)
    np.testing.assert_array_equal(found, logits)
    np.testing.assert_array_equal(translated, labels)
    assert kept.all()
    assert shared == names


def test_recall_by_class() -> None:
    logits, labels = example(classes=3)
    result = evaluation(logits, labels)
    recall = recall_by_class(result.confusion, ("a", "b", "c"))
    expected = recall_score(labels, result.predicted, average=None)
    assert list(recall) == ["a", "b", "c"]
    np.testing.assert_allclose(list(recall.values()), expected)
    assert recall_by_class(np.array([[3, 1], [0, 0]]), ("a", "b")) == {"a": 0.75, "b": None}
