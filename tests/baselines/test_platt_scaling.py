"""Probabilities from decision values against scikit-learn's calibration, and its extreme cases."""

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_blobs
from sklearn.svm import LinearSVC

from ferjax.baselines.platt_scaling import fit_sigmoids, sigmoid_probabilities


def test_probabilities_are_those_of_scikit_learn() -> None:
    points, labels = make_blobs(150, 3, centers=4, cluster_std=4.0, random_state=0)
    rows = np.arange(150)
    cuts = [(np.delete(rows, rows[i::5]), rows[i::5]) for i in range(5)]
    machine = LinearSVC(random_state=0)
    oracle = CalibratedClassifierCV(machine, method="sigmoid", cv=cuts, ensemble=False)
    expected = oracle.fit(points, labels).predict_proba(points)

    held_out = np.zeros((150, 4))
    for others, part in cuts:
        machine.fit(points[others], labels[others])
        held_out[part] = machine.decision_function(points[part])
    sigmoids = fit_sigmoids(held_out, labels)
    decisions = machine.fit(points, labels).decision_function(points)
    np.testing.assert_allclose(sigmoid_probabilities(decisions, sigmoids), expected, atol=2e-4)


def test_separable_and_constant_values_stay_finite() -> None:
    labels = np.array([0] * 5 + [1] * 5 + [2])
    values = np.where(np.arange(3) == labels[:, None], 1e3, -1e3)
    values[:, 2] = 0.5
    sigmoids = fit_sigmoids(values, labels)
    assert np.isfinite(sigmoids).all()
    found = sigmoid_probabilities(values, sigmoids)
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found[:10].argmax(1) == labels[:10]).all()
    # A value that says nothing gives the share of the class, with Platt's correction.
    np.testing.assert_allclose(1 / (1 + np.exp(-sigmoids[2] @ [0.5, 1])), 0.128, atol=0.01)


def test_classes_without_values_are_improbable() -> None:
    labels = np.array([0, 1] * 6)
    values = np.stack([1.0 - labels, labels, np.full(12, np.nan)], axis=1)
    found = sigmoid_probabilities(values, fit_sigmoids(values, labels))
    assert (found > 0).all()
    assert (found[:, 2] < 1e-9).all()
    assert (found.argmax(1) == labels).all()
