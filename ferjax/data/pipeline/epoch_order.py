"""Order of the images in an epoch (shuffled, class-balanced) and drawn labels, by seed."""

import numpy as np


def shuffled_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the permutation of an epoch: int64 [count], each position once."""
    return _generator(seed, epoch).permutation(count)


def balanced_order(labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Returns positions drawn so that every class that occurs is equally probable.

    Args:
      labels: int [N].
      seed: seed of the run.
      epoch: number of the epoch, from 0.

    Returns:
      int64 [N], drawn with replacement: first a class uniformly, then an image of it uniformly.
    """
    generator = _generator(seed, epoch)
    by_class = np.argsort(labels, kind="stable")
    counts = np.unique(labels, return_counts=True)[1]
    starts = np.cumsum(counts) - counts
    classes_drawn = generator.integers(len(counts), size=len(labels))
    return by_class[starts[classes_drawn] + generator.integers(counts[classes_drawn])]


def drawn_labels(targets: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Returns one label for each image, drawn with the probabilities in its row of targets.

    The label of an image depends only on seed, epoch and position, not on the order. This is the
    mode "probability" of FER+ (Barsoum et al. 2016, arXiv:1608.01041).

    Args:
      targets: float [N, K], not negative; a row need not sum to 1 but must have a positive entry.
      seed: seed of the run.
      epoch: number of the epoch, from 0.

    Returns:
      int32 [N], values 0 to K - 1; never a class of probability 0.
    """
    cumulative = np.cumsum(targets, axis=1, dtype=np.float64)
    # A separate random stream: drawing an order never reaches this counter.
    total = cumulative[:, -1]
    draws = _generator(seed, epoch, counter=1).random(len(targets)) * total
    draws = np.minimum(draws, np.nextafter(total, 0))  # the product may round up to the total
    return (cumulative <= draws[:, None]).sum(axis=1).astype(np.int32)


def _generator(seed: int, epoch: int, counter: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, counter]))
