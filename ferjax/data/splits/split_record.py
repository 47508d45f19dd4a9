"""Records name, class and content of every image of a run's splits; compares two records."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ferjax.data.splits.split import Split
from ferjax.data.splits.stored_contents import fingerprints, target_hashes

_EXAMPLES = 2


@dataclass(frozen=True, eq=False)
class RecordedSplit:
    """The images of a split in their order, without pixels.

    Attributes:
      ids: N names, as in `Split`.
      labels: int32 [N], indexes into the record's class list.
      contents: uint64 [N], from `fingerprints`; 0 where unknown.
      targets: uint64 [N], a hash of each soft label; 0 where labels are hard.
      source: where the images come from, in the terms of the data set.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    contents: np.ndarray
    targets: np.ndarray
    source: str

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """Returns the sha256 of names, labels, contents and targets, in their order."""
        digest = hashlib.sha256("\0".join(self.ids).encode("utf-8", "surrogateescape"))
        digest.update(np.asarray(self.labels, "<i4").tobytes())
        digest.update(np.asarray(self.contents, "<u8").tobytes())
        digest.update(np.asarray(self.targets, "<u8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class SplitRecord:
    """The splits of a run.

    Attributes:
      dataset: name of the data set; empty if it has none.
      classes: the class list that the labels index.
      splits: name → its images.
    """

    dataset: str
    classes: tuple[str, ...]
    splits: dict[str, RecordedSplit]


def record_splits(
    dataset: str,
    classes: Sequence[str],
    splits: Mapping[str, Split],
    sources: Mapping[str, str],
) -> SplitRecord:
    """Returns the record of splits; opens each file and reads little of it.

    Args:
      dataset: name of the data set.
      classes: the class list that the labels index.
      splits: name → split.
      sources: name → where its images come from.
    """
    recorded = {
        name: RecordedSplit(
            tuple(split.ids),
            split.labels,
            fingerprints(split),
            target_hashes(split),
            sources.get(name, ""),
        )
        for name, split in splits.items()
    }
    return SplitRecord(dataset, tuple(classes), recorded)


@dataclass(frozen=True)
class _Image:
    """Split, class name, content and soft label of an image."""

    split: str
    emotion: str
    content: int
    target: int


def differences(old: SplitRecord, new: SplitRecord, *, pooled: bool = False) -> list[str]:
    """Returns what distinguishes the images of two records, such as "3 images gone (a, b, ...)".

    Args:
      old: the record of a run.
      new: the record of the data as they are now.
      pooled: whether to compare the images of all splits as one set, which all folds of a data set
        share; else split and order count too.
    """
    if _contents(old, pooled) == _contents(new, pooled):
        return []  # perhaps under other names, but batches have no names
    before, after = _images(old), _images(new)
    common = [name for name in before if name in after]
    pairs = {name: (before[name], after[name]) for name in common}
    relabelled = {
        name: f"{a.emotion} → {b.emotion}"
        for name, (a, b) in pairs.items()
        if a.emotion != b.emotion
    }
    changed = [
        name
        for name, (a, b) in pairs.items()
        if name not in relabelled and a.content and b.content and a.content != b.content
    ]
    with_new_target = [
        n for n, (a, b) in pairs.items() if n not in relabelled and a.target != b.target
    ]
    moved = {
        name: f"{a.split} → {b.split}"
        for name, (a, b) in pairs.items()
        if not pooled and a.split != b.split
    }
    descriptions = [
        _describe_images("added", [name for name in after if name not in before]),
        _describe_images("gone", [name for name in before if name not in after]),
        _describe_images("relabelled", [f"{name} {change}" for name, change in relabelled.items()]),
        _describe_images("with other content", changed),
        _describe_images("with another soft label", with_new_target),
    ]
    if old.classes != new.classes:
        descriptions.append(f"classes {', '.join(new.classes)} instead of {', '.join(old.classes)}")
    if any(descriptions):  # a cut of different images moves many images between the splits
        return [text for text in descriptions if text]
    descriptions.append(
        _describe_images("in another split", [f"{name} {change}" for name, change in moved.items()])
    )
    if (
        not pooled
        and not moved
        and any(part.ids != new.splits[name].ids for name, part in old.splits.items())
    ):
        descriptions.append("the same images in another order")
    return [text for text in descriptions if text]


def _contents(record: SplitRecord, pooled: bool) -> list[tuple[str, str, str, int]]:
    """Returns split, class, content (else name) and target of each image; sorted if pooled."""
    rows = [
        ("" if pooled else split, record.classes[label], str(content) if content else name, target)
        for split, part in record.splits.items()
        for name, label, content, target in _rows(part)
    ]
    return sorted(rows) if pooled else rows


def _images(record: SplitRecord) -> dict[str, _Image]:
    """Returns name → image of all splits of a record."""
    return {
        name: _Image(split, record.classes[label], content, target)
        for split, part in record.splits.items()
        for name, label, content, target in _rows(part)
    }


def _rows(part: RecordedSplit) -> Iterator[tuple[str, int, int, int]]:
    """Yields name, label, content and target of each image."""
    columns = (part.labels.tolist(), part.contents.tolist(), part.targets.tolist())
    return zip(part.ids, *columns, strict=True)


def _describe_images(change: str, names: Sequence[str]) -> str:
    """Returns "3 images gone (a, b, ...)", or an empty text if there are no names."""
    if not names:
        return ""
    shown = ", ".join([*names[:_EXAMPLES], *["..."] * (len(names) > _EXAMPLES)])
    return f"{len(names):,} image{'s' * (len(names) > 1)} {change} ({shown})"


def count_trained_on(
    record: SplitRecord, split: Split, dataset: str, *, is_own: bool = False
) -> int:
    """Returns how many images of a split are `trained_on`."""
    return int(trained_on(record, split, dataset, is_own=is_own).sum())


def trained_on(
    record: SplitRecord, split: Split, dataset: str, *, is_own: bool = False
) -> np.ndarray:
    """Returns bool [N]: whether each image of a split is among the training images of a record.

    Two images are the same if their stored contents are equal, under any name. If contents are not
    known (drawn images), names are compared within the same data set. In the run's own data folder
    names are always compared too, because images may have been written again. A name that another
    split of the record has too, such as a number from 0 in each split, is not compared.

    Args:
      record: the record of the run.
      split: any images.
      dataset: name of their data set.
      is_own: whether they are in the same place as the run's data.
    """
    train, contents = record.splits["train"], fingerprints(split)
    is_trained_on = np.isin(contents, train.contents[train.contents > 0])
    if dataset == record.dataset and (is_own or not train.contents.all()):
        names = {
            name
            for name, content in zip(train.ids, train.contents.tolist(), strict=True)
            if is_own or not content
        }
        names.difference_update(*(p.ids for key, p in record.splits.items() if key != "train"))
        by_name = np.array([name in names for name in split.ids], bool)
        is_trained_on |= by_name & (is_own | (contents == 0))
    return is_trained_on
