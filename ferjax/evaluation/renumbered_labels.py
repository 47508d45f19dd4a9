"""Detects labels of a whole split that are numbered in another order than the network's classes.

For a published data set the class counts show this (`ferjax.data.datasets.check_class_counts`). For
the user's own data the network's predictions show it: if the network predicts most images of one
class as a second class, and most images of the second as another such class, then it distinguishes
the classes, and their names are exchanged.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ferjax.report.scores import ratio

# Conditions for an exchanged class: the smallest share of its images predicted as the other class,
# the largest share predicted as the class itself, and the smallest number of images.
_MIN_OTHER_SHARE, _MAX_OWN_SHARE, _MIN_IMAGES = 0.5, 0.25, 5


def renumbering_warnings(confusions: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
    """Returns a warning for each split in which classes seem to be exchanged.

    Args:
      confusions: split → int [K, K], rows = true class, columns = predicted class.
      classes: K names.
    """
    warnings = []
    for split, confusion in confusions.items():
        matrix = np.asarray(confusion)
        order = exchanged_order(matrix)
        moved = [k for k in range(len(classes)) if order[k] != k]
        if moved:
            names = ", ".join(f"{classes[k]} as {classes[order[k]]}" for k in moved)
            accuracy, reordered = (
                float(ratio(counts.trace(), counts.sum())) for counts in (matrix, matrix[:, order])
            )
            warnings.append(
                f"the labels of {split} look numbered in another order: the network names most"
                f" images of {names}; in that order {100 * reordered:.1f} % would be right,"
                f" and not {100 * accuracy:.1f} %. Check the class names of {split}"
            )
    return warnings


def exchanged_order(confusion: np.ndarray) -> np.ndarray:
    """Returns int [K]: for each true class, the class that the network predicts in its place.

    It is the one-to-one assignment with the most correct images. A class is assigned to itself
    unless all classes of its cycle are clearly exchanged.

    Args:
      confusion: int [K, K], rows = true class, columns = predicted class.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, at every start of a command

    classes = np.arange(len(confusion))
    # The added half prefers, of two equally good orders, the one that moves fewer classes.
    order = linear_sum_assignment(confusion + np.eye(len(confusion)) / 2, maximize=True)[1]
    support = confusion.sum(1)
    exchanged = (
        (ratio(confusion[classes, order], support) >= _MIN_OTHER_SHARE)
        & (ratio(np.diag(confusion), support) <= _MAX_OWN_SHARE)
        & (support >= _MIN_IMAGES)
    )
    accepted = order.copy()
    for first in classes:
        cycle, k = [first], order[first]
        while k != first:
            cycle.append(k)
            k = order[k]
        if not exchanged[cycle].all():
            accepted[cycle] = cycle
    return accepted
