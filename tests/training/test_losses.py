"""Losses against PyTorch's cross_entropy and scikit-learn's balanced class weights."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from ferjax.errors import UserError
from ferjax.training.losses import (
    CLASS_WEIGHTS,
    LOSSES,
    cross_entropy,
    effective_class_weights,
    focal,
    inverse_class_weights,
    multi_target,
)

LOGITS = 4 * np.random.default_rng(0).standard_normal((20, 7), np.float32)
LABELS = np.random.default_rng(1).integers(0, 7, 20).astype(np.int32)
SOFT = np.random.default_rng(2).dirichlet(np.ones(7), 20).astype(np.float32)
WEIGHTS = np.array([0.2, 3, 1, 0.5, 2, 0, 1], np.float32)


@pytest.mark.parity
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"label_smoothing": 0.1},
        {"label_smoothing": 1.0},
        {"class_weights": WEIGHTS},
        {"label_smoothing": 0.1, "class_weights": WEIGHTS},
        {"label_smoothing": 1.0, "class_weights": WEIGHTS},
    ],
    ids=["plain", "smoothed", "uniform", "weighted", "both", "uniform and weighted"],
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


def mean_loss(logits: Any, targets: Any, **arguments: Any) -> jax.Array:
    losses, weights = cross_entropy(logits, targets, **arguments)
    return (losses * weights).sum() / weights.sum()


@pytest.mark.parity
def test_the_gradient_with_smoothing_and_weights_equals_torchs() -> None:
    torch = pytest.importorskip("torch")
    arguments = {"label_smoothing": 0.1, "class_weights": WEIGHTS}
    logits = torch.tensor(LOGITS, requires_grad=True)
    torch.nn.functional.cross_entropy(
        logits, torch.tensor(LABELS).long(), weight=torch.tensor(WEIGHTS), label_smoothing=0.1
    ).backward()
    found = jax.jit(jax.grad(lambda x: mean_loss(x, LABELS, **arguments)))(LOGITS)
    np.testing.assert_allclose(found, logits.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parity
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weighted_soft_targets_sum_to_torchs(smoothing: float) -> None:
    """The sums are equal; torch then divides by the number of examples, ferjax by the weights."""
    torch = pytest.importorskip("torch")
    arguments = {"label_smoothing": smoothing, "class_weights": WEIGHTS}
    losses, weights = cross_entropy(LOGITS, jnp.array(SOFT), **arguments)
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(LOGITS),
        torch.tensor(SOFT),
        weight=torch.tensor(WEIGHTS),
        label_smoothing=smoothing,
        reduction="sum",
    )
    np.testing.assert_allclose((losses * weights).sum(), theirs, rtol=1e-5)
    np.testing.assert_allclose(weights, SOFT @ WEIGHTS, rtol=1e-5)


def test_smoothing_with_weights_by_hand() -> None:
    """Two classes at log 1/4 and log 3/4, weights 2 and 6, a tenth spread: a twentieth to each."""
    logits = jnp.log(jnp.array([[0.25, 0.75]] * 2))
    weights = np.array([2.0, 6.0])
    found = mean_loss(logits, jnp.array([0, 1]), label_smoothing=0.1, class_weights=weights)
    quarter, most = -np.log(0.25), -np.log(0.75)
    first = 0.95 * 2 * quarter + 0.05 * 6 * most
    second = 0.05 * 2 * quarter + 0.95 * 6 * most
    np.testing.assert_allclose(found, (first + second) / 8, rtol=1e-6)


def test_weights_alone_change_no_bit_of_a_loss() -> None:
    plain, weighted = (cross_entropy(LOGITS, LABELS, class_weights=w)[0] for w in (None, WEIGHTS))
    counted = WEIGHTS[LABELS] > 0
    np.testing.assert_array_equal(plain[counted], weighted[counted])


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


@pytest.mark.parity
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_soft_targets_equal_torchs(smoothing: float) -> None:
    torch = pytest.importorskip("torch")
    losses, weights = cross_entropy(LOGITS, jnp.array(SOFT), label_smoothing=smoothing)
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(SOFT), reduction="none", label_smoothing=smoothing
    )
    np.testing.assert_allclose(losses, theirs, rtol=1e-5)
    assert (weights == 1).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_label_is_its_one_hot_target(name: str) -> None:
    hot = jnp.eye(7)[LABELS]
    one, other = (LOSSES[name](LOGITS, t, class_weights=WEIGHTS) for t in (LABELS, hot))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6)
    np.testing.assert_allclose(one[1], other[1], rtol=1e-6)


def test_a_soft_target_weighs_the_mean_of_its_classes() -> None:
    targets = jnp.array([[0.5, 0.25, 0.25], [1.0, 0.0, 1.0]])
    _, weights = cross_entropy(jnp.zeros((2, 3)), targets, class_weights=np.array([1.0, 2.0, 4.0]))
    assert weights.tolist() == [2, 2.5]


def test_focal_by_hand() -> None:
    likely = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    losses, _ = focal(jnp.log(likely), np.zeros(3, np.int32))
    np.testing.assert_allclose(
        losses, [0.01 * -np.log(0.9), 0.25 * np.log(2), 0.64 * np.log(5)], rtol=2e-5
    )
    soft, _ = focal(jnp.log(likely), jnp.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]))
    expected = -(0.25 * 0.64 * np.log(0.2) + 0.75 * 0.04 * np.log(0.8))
    np.testing.assert_allclose(soft[2], expected, rtol=1e-5)


def test_focal_without_focus_is_cross_entropy() -> None:
    for targets in (LABELS, jnp.array(SOFT)):
        np.testing.assert_allclose(
            focal(LOGITS, targets, gamma=0.0)[0], cross_entropy(LOGITS, targets)[0], rtol=1e-5
        )


def test_multi_target_by_hand() -> None:
    likely = np.array([[0.5, 0.3, 0.2], [0.7, 0.2, 0.1]])
    targets = jnp.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    losses, weights = multi_target(jnp.log(likely), targets, class_weights=np.array([1.0, 2, 4]))
    np.testing.assert_allclose(losses, -np.log([0.3, 0.1]), rtol=1e-5)
    assert weights.tolist() == [3, 4]
    # Sure of a wrong class: the floor under the target is the larger term.
    sure, _ = multi_target(jnp.log(np.array([[0.99999, 1e-5]])), jnp.array([[0.0, 1.0]]))
    np.testing.assert_allclose(sure, -np.log(0.001 * 0.99999), rtol=1e-5)


def test_multi_target_refuses_smoothing() -> None:
    with pytest.raises(UserError, match="--label_smoothing"):
        multi_target(LOGITS, LABELS, label_smoothing=0.1)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("soft", [False, True])
def test_gradients_stay_finite(name: str, soft: bool) -> None:
    logits = jnp.array([[1e4, -1e4], [-1e4, 1e4], [0.0, 0.0]])
    targets = jnp.array([[1.0, 0.0]] * 3) if soft else np.zeros(3, np.int32)
    gradient = jax.grad(lambda x: LOSSES[name](x, targets)[0].sum())(logits)
    assert np.isfinite(gradient).all()
    assert LOSSES[name](logits, targets)[0].dtype == jnp.float32


def test_effective_weights_by_hand() -> None:
    # Effective numbers at beta 0.9: 1, 1 + 0.9, 1 + 0.9 + 0.81.
    raw = np.array([1, 1 / 1.9, 1 / 2.71])
    found = effective_class_weights(np.array([1, 2, 3]), beta=0.9)
    np.testing.assert_allclose(found, raw * 3 / raw.sum(), rtol=1e-12)
    empty = effective_class_weights(np.array([1, 0, 2, 3]), beta=0.9)
    np.testing.assert_allclose(empty, np.insert(found, 1, 0), rtol=1e-12)


def test_effective_weights_lie_between_none_and_inverse() -> None:
    counts = np.array([436, 3995, 7215])
    np.testing.assert_allclose(effective_class_weights(counts, beta=0.0), 1)
    nearly = effective_class_weights(counts, beta=1 - 1e-9)
    inverse = inverse_class_weights(counts)
    np.testing.assert_allclose(nearly, inverse * 3 / inverse.sum(), rtol=1e-4)


def test_every_kind_of_class_weights_takes_counts() -> None:
    counts = np.array([3, 1])
    assert CLASS_WEIGHTS["none"](counts) is None
    for kind in ("inverse", "effective"):
        weights = CLASS_WEIGHTS[kind](counts)
        assert weights is not None
        assert weights[1] > weights[0] > 0
