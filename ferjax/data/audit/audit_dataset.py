"""The audit of a data set: what is in it, what is broken, what occurs twice."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ferjax.data.audit.exact_and_near_duplicates import duplicate_facts
from ferjax.data.audit.near_pairs import CORRELATION, DISTANCE
from ferjax.data.audit.pixel_pass import PixelFacts, pixel_facts
from ferjax.data.datasets.check_counts import published_counts
from ferjax.data.datasets.published_counts import PUBLISHED
from ferjax.data.decoding.image_file import image_header
from ferjax.data.reading.class_folders import image_files
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.errors import UserError

# How `assemble` words the sources of a val cut from train.
_CUT = re.compile(r"^(?P<a>\S+) without the validation cut$|^stratified \S+ of (?P<b>\S+) \(")


def audit(
    dataset: str,
    bundle: DatasetBundle,
    *,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
    files: Mapping[str, Any] | None = None,
    obtain: str = "",
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Reads every image of a data set once and returns what a person should know before training.

    Args:
      dataset: the data set's name, as in `PUBLISHED`.
      bundle: as loaded.
      distance: bits of the perceptual hashes in which near duplicates may differ.
      correlation: least correlation of the thumbnails of near duplicates.
      files: `file_census` of the folder, where the data set is image files.
      obtain: where and how to get the data set.
      progress: called with each split's name before it is read.

    Returns:
      JSON types: `dataset layout crops notes classes files obtain`; `splits` {name: `source images
      shape counts {class: n} unreadable [{id, reason}] grey plain [id] mean [C] deviation [C]`};
      `published` [{`name splits found published`}], class counts beside the published ones;
      `duplicates`, `near_duplicates` and `mirrored`, see `duplicate_facts`.

    Raises:
      UserError: `distance` or `correlation` is out of range.
    """
    if not 0 <= distance <= 16:
        raise UserError(f"distance={distance} of near duplicates: expected 0 to 16 bits of 64")
    if not 0 < correlation <= 1:
        raise UserError(f"correlation={correlation} of near duplicates: expected 0 to 1")
    facts: dict[str, PixelFacts] = {}
    for name, split in bundle.splits.items():
        progress(name)
        facts[name] = pixel_facts(split)
    return {
        "dataset": dataset,
        "layout": bundle.layout,
        "crops": bundle.crops,
        "notes": list(bundle.notes),
        "classes": list(bundle.classes),
        "splits": {
            name: _split_facts(split, facts[name], bundle, bundle.sources[name])
            for name, split in bundle.splits.items()
        },
        "published": _published(dataset, bundle),
        "files": None if files is None else dict(files),
        "obtain": obtain,
        **duplicate_facts(bundle, facts, distance, correlation),
    }


def file_census(folder: Path) -> dict[str, Any]:
    """Reads the header of every image file below a folder.

    Returns:
      `files` n; `grey`, `colour` n; `sizes` {"HxW": n}, the most frequent first; `suffixes`
      {".jpg": n}; `unreadable` [{`id` (path below the folder), `reason`}].

    Raises:
      UserError: no folder, or no images in it.
    """
    folder = Path(folder)
    paths = image_files(folder)
    sizes: Counter[str] = Counter()
    channels: Counter[int] = Counter()
    unreadable: list[dict[str, str]] = []
    for path in paths:
        try:
            height, width, stored = image_header(path)
        except UserError as error:
            name = path.relative_to(folder).as_posix() if path != folder else path.name
            unreadable.append({"id": name, "reason": str(error)})
        else:
            sizes[f"{height}x{width}"] += 1
            channels[stored] += 1
    return {
        "files": len(paths),
        "grey": channels[1],
        "colour": channels[3],
        "sizes": dict(sizes.most_common()),
        "suffixes": dict(Counter(path.suffix.lower() for path in paths).most_common()),
        "unreadable": unreadable,
    }


def _split_facts(
    split: Split, facts: PixelFacts, bundle: DatasetBundle, source: str
) -> dict[str, Any]:
    """Returns what `audit` says of one split."""
    return {
        "source": source,
        "images": len(split),
        "shape": list(split.shape),
        "counts": _counts(split, bundle.classes),
        "unreadable": [{"id": split.ids[k], "reason": why} for k, why in facts.unreadable],
        "grey": int(facts.grey.sum()),
        "plain": [split.ids[k] for k in facts.positions[facts.plain]],
        "mean": facts.mean.tolist() if len(facts.positions) else None,
        "deviation": facts.deviation.tolist() if len(facts.positions) else None,
    }


def _counts(split: Split, classes: tuple[str, ...]) -> dict[str, int]:
    """Returns class name → number of images."""
    return {name: int((split.labels == k).sum()) for k, name in enumerate(classes)}


def _published(dataset: str, bundle: DatasetBundle) -> list[dict[str, Any]]:
    """Returns found and published counts of each of the data set's own splits that is whole."""
    owners: dict[str, list[str]] = {}
    for name, source in bundle.sources.items():
        cut = _CUT.match(source)
        owners.setdefault((cut["a"] or cut["b"]) if cut else source, []).append(name)
    known = PUBLISHED.get(dataset, {})
    rows = []
    for own, names in owners.items():
        if not set(own.split("+")) <= set(known):
            continue
        parts = [_counts(bundle.splits[name], bundle.classes) for name in names]
        found = {key: sum(part[key] for part in parts) for key in bundle.classes}
        published = published_counts(dataset, own)
        rows.append({"name": own, "splits": names, "found": found, "published": published})
    return rows
