"""Losses against PyTorch's cross_entropy and scikit-learn's balanced class weights."""

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from ferjax.train.losses import cross_entropy, inverse_class_weights

LOGITS = 4 * np.random.default_rng(0).standard_normal((20, 7), np.float32)
LABELS = np.random.default_rng(1).integers(0, 7, 20).astype(np.int32)
WEIGHTS = np.array([0.2, 3, 1, 0.5, 2, 0, 1], np.float32)


@pytest.mark.parity
@pytest.mark.parametrize(
    "arguments",
    [{}, {"label_smoothing": 0.1}, {"label_smoothing": 1.0}, {"class_weights": WEIGHTS}],
    ids=["plain", "smoothed", "uniform", "weighted"],
)
def test_equals_torch(arguments: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    losses, weights = cross_entropy(LOGITS, LABELS, **arguments)
    assert losses.shape == weights.shape == (20,)
    assert losses.dtype == weights.dtype == np.float32
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(LOGITS),
        torch.tensor(LABELS).long(),
        weight=torch.tensor(WEIGHTS) if "class_weights" in arguments else None,
        label_smoothing=arguments.get("label_smoothing", 0.0),
    )
    np.testing.assert_allclose((losses * weights).sum() / weights.sum(), theirs, rtol=1e-6)


def test_by_hand() -> None:
    losses, weights = cross_entropy(np.zeros((1, 4), np.float32), np.zeros(1, np.int32))
    np.testing.assert_allclose(losses, np.log(4), rtol=1e-6)
    assert weights.tolist() == [1]


def test_large_logits_stay_finite() -> None:
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    losses, _ = cross_entropy(logits, np.zeros(2, np.int32))
    assert losses.tolist() == [0, 2e4]


def test_inverse_class_weights_are_sklearns_balanced_ones() -> None:
    labels = np.repeat(np.arange(4), [5, 1, 20, 14])
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    weights = inverse_class_weights(np.bincount(labels))
    np.testing.assert_allclose(weights, expected, rtol=1e-12)
    np.testing.assert_allclose(weights[labels].mean(), 1)


def test_an_empty_class_weighs_nothing() -> None:
    assert inverse_class_weights(np.array([2, 0, 4])).tolist() == [1, 0, 0.5]
