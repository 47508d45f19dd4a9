"""Describes a data set in lines for the start of a run: layout, classes, counts and notes."""

from ferjax.data.splits.class_counts import describe_counts
from ferjax.data.splits.split import DatasetBundle


def describe_bundle(name: str, bundle: DatasetBundle) -> list[str]:
    """Returns a line for layout and classes, a line for each split's counts, one for each note."""
    return [
        f"{name}: {bundle.layout}; {len(bundle.classes)} classes: {', '.join(bundle.classes)}",
        *(f"{key}: {describe_counts(s, bundle.classes)}" for key, s in bundle.splits.items()),
        *(f"note: {note}" for note in bundle.notes),
    ]
