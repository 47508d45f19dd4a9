"""Compares a network with FER+'s ten votes: KL divergence, agreement with the majority.

`votes` are int [N, 10], columns as in `votes_to_labels.COLUMNS`. In contrast to the rules that make
labels, a single vote counts here: the network is compared with all votes of the annotators.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.data.datasets.ferplus.votes_to_labels import COLUMNS


def vote_agreement(
    probabilities: np.ndarray, votes: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """Returns the agreement of a network with the votes, and of one annotator with the others.

    The divergence compares the probabilities with the votes for `classes`, which are divided by
    their sum: votes for unknown, NF (no face) and classes that the network lacks are left out, and
    so are images without any other vote. A class without votes adds nothing (0 log 0 = 0); a
    probability of 0 counts as the smallest normal float64.

    The majority is the most frequent of all ten columns. If k columns are equally frequent, a vote
    for one of them counts as an agreement of 1/k, as if one of the k were drawn. One annotator of
    the image is drawn at random and compared with the majority of the others; the result is the
    exact mean over all draws. The network is compared with the same majority of the others, so that
    both numbers have the same target, and with the majority of all. An annotator who voted for
    unknown agrees only where unknown is the majority. Images with fewer than two votes are left
    out.

    Args:
      probabilities: float [N, K], rows sum to 1.
      votes: int [N, 10], 0 or more.
      classes: K names.

    Returns:
      `images` with two votes or more; `kl_divergence`, the mean of KL(votes || probabilities), and
      `cross_entropy`, the mean of -sum(votes log(probabilities)), natural logarithms;
      `network_with_majority`, `network_with_majority_of_others` and
      `annotator_with_majority_of_others`, shares in [0, 1]. Without any image a mean is None.

    Raises:
      ValueError: shapes that do not fit.
    """
    probabilities, votes = np.asarray(probabilities, np.float64), np.asarray(votes)
    if probabilities.shape != (len(votes), len(classes)) or votes.shape[1:] != (len(COLUMNS),):
        raise ValueError(
            f"[N, {len(classes)}] and [N, {len(COLUMNS)}] are expected, not"
            f" {probabilities.shape} and {votes.shape}"
        )
    shares, voted = vote_shares(votes, classes)
    logs = np.log(np.maximum(probabilities[voted], np.finfo(np.float64).tiny))
    cross_entropy = -(shares * logs).sum(1)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1)
    has_two_votes = votes.sum(1) >= 2
    votes, predicted = votes[has_two_votes], probabilities[has_two_votes].argmax(1)
    # An added column without votes stands for the network's classes that are no column.
    column = np.array(
        [COLUMNS.index(name) if name in COLUMNS else len(COLUMNS) for name in classes], int
    )
    votes = np.pad(votes, ((0, 0), (0, 1)))
    rows, predicted_column = np.arange(len(votes)), column[predicted]
    annotator, network = np.zeros(len(votes)), np.zeros(len(votes))
    for k in range(len(COLUMNS)):
        # One vote for column k is left out; its weight is the share of votes for column k.
        weight = votes[:, k] / votes.sum(1)
        of_others = _majority_shares(votes - (np.arange(votes.shape[1]) == k))
        annotator += weight * of_others[:, k]
        network += weight * of_others[rows, predicted_column]
    return {
        "images": len(votes),
        "kl_divergence": _mean(cross_entropy - entropy),
        "cross_entropy": _mean(cross_entropy),
        "network_with_majority": _mean(_majority_shares(votes)[rows, predicted_column]),
        "network_with_majority_of_others": _mean(network),
        "annotator_with_majority_of_others": _mean(annotator),
    }


def vote_shares(votes: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the votes for `classes` as shares, and which images have any.

    Args:
      votes: int [N, 10], columns as in `votes_to_labels.COLUMNS`.
      classes: K names; one that is no column has no votes.

    Returns:
      Shares float64 [M, K], rows sum to 1, of the M images with a vote for one of the classes, and
      bool [N] that marks these.
    """
    columns = [
        votes[:, COLUMNS.index(name)] if name in COLUMNS else np.zeros(len(votes), int)
        for name in classes
    ]
    counts = np.stack(columns, axis=1)
    voted = counts.sum(1) > 0
    return counts[voted] / counts[voted].sum(1, keepdims=True), voted


def _majority_shares(counts: np.ndarray) -> np.ndarray:
    """Returns float64 [N, C]: 1/k in the k columns with the highest count, 0 elsewhere."""
    highest = counts == counts.max(1, keepdims=True)
    return highest / highest.sum(1, keepdims=True)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
