"""Checks that labels and soft labels fit the class list: losses accept others without an error."""

from collections.abc import Mapping, Sequence

import numpy as np

from ferjax.data.splits.split import Split
from ferjax.errors import UserError


def check_label_array(name: str, labels: np.ndarray) -> None:
    """Raises `UserError` if the labels of split `name` are not integers [N]."""
    if labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer):
        return
    one_hot = " Give one-hot labels as labels.argmax(1)." if labels.ndim == 2 else ""
    raise UserError(
        f"labels of {name}: integers [N] expected, found {labels.dtype} {list(labels.shape)}."
        f"{one_hot}"
    )


def check_labels(splits: Mapping[str, Split], classes: Sequence[str]) -> None:
    """Raises `UserError` if a label of a split is no integer, or no position in the class list.

    Most libraries compute a wrong training loss for label -1 or K without an error: 0 with one-hot
    targets, the loss of the last class with an index from the end, or NaN with a finite gradient.

    Args:
      splits: name → split.
      classes: K names.
    """
    for name, split in splits.items():
        check_label_array(name, split.labels)
        if len(split) and not 0 <= split.labels.min() <= split.labels.max() < len(classes):
            raise UserError(
                f"labels of {name} lie between {split.labels.min()} and {split.labels.max()}:"
                f" expected 0 to {len(classes) - 1}, one for each of {', '.join(classes)}."
            )
        if split.targets is not None and split.targets.shape[1:] != (len(classes),):
            raise UserError(
                f"soft labels of {name} are {list(split.targets.shape)}: expected one column for"
                f" each of {', '.join(classes)}."
            )
