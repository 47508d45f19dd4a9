"""What a data set holds, in lines for the start of a run: classes, counts, and choices made."""

from ferjax.data.splits.class_counts import describe_counts
from ferjax.data.splits.split import DatasetBundle


def describe_bundle(name: str, bundle: DatasetBundle) -> list[str]:
    """Returns the layout and classes, the counts of each split, and each note, a line each."""
    return [
        f"{name}: {bundle.layout}; {len(bundle.classes)} classes: {', '.join(bundle.classes)}",
        *(f"{key}: {describe_counts(s, bundle.classes)}" for key, s in bundle.splits.items()),
        *(f"note: {note}" for note in bundle.notes),
    ]
