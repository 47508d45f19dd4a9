"""Converts FER+ votes to labels: majority, probability, crossentropy and multi_target rules.

References:
  Barsoum, Zhang, Canton Ferrer and Zhang, "Training Deep Networks for Facial Expression
  Recognition with Crowd-Sourced Label Distribution", ICMI 2016. https://arxiv.org/abs/1608.01041
  The exact rules: https://github.com/microsoft/FERPlus, src/ferplus.py.
"""

import numpy as np

from ferjax.emotions import ordered_classes
from ferjax.errors import unknown_name

# The columns of votes, as released. The last two are not emotions.
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
# A rule of code that ignores the release's rules; only protocols use it
# (`--protocol=argmax_of_ten`).
ARGMAX = "argmax_of_ten"


def vote_labels(votes: np.ndarray, mode: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Converts votes to labels by one of the rules of the release, or by `argmax_of_ten`.

    In every mode of `MODES` a column with a single vote counts as 0. `majority`: the column with
    more than half of the votes. `crossentropy`, `probability`: the highest columns are taken, equal
    ones together, until they have three quarters of the votes or there are three. The image is
    dropped if they have at most half of the votes or are more than three. (With `probability`,
    training draws one class from the target in each epoch.) `multi_target`: all columns with 30 %
    or more; the image is dropped if they have at most half of the votes. In every mode an image
    whose highest column is unknown or NF is dropped. `argmax_of_ten` is not a rule of the release:
    it takes the highest of the ten columns, and the first of equal ones.

    Args:
      votes: int [N, 10], 0 or more, columns as in `COLUMNS`.
      mode: a name of `MODES`, or `ARGMAX`.

    Returns:
      kept: bool [N].
      labels: int32 [N], the highest class of each kept image, an index into `CLASSES`; the first in
        `COLUMNS` of equal classes. 0 if not kept.
      targets: float32 [N, 8], columns as in `CLASSES`: shares that sum to 1, with
        `multi_target` 0 or 1; zeros if not kept.

    Raises:
      UserError: an unknown `mode`.
    """
    if mode not in (*MODES, ARGMAX):
        raise unknown_name("FER+ labels", mode, MODES)
    min_votes = 1 if mode == ARGMAX else 2
    counts = np.where(np.asarray(votes) >= min_votes, votes, 0).astype(np.int64)
    total = counts.sum(axis=1)
    chosen, valid = {
        "majority": _majority,
        "probability": _highest,
        "crossentropy": _highest,
        "multi_target": _thirty_percent,
        ARGMAX: _first_highest,
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


def _first_highest(counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns counts [N, 10] of the first highest column, and whether there are votes, bool [N]."""
    first = np.arange(counts.shape[1]) == counts.argmax(axis=1)[:, None]
    return np.where(first, counts, 0), total > 0


def _majority(counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts [N, 10] above half of the votes, and whether one exists, bool [N]."""
    chosen = np.where(2 * counts > total[:, None], counts, 0)
    return chosen, chosen.max(axis=1) > 0


def _highest(counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts [N, 10] of the highest columns, and whether they are valid, bool [N]."""
    remaining = counts.copy()
    chosen = np.zeros_like(counts)
    active = np.ones(len(counts), bool)
    no_emotion_first = np.zeros(len(counts), bool)
    for _ in range(3):  # each iteration takes at least one column
        columns = (chosen > 0).sum(axis=1)
        selecting = active & (4 * chosen.sum(axis=1) < 3 * total) & (columns < 3)
        top = (remaining == remaining.max(axis=1, keepdims=True)) & selecting[:, None]
        chosen[:, :8] += np.where(top[:, :8], remaining[:, :8], 0)
        remaining[top] = 0
        # Unknown and NF end the selection. If an emotion came earlier or is equal, they are
        # ignored. If they come first, they are the label and the image is dropped.
        stop = top[:, 8:].any(axis=1)
        no_emotion_first |= stop & ~chosen.any(axis=1)
        active &= ~stop
    enough = 2 * chosen.sum(axis=1) > total
    return chosen, enough & ~no_emotion_first & ((chosen > 0).sum(axis=1) <= 3)


def _thirty_percent(counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the counts [N, 10] of 30 % or more, and whether they are valid, bool [N]."""
    chosen = np.where(10 * counts >= 3 * total[:, None], counts, 0)
    return chosen, 2 * chosen.sum(axis=1) > total
