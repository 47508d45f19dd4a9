"""Probabilities from the decision values of a machine: Platt's sigmoid for each class.

References:
  Platt, "Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized
  Likelihood Methods", 1999; for several classes as in Zadrozny and Elkan, KDD 2002: each class
  against the others, divided by their sum.
"""

import numpy as np
from scipy.special import expit

# The least probability: a logarithm of it is finite.
_LEAST = 1e-12


def fit_sigmoids(decisions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns slope and intercept of the sigmoid of each class, float64 [K, 2].

    The targets are Platt's: (n + 1) / (n + 2) for the n images of the class and 1 / (m + 2) for the
    m others, so that the fit is finite where a value separates them. Each image is given to an
    unregularised logistic regression as both classes, with the target and the rest as weights.

    Args:
      decisions: float [N, K], of images that the machine was not trained on; NaN is left out.
      labels: int [N].
    """
    from sklearn.linear_model import LogisticRegression

    sigmoids = np.zeros((decisions.shape[1], 2))
    for k, column in enumerate(decisions.T):
        known = ~np.isnan(column)
        values, is_class = column[known], labels[known] == k
        count = int(is_class.sum())
        if not count or count == len(values):
            # No image of the class, or of another one: its probability is its share.
            sigmoids[k, 1] = np.log((count + 1) / (len(values) - count + 1))
            continue
        # Values of one scale: the solver's tolerance is absolute.
        centre, spread = values.mean(), values.std() or 1.0
        scaled = np.tile((values - centre) / spread, 2)[:, None]
        high, low = (count + 1) / (count + 2), 1 / (len(values) - count + 2)
        target = np.where(is_class, high, low)
        weights = np.concatenate([target, 1 - target])
        truth = np.repeat([1, 0], len(values))
        fit = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(scaled, truth, weights)
        slope = fit.coef_[0, 0] / spread
        sigmoids[k] = slope, fit.intercept_[0] - slope * centre
    return sigmoids


def sigmoid_probabilities(decisions: np.ndarray, sigmoids: np.ndarray) -> np.ndarray:
    """Returns probabilities float64 [N, K] above 0, rows sum to 1; 1e-12 where a value is NaN."""
    slope, intercept = sigmoids.T
    each = np.nan_to_num(expit(slope * decisions + intercept), nan=_LEAST)
    each = np.maximum(each, _LEAST)
    return each / each.sum(1, keepdims=True)
