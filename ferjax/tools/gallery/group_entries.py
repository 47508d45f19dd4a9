"""Groups the rows of the gallery: only runs that are judged on the same images share a table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ferjax.tools.gallery.entry import Entry

# Entries of the protocol that may differ between runs on the same images, and change the numbers.
_COMPARED = ("crop origin", "selection", "test-time augmentation", "classes as trained")


@dataclass(frozen=True)
class Difference:
    """What differs between the runs of a table.

    Attributes:
      text: what it is.
      values: each value with the names of the runs that have it; empty where the text says all.
    """

    text: str
    values: tuple[tuple[str, str], ...] = ()


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
    notes: tuple[Difference, ...]


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
    images = counts.pop() if len(counts) == 1 else None
    differences = (*map(Difference, notes), *_different_protocols(found))
    return Group(dataset, digest, images, tuple(found), differences)


def _different_protocols(found: Sequence[Entry]) -> Iterator[Difference]:
    sizes = ((entry, _image_size(entry.protocol.get("input"))) for entry in found)
    yield from _difference("Image size (in storage → as the network sees it) differs:", sizes)
    for key in _COMPARED:
        values = ((entry, str(entry.protocol.get(key, ""))) for entry in found)
        yield from _difference(f"Protocols differ in {key}:", values)


def _difference(text: str, values: Iterable[tuple[Entry, str]]) -> Iterator[Difference]:
    """Yields a difference if the known values, those that are not empty, are not all the same."""
    names: dict[str, list[str]] = {}
    for entry, value in values:
        if value:
            names.setdefault(value, []).append(entry.folder.name)
    if len(names) > 1:
        yield Difference(text, tuple((value, _some(those)) for value, those in names.items()))


def _image_size(protocol_input: object) -> str:
    """Returns `64x64 → 48x48` of a protocol's line on its input, or an empty text."""
    size = str(protocol_input or "").partition(",")[0]
    return size if "→" in size else ""


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
