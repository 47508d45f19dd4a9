"""Audits a data set: class counts, image sizes, unreadable files, pixel statistics, duplicates."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ferjax.data.audit.duplicates_summary import summarise_duplicates
from ferjax.data.audit.near_duplicate_pairs import CORRELATION, DISTANCE
from ferjax.data.audit.pixel_statistics import PixelStatistics, compute_pixel_statistics
from ferjax.data.datasets.check_class_counts import published_split
from ferjax.data.datasets.published_class_counts import PUBLISHED, published_counts
from ferjax.data.decoding.image_file import image_header
from ferjax.data.reading.class_folders import image_files
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.errors import UserError

# Matches the sources that `assemble` writes if it cut val from train.
_CUT_SOURCE = re.compile(
    r"^(?P<a>\S+) without the validation cut$|^stratified \S+ of (?P<b>\S+) \("
)


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
    """Reads every image of a data set once and returns its audit.

    Args:
      dataset: the data set's name, as in `PUBLISHED`.
      bundle: the loaded data set.
      distance: number of bits in which the perceptual hashes of near duplicates may differ.
      correlation: smallest correlation of the thumbnails of near duplicates.
      files: `file_census` of the folder, if the data set consists of image files.
      obtain: where and how to get the data set.
      progress: called with each split's name before it is read.

    Returns:
      JSON types: `dataset layout crops notes classes files obtain`; `splits` {name: `source images
      shape counts {class: n} unreadable [{id, reason}] grey plain [id] mean [C] deviation [C]`};
      `published` [{`name splits found published`}], class counts with the published ones;
      `duplicates`, `near_duplicates` and `mirrored`, see `summarise_duplicates`.

    Raises:
      UserError: `distance` or `correlation` is out of range.
    """
    if not 0 <= distance <= 16:
        raise UserError(f"distance={distance} of near duplicates: expected 0 to 16 bits of 64")
    if not 0 < correlation <= 1:
        raise UserError(f"correlation={correlation} of near duplicates: expected 0 to 1")
    statistics: dict[str, PixelStatistics] = {}
    for name, split in bundle.splits.items():
        progress(name)
        statistics[name] = compute_pixel_statistics(split)
    return {
        "dataset": dataset,
        "layout": bundle.layout,
        "crops": bundle.crops,
        "notes": list(bundle.notes),
        "classes": list(bundle.classes),
        "splits": {
            name: _describe_split(split, statistics[name], bundle, bundle.sources[name])
            for name, split in bundle.splits.items()
        },
        "published": _compare_with_published(dataset, bundle),
        "files": None if files is None else dict(files),
        "obtain": obtain,
        **summarise_duplicates(bundle, statistics, distance, correlation),
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
            height, width, channel_count = image_header(path)
        except UserError as error:
            name = path.relative_to(folder).as_posix() if path != folder else path.name
            unreadable.append({"id": name, "reason": str(error)})
        else:
            sizes[f"{height}x{width}"] += 1
            channels[channel_count] += 1
    return {
        "files": len(paths),
        "grey": channels[1],
        "colour": channels[3],
        "sizes": dict(sizes.most_common()),
        "suffixes": dict(Counter(path.suffix.lower() for path in paths).most_common()),
        "unreadable": unreadable,
    }


def _describe_split(
    split: Split, statistics: PixelStatistics, bundle: DatasetBundle, source: str
) -> dict[str, Any]:
    """Returns the entry of one split in the result of `audit`."""
    return {
        "source": source,
        "images": len(split),
        "shape": list(split.shape),
        "counts": _count_classes(split, bundle.classes),
        "unreadable": [
            {"id": split.ids[k], "reason": reason} for k, reason in statistics.unreadable
        ],
        "grey": int(statistics.grey.sum()),
        "plain": [split.ids[k] for k in statistics.positions[statistics.plain]],
        "mean": statistics.mean.tolist() if len(statistics.positions) else None,
        "deviation": statistics.standard_deviation.tolist() if len(statistics.positions) else None,
    }


def _count_classes(split: Split, classes: tuple[str, ...]) -> dict[str, int]:
    """Returns class name → number of images."""
    return {name: int((split.labels == k).sum()) for k, name in enumerate(classes)}


def _compare_with_published(dataset: str, bundle: DatasetBundle) -> list[dict[str, Any]]:
    """Returns found and published class counts of each complete split that the data set defines.

    Classes that the loader left out on purpose, such as AffectNet's contempt, are not compared.
    """
    roles_of: dict[str, list[str]] = {}
    for name, source in bundle.sources.items():
        cut = _CUT_SOURCE.match(source)
        original = (cut["a"] or cut["b"]) if cut else source
        roles_of.setdefault(published_split(dataset, original), []).append(name)
    published_splits = PUBLISHED.get(dataset, {})
    rows = []
    for original, names in roles_of.items():
        if not set(original.split("+")) <= set(published_splits):
            continue
        parts = [_count_classes(bundle.splits[name], bundle.classes) for name in names]
        counts = {key: sum(part[key] for part in parts) for key in bundle.classes}
        published = {
            key: count
            for key, count in published_counts(dataset, original).items()
            if key in bundle.classes
        }
        rows.append({"name": original, "splits": names, "found": counts, "published": published})
    return rows
