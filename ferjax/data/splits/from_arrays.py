"""Makes splits and data sets from arrays in memory, for data that ferjax has no reader for."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ferjax.data.splits.label_range import check_label_array, check_labels
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.splits.stratified_cut import hold_out
from ferjax.errors import UserError

# uint8 images [N, H, W, C] and int labels [N].
Arrays = tuple[np.ndarray, np.ndarray]


def split_from_arrays(
    name: str,
    images: np.ndarray,
    labels: np.ndarray | Sequence[int],
    ids: Sequence[str] | None = None,
) -> Split:
    """Returns a split of images in memory.

    Args:
      name: `train`, `val` or `test`.
      images: uint8 [N, H, W, 1 or 3], or grey images [N, H, W].
      labels: int [N], from 0 on, as an array or a list.
      ids: N names by which a person finds an image; None: `<name>:<position>`.

    Raises:
      UserError: images or labels of another dtype or shape, counts that differ, or a label below 0.
    """
    if isinstance(images, list | tuple):
        raise UserError(
            f"images of {name}: an array expected, found a {type(images).__name__}. Images of one"
            " size become an array by np.stack."
        )
    labels = np.asarray(labels)
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise UserError(
            f"images of {name}: uint8 [N, H, W, 1 or 3] expected, found {images.dtype}"
            f" {list(images.shape)}."
        )
    check_label_array(name, labels)
    counts = {"labels": len(labels)} if ids is None else {"labels": len(labels), "ids": len(ids)}
    for kind, count in counts.items():
        if count != len(images):
            raise UserError(f"{name}: {len(images)} images and {count} {kind}.")
    if len(labels) and labels.min() < 0:
        raise UserError(f"labels of {name} begin at {labels.min()}: expected 0 or more.")
    names = ids if ids is not None else tuple(f"{name}:{k}" for k in range(len(images)))
    shape = (images.shape[1], images.shape[2], images.shape[3])
    read = images.__getitem__
    return Split(name, labels.astype(np.int32), names, shape, read, originals=read)


def bundle_from_arrays(
    classes: Sequence[str],
    train: Arrays,
    val: Arrays | None = None,
    test: Arrays | None = None,
    *,
    val_fraction: float = 0.1,
    split_seed: int = 0,
    layout: str = "arrays in memory",
) -> DatasetBundle:
    """Returns a data set of images in memory; without `val` a stratified share of train is cut off.

    Args:
      classes: names of the labels, in the order of their numbers, each once.
      train: images and labels, as in `split_from_arrays`.
      val: images and labels of val, or None.
      test: images and labels of test, or None.
      val_fraction: share of train that becomes `val` if no val is given; 0: no val is cut.
      split_seed: seed of that cut.
      layout: description of the source of the images, for the report.

    Raises:
      UserError: images, labels or fractions that do not fit, or a class that is named twice.
    """
    if doubled := [name for name, count in Counter(classes).items() if count > 1]:
        raise UserError(
            f"classes: {', '.join(doubled)} stands there twice, and scores could not be told apart."
            " Name each class once."
        )
    arrays_of = {"train": train, "val": val, "test": test}
    splits = {
        name: split_from_arrays(name, *arrays)
        for name, arrays in arrays_of.items()
        if arrays is not None
    }
    sources = dict.fromkeys(splits, layout)
    check_labels(splits, classes)
    if "val" not in splits and val_fraction:
        splits["train"], splits["val"] = hold_out(splits["train"], val_fraction, split_seed)
        sources["val"] = f"stratified {val_fraction:.4g} of train (split seed {split_seed})"
    order = [name for name in ("train", "val", "test") if name in splits]
    return DatasetBundle(
        {name: splits[name] for name in order},
        tuple(classes),
        layout,
        {name: sources[name] for name in order},
    )
