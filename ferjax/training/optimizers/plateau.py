"""The plateau schedule: a lower learning rate when val accuracy stops rising."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plateau:
    """State of the plateau schedule.

    Attributes:
      best: the highest accuracy so far, or None before the first evaluation.
      waited: number of evaluations without gain since the best one or the last reduction.
      scale: factor on the learning rate.
    """

    best: float | None = None
    waited: int = 0
    scale: float = 1.0


def after_evaluation(plateau: Plateau, accuracy: float, *, patience: int, factor: float) -> Plateau:
    """Returns the plateau state after one more evaluation.

    The rule is that of torch's `ReduceLROnPlateau(mode="max", threshold=0, eps=0)`.

    Args:
      plateau: state before the evaluation.
      accuracy: any score for which higher is better; NaN is not a gain.
      patience: number of evaluations without gain before a reduction; the next one reduces the
        rate.
      factor: factor of one reduction.
    """
    if accuracy > (float("-inf") if plateau.best is None else plateau.best):
        return Plateau(accuracy, 0, plateau.scale)
    if plateau.waited < patience:
        return Plateau(plateau.best, plateau.waited + 1, plateau.scale)
    return Plateau(plateau.best, 0, plateau.scale * factor)
