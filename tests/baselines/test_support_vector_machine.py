"""Distances, and machines on them, against scipy and scikit-learn's own kernel."""

import builtins
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs
from sklearn.svm import SVC, LinearSVC

from ferjax.baselines.support_vector_machine import (
    Candidate,
    import_svm,
    kernel_inputs,
    squared_distances,
    train_machine,
)
from ferjax.errors import UserError


def blobs(classes: int) -> tuple[np.ndarray, np.ndarray]:
    points, labels = make_blobs(90, 5, centers=classes, cluster_std=5.0, random_state=1)
    return points.astype(np.float32), labels


def test_distances_are_scipys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferjax.baselines.support_vector_machine._ROWS", 7)
    points, _ = blobs(3)
    found = squared_distances(points[:20], points)
    np.testing.assert_allclose(found, cdist(points[:20], points, "sqeuclidean"), atol=1e-4)
    assert (found >= 0).all()


@pytest.mark.parametrize("classes", [2, 4])
def test_machine_on_distances_is_the_one_on_features(classes: int) -> None:
    points, labels = blobs(classes)
    best = Candidate(2.0, 0.05)
    distances = squared_distances(points, points)
    decide = train_machine(kernel_inputs(distances, best), labels, best, classes, 0)
    oracle = SVC(C=2.0, gamma=0.05).fit(points, labels)
    asked = points[:30] + 0.5
    found = decide(kernel_inputs(squared_distances(asked, points), best))
    assert found.shape == (30, classes)
    expected = oracle.decision_function(asked)
    np.testing.assert_allclose(found if classes > 2 else found[:, 1], expected, atol=1e-3)
    np.testing.assert_array_equal(found.argmax(1), oracle.predict(asked))


def test_the_highest_value_breaks_ties_of_votes() -> None:
    points, labels = blobs(4)
    rng, best = np.random.default_rng(0), Candidate(2.0, 0.003)
    labels = rng.permutation(labels)  # classes that overlap often have equal votes
    others = points[rng.integers(0, 90, 900)] + rng.normal(0, 2, (900, 5))
    inputs, asked = (
        kernel_inputs(squared_distances(rows, points), best) for rows in (points, others)
    )
    decisions = train_machine(inputs, labels, best, 4, 0)(asked).argmax(1)
    machine = SVC(C=2.0, kernel="precomputed", break_ties=True).fit(inputs, labels)
    np.testing.assert_array_equal(decisions, machine.predict(asked))
    assert (decisions != machine.set_params(break_ties=False).predict(asked)).any()


def test_linear_machine_takes_features() -> None:
    points, labels = blobs(3)
    best = Candidate(0.5, None)
    decide = train_machine(kernel_inputs(points, best), labels, best, 3, 7)
    oracle = LinearSVC(C=0.5, dual="auto", max_iter=5000, random_state=7).fit(points, labels)
    np.testing.assert_array_equal(decide(points), oracle.decision_function(points))


def test_a_class_without_images_is_below_all_others() -> None:
    points, labels = blobs(3)
    best = Candidate(1.0, None)
    found = train_machine(points, labels * 2, best, 6, 0)(points)
    assert np.isfinite(found).all()
    assert (found[:, [1, 3, 5]].max(1) < found[:, [0, 2, 4]].min(1)).all()


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "sklearn":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"scikit-learn.*ferjax\[evaluation\]"):
        import_svm()
