"""Evaluation metrics computed from logits: accuracy, confusion matrix, loss, recall by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.errors import UserError


@dataclass(frozen=True)
class Evaluation:
    """What a checkpoint predicted on a split.

    Attributes:
      labels: int [N], true classes.
      probabilities: float64 [N, K], rows sum to 1.
      loss: mean cross-entropy, plain: neither smoothed nor weighted.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    loss: float

    @property
    def predicted(self) -> np.ndarray:
        """Returns int [N], the most probable class; of equals the first."""
        return self.probabilities.argmax(-1)

    @property
    def confusion(self) -> np.ndarray:
        """Returns int [K, K] counts: rows are true classes, columns predicted ones."""
        classes = self.probabilities.shape[1]
        cells = self.labels * classes + self.predicted
        return np.bincount(cells, minlength=classes**2).reshape(classes, classes)

    @property
    def accuracy(self) -> float:
        """Returns the share of images predicted right."""
        return float((self.predicted == self.labels).mean())


def evaluation(logits: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Returns probabilities and loss of logits float [N, K] against labels int [N], in float64.

    Raises:
      UserError: no images, shapes that do not fit, which numpy would stretch or cut to each other;
        a label that is no column of the logits: numpy would count -1 as the last class.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not labels.size:
        raise UserError(
            f"logits {logits.shape} and labels {labels.shape} do not fit: expected [N, K] and [N],"
            " a row and a label for each of one or more images."
        )
    if not 0 <= np.min(labels) <= np.max(labels) < logits.shape[-1]:
        raise UserError(
            f"labels lie between {np.min(labels)} and {np.max(labels)}: expected 0 to"
            f" {logits.shape[-1] - 1}, the columns of the logits."
        )
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    loss = -log_probabilities[np.arange(len(labels)), labels].mean()
    return Evaluation(np.asarray(labels, np.int64), np.exp(log_probabilities), float(loss))


def restrict_classes(
    logits: np.ndarray, labels: np.ndarray, model_classes: Sequence[str], classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Returns logits and labels over the classes that a network and a data set share.

    Leaving out logits renormalises the softmax over those that stay. Where one class is shared this
    would make every probability 1, so that all of the network's classes stay.

    Args:
      logits: float [N, K], over `model_classes`.
      labels: int [N], into `classes`.
      model_classes: names of the logits.
      classes: names of the labels.

    Returns:
      logits [M, S] and labels [M] over the shared classes, bool [N] marking the M images that
      stay (the others' class is not the network's), and the S names in the network's order.
    """
    shared = tuple(name for name in model_classes if name in classes)
    shared = shared if len(shared) > 1 else tuple(model_classes)
    position = {name: i for i, name in enumerate(shared)}
    translated = np.array([position.get(name, -1) for name in classes])[labels]
    kept = translated >= 0
    columns = [model_classes.index(name) for name in shared]
    return logits[kept][:, columns], translated[kept], kept, shared


def recall_by_class(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, float | None]:
    """Returns the share of each class's images predicted right, by name; None without images."""
    hits, counts = np.diag(confusion).tolist(), confusion.sum(1).tolist()
    return {
        name: hit / count if count else None
        for name, hit, count in zip(classes, hits, counts, strict=True)
    }
