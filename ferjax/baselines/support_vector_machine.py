"""Support vector machines on features (scikit-learn's), with decision values for every class."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ferjax.errors import UserError

_log = logging.getLogger(__name__)

# The most images for an RBF kernel. The distances of all pairs then take 0.8 GB, and the kernel of
# a part takes as much again.
MOST_FOR_RBF = 10_000
_ROWS = 1024


@dataclass(frozen=True)
class Candidate:
    """Hyper-parameters of a machine.

    Attributes:
      c: cost of an image on the wrong side of the margin.
      gamma: gamma of the kernel exp(-gamma · squared distance); None: the linear kernel.
    """

    c: float
    gamma: float | None


# Inputs of M images, from `kernel_inputs` → decision values float64 [M, K].
Decide = Callable[[np.ndarray], np.ndarray]


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the squared Euclidean distances, float64 [N, M], of rows [N, D] and [M, D]."""
    b = np.asarray(b, np.float64)
    distances = np.empty((len(a), len(b)))
    squares_of_b = (b**2).sum(1)
    for first in range(0, len(a), _ROWS):
        part = np.asarray(a[first : first + _ROWS], np.float64)
        rows = distances[first : first + _ROWS]
        np.matmul(part, b.T, out=rows)
        rows *= -2
        rows += (part**2).sum(1)[:, None] + squares_of_b
    return np.maximum(distances, 0, out=distances)


def kernel_inputs(values: np.ndarray, candidate: Candidate) -> np.ndarray:
    """Returns the inputs of a machine, for training and for decisions.

    Args:
      values: squared distances to the training images; for the linear kernel the features.
      candidate: the hyper-parameters of the machine.
    """
    return values if candidate.gamma is None else np.exp(-candidate.gamma * values)


def train_machine(
    inputs: np.ndarray, labels: np.ndarray, candidate: Candidate, classes: int, seed: int
) -> Decide:
    """Trains a machine; returns the function that computes its decision values.

    With the RBF kernel a machine is trained for every pair of classes, and the votes are combined
    (libsvm). With the linear kernel a machine is trained for each class against all others
    (liblinear).

    Args:
      inputs: from `kernel_inputs`, of the training images.
      labels: int [N], in range(K); two classes or more occur.
      candidate: the hyper-parameters.
      classes: K.
      seed: random seed of the linear machine.

    Returns:
      inputs of M images → float64 [M, K]. The class with the highest value is the machine's
      decision, with the RBF kernel that of `SVC(break_ties=True)`. A class that no training image
      shows has a value below all others.
    """
    svm = import_svm()
    if candidate.gamma is None:
        machine = svm.LinearSVC(C=candidate.c, dual="auto", max_iter=5000, random_state=seed)
    else:
        machine = svm.SVC(C=candidate.c, kernel="precomputed", cache_size=500)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        machine.fit(inputs, labels)
    for warning in caught:
        _log.warning("C %.4g: %s", candidate.c, str(warning.message).splitlines()[0])

    def decide(inputs: np.ndarray) -> np.ndarray:
        values = np.asarray(machine.decision_function(inputs), np.float64)
        if values.ndim == 1:  # two classes have one value, which is positive for the second
            values = np.stack([-values, values], axis=1)
        low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
        decisions = np.repeat(2 * low - high - 1, classes, axis=1)
        decisions[:, machine.classes_] = values
        return decisions

    return decide


def import_svm() -> Any:
    """Returns `sklearn.svm`.

    Raises:
      UserError: scikit-learn is not installed.
    """
    try:
        import sklearn.svm
    except ImportError:
        raise UserError(
            "launch.baseline needs scikit-learn, which is not installed. Run: pip install"
            " 'ferjax[evaluation]'."
        ) from None
    return sklearn.svm
