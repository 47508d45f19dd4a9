"""FER+: from the votes of ten people on a face to its label, by the four rules of the release.

References:
  Barsoum, Zhang, Canton Ferrer and Zhang, "Training Deep Networks for Facial Expression
  Recognition with Crowd-Sourced Label Distribution", ICMI 2016. https://arxiv.org/abs/1608.01041
  The exact rules: https://github.com/microsoft/FERPlus, src/ferplus.py.
"""

import numpy as np

from ferjax.emotions import ordered_classes
from ferjax.errors import unknown_name

# The columns of votes, as released. The last two are no emotions.
COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
_EMOTIONS = COLUMNS[:8]
CLASSES = ordered_classes(_EMOTIONS)
MODES = ("majority", "probability", "crossentropy", "multi_target")


def vote_labels(votes: np.ndarray, mode: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turns votes into labels. A single vote for a column counts as none, in every mode.

    `majority`: the column with more than half of the votes. `crossentropy`, `probability`: the
    highest columns, equal ones together, until they hold three quarters of the votes or are three;
    dropped where they hold no more than half or are more than three. (In `probability` training
    draws one class from the target each time.) `multi_target`: all columns with 30 % or more;
    dropped where they hold no more than half. A face whose highest column is unknown or NF is
    dropped in every mode.

    Args:
      votes: int [N, 10], 0 or more, columns as in `COLUMNS`.
      mode: a name of `MODES`.

    Returns:
      kept: bool [N].
      labels: int32 [N], the highest class of each kept face, an index into `CLASSES`; of equal
        ones the first in `COLUMNS`. 0 where not kept.
      targets: float32 [N, 8], columns as in `CLASSES`: shares that sum to 1, in `multi_target` 0
        or 1; zeros where not kept.

    Raises:
      UserError: `mode` is none of `MODES`.
    """
    if mode not in MODES:
        raise unknown_name("FER+ labels", mode, MODES)
    counts = np.where(np.asarray(votes) > 1, votes, 0).astype(np.int64)
    total = counts.sum(axis=1)
    chosen, valid = {
        "majority": _majority,
        "probability": _highest,
        "crossentropy": _highest,
        "multi_target": _thirty_percent,
    }[mode](counts, total)
    highest = chosen.argmax(axis=1)
    kept = valid & (highest < len(_EMOTIONS))
    chosen = np.where(kept[:, None], chosen[:, : len(_EMOTIONS)], 0)
    if mode == "multi_target":
        shares = (chosen > 0).astype(np.float32)
    else:
        shares = (chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    to_class = np.array([CLASSES.index(name) for name in _EMOTIONS], np.int32)
    targets = np.empty_like(shares)
    targets[:, to_class] = shares
    return kept, np.where(kept, to_class[np.where(kept, highest, 0)], 0).astype(np.int32), targets


def _majority(counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts [N, 10] above half of the votes, and whether there is one, bool [N]."""
    chosen = np.where(2 * counts > total[:, None], counts, 0)
    return chosen, chosen.max(axis=1) > 0


def _highest(counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts [N, 10] of the highest columns, and whether they tell enough, bool [N]."""
    left = counts.copy()
    chosen = np.zeros_like(counts)
    open_ = np.ones(len(counts), bool)
    lone = np.zeros(len(counts), bool)
    for _ in range(3):  # each turn takes at least one column
        columns = (chosen > 0).sum(axis=1)
        going = open_ & (4 * chosen.sum(axis=1) < 3 * total) & (columns < 3)
        top = (left == left.max(axis=1, keepdims=True)) & going[:, None]
        chosen[:, :8] += np.where(top[:, :8], left[:, :8], 0)
        left[top] = 0
        # Unknown and NF end the choice. After an emotion, or level with one, they count for
        # nothing; ahead of all they are the label, so the face is dropped.
        stop = top[:, 8:].any(axis=1)
        lone |= stop & ~chosen.any(axis=1)
        open_ &= ~stop
    enough = 2 * chosen.sum(axis=1) > total
    return chosen, enough & ~lone & ((chosen > 0).sum(axis=1) <= 3)


def _thirty_percent(counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts [N, 10] of 30 % or more, and whether they tell enough, bool [N]."""
    chosen = np.where(10 * counts >= 3 * total[:, None], counts, 0)
    return chosen, 2 * chosen.sum(axis=1) > total
