"""`FACTS`: numbers that papers print about their data, counted in the splits of our runs."""

from collections.abc import Callable, Mapping
from typing import Any

Splits = Mapping[str, Mapping[str, Any]]


def _images(splits: Splits, split: str) -> int | None:
    """Returns the images of a split, of several as `train+val`, or of all if `split` is empty."""
    names = split.split("+") if split else list(splits)
    if not set(names) <= set(splits):
        return None
    return sum(splits[name]["images"] for name in names)


def _emotion(splits: Splits, emotion: str) -> int | None:
    """Returns the images of an emotion: `anger` in all splits, `train/anger` in one."""
    split, _, name = emotion.rpartition("/")
    if split in splits:
        parts = [splits[split]]
    elif split:
        parts = []
    else:
        parts = [*splits.values()]
    counts = [part["classes"][name] for part in parts if name in part["classes"]]
    return sum(counts) if counts else None


def _classes(splits: Splits, _: str) -> int | None:
    """Returns the number of classes that have images."""
    occurring = {
        name for part in splits.values() for name, count in part["classes"].items() if count
    }
    return len(occurring)


# Name → function (splits of a run, argument) → number, or None where the data do not have it.
FACTS: dict[str, Callable[[Splits, str], int | None]] = {
    "images": _images,
    "emotion": _emotion,
    "classes": _classes,
}
