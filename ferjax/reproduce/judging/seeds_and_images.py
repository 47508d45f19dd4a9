"""Intervals of means over seeds: spread between seeds and chance in the images, joined.

The two are computed separately and then joined by MOVER (the method of variance estimates
recovery): the distance of a joined bound from the mean is the root of the sum of both squared
distances. A bootstrap that draws two or three seeds with replacement would give intervals that are
far too narrow; Student's t does not.

References:
  Zou and Donner, "Construction of confidence limits about effect measures: A general approach",
  Statistics in Medicine, 2008.
"""

import math
from collections.abc import Sequence

import numpy as np


def half_width_over_seeds(*groups: Sequence[float], level: float = 0.95) -> float | None:
    """Returns the half-width of Student's interval of a mean, or of a sum of means, over seeds.

    With several groups it is that of the sum of the groups' means (Welch); for a difference the
    values of one group are negative. A group with one value adds no spread.

    Returns:
      None if no group has two values, so that nothing is known of the spread.
    """
    variances, degrees_of_freedom = [], []
    for values in groups:
        if len(values) > 1:
            variances.append(float(np.var(values, ddof=1)) / len(values))
            degrees_of_freedom.append(len(values) - 1)
    if not variances:
        return None
    total = sum(variances)
    if total == 0:
        return 0.0
    denominator = sum(v**2 / f for v, f in zip(variances, degrees_of_freedom, strict=True))
    from scipy.special import stdtrit

    return float(stdtrit(total**2 / denominator, (1 + level) / 2)) * math.sqrt(total)


def joined(
    mean: float, images: tuple[float, float] | None, seeds: float | None
) -> tuple[float, float] | None:
    """Returns the interval of a mean from its interval over images and half-width over seeds.

    Args:
      mean: the estimate.
      images: bounds that allow for the chance in the images, or None.
      seeds: half-width that allows for the spread between seeds, or None.

    Returns:
      (low, high), or None if both are None.
    """
    if images is None and seeds is None:
        return None
    low, high = images or (mean, mean)
    below, above = max(mean - low, 0.0), max(high - mean, 0.0)
    return mean - math.hypot(below, seeds or 0.0), mean + math.hypot(above, seeds or 0.0)
