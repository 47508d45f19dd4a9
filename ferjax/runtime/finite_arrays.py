"""Finds arrays with NaN or infinite values among the weights of a network."""

from collections.abc import Mapping

import numpy as np


def not_finite(arrays: Mapping[str, np.ndarray]) -> str:
    """Returns a phrase that names the first array with NaN or inf, or an empty text."""
    for path, array in arrays.items():
        if wrong := int(np.size(array) - np.isfinite(array).sum()):
            return f"{wrong:,} of the {np.size(array):,} values of {path} are NaN or infinite"
    return ""
