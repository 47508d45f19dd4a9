"""Finds the order of classes that explains class counts best, to notice labels that are permuted.

A copy of a data set is assumed to be a random part of it. The likelihood of its class counts under
an order of the classes is then multivariate hypergeometric. It is the product over the classes of
the number of ways to draw the copy's images of the class from the images of the published class
that the order assigns to it.
"""

import functools
from dataclasses import dataclass
from itertools import permutations
from math import lgamma

import numpy as np

# The log likelihood of each image above the published number. A random part has no such images. The
# value is finite, so that a whole copy with a few images added or relabelled can be compared too.
_LOG_EXTRA_IMAGE = -15.0


@dataclass(frozen=True)
class OtherOrder:
    """The likeliest order of the classes, and how much better it fits than the given one.

    Attributes:
      order: int [K], the published class whose count class k here has.
      log_ratio: logarithm of the likelihood ratio of this order and the given one, 0 or more. For a
        random part with right labels, it is above x with a probability of at most K!·exp(-x).
      misfit: misfit of this order as a share of the misfit of the given order, 0 to 1. The misfit
        of an order is the logarithm of the likelihood ratio of counts with exactly the published
        shares and the counts found, less its mean in random parts (half of the degrees of freedom).
        Counts of images chosen by hand fit no order well.
    """

    order: np.ndarray
    log_ratio: float
    misfit: float


def likeliest_order(found: np.ndarray, published: np.ndarray) -> OtherOrder:
    """Returns the likeliest order of the classes; of equally likely ones that with fewest moves.

    Classes without any image are left out of the comparison and keep their places.

    Args:
      found: int [S, K], number of images of each class in S splits.
      published: int [S, K], published number of images of each class in the same splits.
    """
    occurs = np.flatnonzero(found.sum(axis=0))
    misfits = np.zeros((len(occurs), len(occurs)))
    for counts, published_split in zip(found[:, occurs], published[:, occurs], strict=True):
        misfits += _misfits(counts, published_split)
    places, orders = np.arange(len(occurs)), _orders(len(occurs))
    totals = misfits[places, orders].sum(axis=1)
    equal = orders[np.isclose(totals, totals.min(), rtol=1e-12, atol=1e-9)]
    best = equal[(equal != places).sum(axis=1).argmin()]
    given_misfit, least_misfit = float(np.trace(misfits)), float(misfits[places, best].sum())
    order = np.arange(found.shape[1])
    order[occurs] = occurs[best]
    mean_misfit = (len(occurs) - 1) * np.count_nonzero(found.any(axis=1)) / 2
    misfit_share = (
        max(0.0, least_misfit - mean_misfit) / (given_misfit - mean_misfit)
        if given_misfit > max(least_misfit, mean_misfit)
        else 1.0
    )
    return OtherOrder(order, given_misfit - least_misfit, min(1.0, misfit_share))


@functools.cache
def _orders(count: int) -> np.ndarray:
    """Returns all orders of `count` classes, int [count!, count]."""
    return np.array([*permutations(range(count))], int)


def _misfits(found: np.ndarray, published: np.ndarray) -> np.ndarray:
    """Returns float [K, K]: the misfit if class i here is class j of the published split."""
    share = min(1.0, found.sum() / max(1, published.sum()))
    return np.array(
        [[_log_ways(n, share * n) - _log_ways(n, count) for n in published] for count in found]
    )


def _log_ways(whole: float, part: float) -> float:
    """Returns the logarithm of the number of ways to draw `part` of `whole` images."""
    drawn = min(part, whole)
    ways = lgamma(whole + 1) - lgamma(drawn + 1) - lgamma(whole - drawn + 1)
    return ways + _LOG_EXTRA_IMAGE * (part - drawn)
