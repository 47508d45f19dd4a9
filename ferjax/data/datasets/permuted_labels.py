"""Finds the order of classes that explains class counts best, to notice labels that are permuted.

A copy of a data set is taken as a random part of it. The likelihood of its class counts under an
order of the classes is then multivariate hypergeometric: the product over the classes of the number
of ways to draw the images of a class here from those of the published class that it stands for.
"""

import functools
from dataclasses import dataclass
from itertools import permutations
from math import lgamma

import numpy as np

# The log likelihood of each image above the published number, of which a part has none. It is
# finite, so that a whole copy with a few images added or relabelled can be compared at all.
_LOG_EXTRA_IMAGE = -15.0


@dataclass(frozen=True)
class OtherOrder:
    """The likeliest order of the classes, and how much better it fits than the given one.

    Attributes:
      order: int [K], the published class whose count class k here has.
      log_ratio: logarithm of the likelihood ratio of this order and the given one, 0 or more. Of a
        random part with right labels, it is above x with a probability of at most K!·exp(-x).
      misfit: how much of the misfit of the given order this order has too, 0 to 1. A misfit is the
        logarithm of the likelihood ratio of counts with exactly the published shares and the counts
        found, less its mean in random parts (half of the degrees of freedom). Counts of a hand-made
        choice of images fit no order well.
    """

    order: np.ndarray
    log_ratio: float
    misfit: float


def likeliest_order(found: np.ndarray, published: np.ndarray) -> OtherOrder:
    """Returns the likeliest order of the classes; where several are, the one with fewest moves.

    Classes without any image are left out of the comparison and keep their places.

    Args:
      found: int [S, K], images of each class in S splits.
      published: int [S, K], likewise.
    """
    occurs = np.flatnonzero(found.sum(axis=0))
    misfits = np.zeros((len(occurs), len(occurs)))
    for counts, whole in zip(found[:, occurs], published[:, occurs], strict=True):
        misfits += _misfits(counts, whole)
    places, orders = np.arange(len(occurs)), _orders(len(occurs))
    totals = misfits[places, orders].sum(axis=1)
    equal = orders[np.isclose(totals, totals.min(), rtol=1e-12, atol=1e-9)]
    best = equal[(equal != places).sum(axis=1).argmin()]
    given, least = float(np.trace(misfits)), float(misfits[places, best].sum())
    order = np.arange(found.shape[1])
    order[occurs] = occurs[best]
    chance = (len(occurs) - 1) * np.count_nonzero(found.any(axis=1)) / 2
    left = max(0.0, least - chance) / (given - chance) if given > max(least, chance) else 1.0
    return OtherOrder(order, given - least, min(1.0, left))


@functools.cache
def _orders(count: int) -> np.ndarray:
    """Returns all orders of `count` classes, int [count!, count]."""
    return np.array([*permutations(range(count))], int)


def _misfits(found: np.ndarray, published: np.ndarray) -> np.ndarray:
    """Returns [K, K]: the misfit of class i here, taken as class j of the published split."""
    share = min(1.0, found.sum() / max(1, published.sum()))
    return np.array(
        [[_log_ways(n, share * n) - _log_ways(n, here) for n in published] for here in found]
    )


def _log_ways(whole: float, part: float) -> float:
    """Returns the logarithm of the number of ways to draw `part` of `whole` images."""
    inside = min(part, whole)
    ways = lgamma(whole + 1) - lgamma(inside + 1) - lgamma(whole - inside + 1)
    return ways + _LOG_EXTRA_IMAGE * (part - inside)
