"""Emotion names: the canonical names, their order, and synonyms and spellings of data sets."""

from collections.abc import Iterable

EMOTIONS = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
    "contempt",
)

_SYNONYMS = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "joyful": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "suprise": "surprise",  # many copies of the data sets spell it this way
    "contemptuous": "contempt",
}


def canonical_name(name: str) -> str:
    """Returns the canonical emotion for `name`, or the name in lower case if it is no emotion."""
    key = name.strip().lower()
    return _SYNONYMS.get(key, key)


def ordered_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the class list: emotions in canonical order, then other names alphabetically."""
    names = {canonical_name(name) for name in names}
    return (*(e for e in EMOTIONS if e in names), *sorted(names - set(EMOTIONS)))
