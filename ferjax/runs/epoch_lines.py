"""The line of an epoch that a log, a notebook or a terminal shows during training."""

import math
from collections.abc import Mapping
from typing import Any


def epoch_line(
    epochs: int, images: int, train: Mapping[str, Any], val: Mapping[str, Any] | None
) -> str:
    """Returns the line of a finished epoch; lines of one run have the same columns.

    Args:
      epochs: number of epochs of the run.
      images: number of images of an epoch.
      train: the line of metrics.jsonl on the training of this epoch.
      val: the line on its evaluation on val, or None if there was no evaluation.
    """
    epoch, speed = train["epoch"], train["images_per_second"]
    # An epoch that was resumed after its last step has no speed.
    seconds = images / speed if speed else math.inf
    left = (epochs - epoch) * (seconds + train["seconds"]["evaluate"]) if epoch < epochs else 0.0
    accuracy = "      -" if val is None else percent(val["accuracy"])
    return (
        f"epoch {epoch:>{len(str(epochs))}}/{epochs}  loss {loss_text(train['loss'])}"
        f"  accuracy {percent(train['accuracy'])}  val {accuracy}"
        f"  lr {train['learning_rate']:<8.3g}  {speed:,.0f} images/s  ETA {duration(left)}"
    )


def loss_text(loss: float) -> str:
    """Returns a loss with four decimals, or in exponential notation if it has diverged."""
    return f"{loss:.4f}" if loss < 1e4 else f"{loss:.2e}"


def percent(rate: float) -> str:
    """Returns a rate in [0, 1] as a percentage with one decimal, 7 characters wide."""
    return f"{100 * rate:5.1f} %"


def duration(seconds: float) -> str:
    """Returns seconds as `m:ss` or `h:mm:ss`; a dash for infinity, which means unknown."""
    if not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
