"""Makes a data set read its images from memory-mapped stores; builds stores that do not exist."""

from dataclasses import replace
from pathlib import Path

from ferjax.data.splits.bad_images import skipped_note
from ferjax.data.splits.split import DatasetBundle
from ferjax.data.splits.stored_contents import stored_state
from ferjax.data.storage.image_store import build_store, store_key, stored_split, tree_signature


def stored(
    bundle: DatasetBundle, cache_dir: Path, dataset: str, data_dir: Path, on_bad_image: str
) -> DatasetBundle:
    """Returns the bundle with its images read from stores in `cache_dir`, one store for each split.

    The folder name of a store contains a hash of all that decides its pixels (files, images, size,
    crops). So an outdated store is never opened, and nothing in `cache_dir` is ever replaced. The
    hash covers the files that are read, wherever they are: images in a list, targets of links.

    Args:
      bundle: the data set, read from files.
      cache_dir: the folder of the stores.
      dataset: name of the data set.
      data_dir: folder of its files. If a split does not state its files (`Split.originals`), names,
        sizes and times of all files in this folder are part of the hash.
      on_bad_image: `error`, or `skip` to leave unreadable images out with a note.

    Raises:
      UserError: an image that cannot be read, a damaged store, a full disk, no permission to write.
    """
    splits, notes = {}, [*bundle.notes]
    for name, split in bundle.splits.items():
        signature = stored_state(split) or tree_signature(data_dir)
        key = store_key(split, signature, options={"crops": bundle.crops, "bad": on_bad_image})
        folder = cache_dir / f"{dataset}-{name}-{key[:12]}"
        store = build_store(split, folder, key, on_bad_image=on_bad_image)
        splits[name] = stored_split(split, store)
        if store.bad:
            notes.append(f"{name}: {skipped_note([*store.bad.values()])}")
    return replace(bundle, splits=splits, notes=tuple(notes))
