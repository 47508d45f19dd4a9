"""A bundle whose images come from memory-mapped stores, made where they are not there yet."""

from dataclasses import replace
from pathlib import Path

from ferjax.data.splits.bad_images import skipped_note
from ferjax.data.splits.split import DatasetBundle
from ferjax.data.storage.image_store import build_store, store_key, stored_split, tree_signature


def stored(
    bundle: DatasetBundle, cache_dir: Path, dataset: str, data_dir: Path, on_bad_image: str
) -> DatasetBundle:
    """Returns the bundle reading decoded images from `cache_dir`, one store a split.

    A store's folder is named by what its pixels follow from (files, images, size, crops), so a
    stale one is never opened; nothing in `cache_dir` is ever replaced.

    Args:
      bundle: as read from files.
      cache_dir: the folder of the stores.
      dataset: its name.
      data_dir: the files, whose names, sizes and times sign the stores.
      on_bad_image: `error`, or `skip`, which leaves unreadable images out with a note.

    Raises:
      UserError: an image that cannot be read, a damaged store, no room or no right to write.
    """
    signature = tree_signature(data_dir)
    splits, notes = {}, [*bundle.notes]
    for name, split in bundle.splits.items():
        key = store_key(split, signature, options={"crops": bundle.crops, "bad": on_bad_image})
        folder = cache_dir / f"{dataset}-{name}-{key[:12]}"
        store = build_store(split, folder, key, on_bad_image=on_bad_image)
        splits[name] = stored_split(split, store)
        if store.bad:
            notes.append(f"{name}: {skipped_note([*store.bad.values()])}")
    return replace(bundle, splits=splits, notes=tuple(notes))
