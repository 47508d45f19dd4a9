"""The plateau schedule: a lower learning rate when val accuracy stops rising."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plateau:
    """What a schedule that waits for gains remembers.

    Attributes:
      best: the highest accuracy so far, or None before the first evaluation.
      waited: evaluations without gain since the best one or the last lowering.
      scale: what the learning rate is multiplied by.
    """

    best: float | None = None
    waited: int = 0
    scale: float = 1.0


def after_evaluation(plateau: Plateau, accuracy: float, *, patience: int, factor: float) -> Plateau:
    """Returns the plateau after one more evaluation.

    As torch's `ReduceLROnPlateau(mode="max", threshold=0, eps=0)`.

    Args:
      plateau: before it.
      accuracy: any score of which more is better; NaN is no gain.
      patience: evaluations without gain that are let pass; the next one lowers the rate.
      factor: of one lowering.
    """
    if accuracy > (float("-inf") if plateau.best is None else plateau.best):
        return Plateau(accuracy, 0, plateau.scale)
    if plateau.waited < patience:
        return Plateau(plateau.best, plateau.waited + 1, plateau.scale)
    return Plateau(plateau.best, 0, plateau.scale * factor)
