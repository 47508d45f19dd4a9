"""Notices labels of a whole split that are numbered in another order than the network's.

Class counts give away a known data set (`ferjax.data.datasets.check_class_counts`). For data of the
user's own the network does: if it calls most images of one class by the name of a second, and most
images of the second by another such name, then it knows the classes, and the names are exchanged.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ferjax.report.scores import ratio

# Of each class that is exchanged: the least share of its images that have the other name, the
# largest share that have its own, and the least number of images.
_LEAST_OTHER, _MOST_OWN, _LEAST_IMAGES = 0.5, 0.25, 5


def renumbering_warnings(confusions: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
    """Returns a warning for each split whose classes look exchanged among each other.

    Args:
      confusions: split → int [K, K], rows = true class, columns = predicted class.
      classes: K names.
    """
    found = []
    for split, confusion in confusions.items():
        matrix = np.asarray(confusion)
        order = exchanged_order(matrix)
        moved = [k for k in range(len(classes)) if order[k] != k]
        if moved:
            names = ", ".join(f"{classes[k]} as {classes[order[k]]}" for k in moved)
            own, other = (float(ratio(m.trace(), m.sum())) for m in (matrix, matrix[:, order]))
            found.append(
                f"the labels of {split} look numbered in another order: the network names most"
                f" images of {names}; in that order {100 * other:.1f} % would be right, and not"
                f" {100 * own:.1f} %. Check the class names of {split}"
            )
    return found


def exchanged_order(confusion: np.ndarray) -> np.ndarray:
    """Returns int [K], the class whose name the network gives to most images of each class.

    It is the one-to-one order with the most images right. A class stays at its own place unless all
    classes of its cycle are clearly exchanged.

    Args:
      confusion: int [K, K], rows = true class, columns = predicted class.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, at every start of a command

    places = np.arange(len(confusion))
    # The half: of two orders that are equally good, that with fewer moves.
    order = linear_sum_assignment(confusion + np.eye(len(confusion)) / 2, maximize=True)[1]
    support = confusion.sum(1)
    exchanged = (
        (ratio(confusion[places, order], support) >= _LEAST_OTHER)
        & (ratio(np.diag(confusion), support) <= _MOST_OWN)
        & (support >= _LEAST_IMAGES)
    )
    kept = order.copy()
    for start in places:
        cycle, k = [start], order[start]
        while k != start:
            cycle.append(k)
            k = order[k]
        if not exchanged[cycle].all():
            kept[cycle] = cycle
    return kept
