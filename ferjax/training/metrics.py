"""Evaluation metrics computed from logits: accuracy, confusion matrix, loss, recall by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.errors import UserError


@dataclass(frozen=True)
class Evaluation:
    """Predictions of a checkpoint on a split.

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
        """Returns the most probable class of each image, int [N]; the first of equal ones."""
        return self.probabilities.argmax(-1)

    @property
    def confusion(self) -> np.ndarray:
        """Returns counts int [K, K]: rows are true classes, columns are predicted classes."""
        classes = self.probabilities.shape[1]
        cells = self.labels * classes + self.predicted
        return np.bincount(cells, minlength=classes**2).reshape(classes, classes)

    @property
    def accuracy(self) -> float:
        """Returns the share of images that are predicted correctly."""
        return float((self.predicted == self.labels).mean())


def evaluation(logits: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Returns probabilities and loss of logits float [N, K] against labels int [N], in float64.

    Raises:
      UserError: there are no images; the shapes do not fit each other, and numpy would broadcast
        them; or a label is not a column of the logits, and numpy would take -1 as the last class.
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

    If logits are left out, the softmax is renormalised over the remaining ones. With one shared
    class every probability would be 1, so then all classes of the network stay.

    Args:
      logits: float [N, K], over `model_classes`.
      labels: int [N], into `classes`.
      model_classes: names of the logits.
      classes: names of the labels.

    Returns:
      logits [M, S] and labels [M] over the shared classes; bool [N], True for the M images that
      stay (the class of the other images is unknown to the network); and the S names in the
      network's order.
    """
    shared = tuple(name for name in model_classes if name in classes)
    shared = shared if len(shared) > 1 else tuple(model_classes)
    position = {name: i for i, name in enumerate(shared)}
    translated = np.array([position.get(name, -1) for name in classes])[labels]
    kept = translated >= 0
    columns = [model_classes.index(name) for name in shared]
    return logits[kept][:, columns], translated[kept], kept, shared


def recall_by_class(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, float | None]:
    """Returns the recall of each class by name; None for a class without images."""
    hits, counts = np.diag(confusion).tolist(), confusion.sum(1).tolist()
    return {
        name: hit / count if count else None
        for name, hit, count in zip(classes, hits, counts, strict=True)
    }
