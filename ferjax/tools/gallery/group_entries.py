"""Groups the rows of the gallery: only runs that are judged on the same images share a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ferjax.tools.gallery.entry import Entry

# Entries of the protocol that may differ between runs on the same images, and change the numbers.
_COMPARED = ("crop origin", "selection", "test-time augmentation", "classes as trained")


@dataclass(frozen=True)
class Group:
    """Runs whose numbers may be compared: same data set, same val images with the same labels.

    Attributes:
      dataset: name of the data set.
      digest: fingerprint of val; empty where it was not recorded.
      images: number of val images; None if unknown.
      entries: by falling val accuracy of the selected epoch.
      notes: what still differs between the runs.
    """

    dataset: str
    digest: str
    images: int | None
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def group_entries(entries: Sequence[Entry]) -> tuple[list[Group], list[Entry]]:
    """Returns the groups, by data set and then by size, and the rows without numbers.

    The finished runs of a series that has no report yet stand for themselves.
    """
    ranked = [entry for entry in _with_numbers(entries) if "val" in entry.scores]
    others = [entry for entry in entries if entry.reason]
    without_val = (entry for entry in _with_numbers(entries) if "val" not in entry.scores)
    others += [replace(entry, reason="its report has no val split") for entry in without_val]
    keys: dict[tuple[str, str, tuple[str, ...]], list[Entry]] = {}
    for entry in ranked:
        key = (entry.dataset, entry.digests.get("val", ""), entry.classes)
        keys.setdefault(key, []).append(entry)
    groups = [_group(dataset, digest, found) for (dataset, digest, _), found in keys.items()]
    # Of one data set the largest group comes first.
    groups.sort(key=lambda group: (group.dataset, -len(group.entries), group.digest))
    return groups, others


def _with_numbers(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if not entry.reason:
            yield entry
        else:
            yield from _with_numbers(entry.children)


def _group(dataset: str, digest: str, found: list[Entry]) -> Group:
    found.sort(key=lambda entry: (-entry.scores["val"].selected, str(entry.folder)))
    counts = {entry.images["val"] for entry in found if "val" in entry.images}
    notes = []
    if not digest:
        notes.append(
            "Which images these runs learned from and were judged on was not recorded: their"
            " numbers may not be comparable."
        )
    elif len(found) > 1:
        for split, words in (("train", "training"), ("test", "test")):
            digests = {entry.digests[split] for entry in found if split in entry.digests}
            if len(digests) > 1:
                notes.append(f"The runs have {len(digests)} different sets of {words} images.")
        lacking = sum("test" not in entry.scores for entry in found)
        if 0 < lacking < len(found):
            notes.append(f"{lacking} of {len(found)} runs have no test split.")
    notes += _different_protocols(found)
    images = counts.pop() if len(counts) == 1 else None
    return Group(dataset, digest, images, tuple(found), tuple(notes))


def _different_protocols(found: Sequence[Entry]) -> Iterator[str]:
    for key in _COMPARED:
        values: dict[str, list[str]] = {}
        for entry in found:
            if key in entry.protocol:
                values.setdefault(str(entry.protocol[key]), []).append(entry.folder.name)
        if len(values) > 1:
            texts = (f"{text} ({_some(names)})" for text, names in values.items())
            yield f"Protocols differ in {key}: {'; '.join(texts)}."


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
