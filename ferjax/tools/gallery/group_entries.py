"""Groups the rows of the gallery: only runs that are judged on the same images share a table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ferjax.tools.gallery.entry import Entry

# Entries of the protocol that can differ between runs on the same images and change the numbers.
_COMPARED = ("crop origin", "selection", "test-time augmentation", "classes as trained")


@dataclass(frozen=True)
class Difference:
    """What differs between the runs of a table.

    Attributes:
      text: the difference in words.
      values: each value with the names of the runs that have it; empty where the text is enough.
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
      entries: the runs, by descending val accuracy of the selected epoch.
      notes: remaining differences between the runs.
    """

    dataset: str
    digest: str
    images: int | None
    entries: tuple[Entry, ...]
    notes: tuple[Difference, ...]


def group_entries(entries: Sequence[Entry]) -> tuple[list[Group], list[Entry]]:
    """Returns the groups, by data set and then by size, and the rows without numbers.

    Finished runs of a series without a report are rows of their own.
    """
    ranked = [entry for entry in _with_numbers(entries) if "val" in entry.scores]
    without_numbers = [entry for entry in entries if entry.reason]
    without_val = (entry for entry in _with_numbers(entries) if "val" not in entry.scores)
    without_numbers += [
        replace(entry, reason="its report has no val split") for entry in without_val
    ]
    keys: dict[tuple[str, str, tuple[str, ...]], list[Entry]] = {}
    for entry in ranked:
        key = (entry.dataset, entry.digests.get("val", ""), entry.classes)
        keys.setdefault(key, []).append(entry)
    groups = [_group(dataset, digest, runs) for (dataset, digest, _), runs in keys.items()]
    # Within a data set the largest group comes first.
    groups.sort(key=lambda group: (group.dataset, -len(group.entries), group.digest))
    return groups, without_numbers


def _with_numbers(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yields the entries with numbers, and for an entry without numbers those of its runs."""
    for entry in entries:
        if not entry.reason:
            yield entry
        else:
            yield from _with_numbers(entry.children)


def _group(dataset: str, digest: str, runs: list[Entry]) -> Group:
    runs.sort(key=lambda entry: (-entry.scores["val"].selected, str(entry.folder)))
    counts = {entry.images["val"] for entry in runs if "val" in entry.images}
    notes = []
    if not digest:
        notes.append(
            "Which images these runs learned from and were judged on was not recorded: their"
            " numbers may not be comparable."
        )
    elif len(runs) > 1:
        for split, words in (("train", "training"), ("test", "test")):
            digests = {entry.digests[split] for entry in runs if split in entry.digests}
            if len(digests) > 1:
                notes.append(f"The runs have {len(digests)} different sets of {words} images.")
        lacking = sum("test" not in entry.scores for entry in runs)
        if 0 < lacking < len(runs):
            notes.append(f"{lacking} of {len(runs)} runs have no test split.")
    images = counts.pop() if len(counts) == 1 else None
    differences = (*map(Difference, notes), *_different_protocols(runs))
    return Group(dataset, digest, images, tuple(runs), differences)


def _different_protocols(runs: Sequence[Entry]) -> Iterator[Difference]:
    sizes = ((entry, _image_size(entry.protocol.get("input"))) for entry in runs)
    yield from _difference("Image size (in storage → as the network sees it) differs:", sizes)
    for key in _COMPARED:
        values = ((entry, str(entry.protocol.get(key, ""))) for entry in runs)
        yield from _difference(f"Protocols differ in {key}:", values)


def _difference(text: str, values: Iterable[tuple[Entry, str]]) -> Iterator[Difference]:
    """Yields a difference if the values that are not empty are not all the same."""
    names: dict[str, list[str]] = {}
    for entry, value in values:
        if value:
            names.setdefault(value, []).append(entry.folder.name)
    if len(names) > 1:
        yield Difference(text, tuple((value, _list_names(runs)) for value, runs in names.items()))


def _image_size(protocol_input: object) -> str:
    """Returns the sizes `64x64 → 48x48` of a protocol's input, or an empty text."""
    size = str(protocol_input or "").partition(",")[0]
    return size if "→" in size else ""


def _list_names(names: Sequence[str], most: int = 3) -> str:
    """Returns the first names, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
