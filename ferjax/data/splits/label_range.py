"""Checks that labels and soft labels fit the class list: losses accept others without an error."""

from collections.abc import Mapping, Sequence

from ferjax.data.splits.split import Split
from ferjax.errors import UserError


def check_labels(splits: Mapping[str, Split], classes: Sequence[str]) -> None:
    """Raises `UserError` if a split has a label that is not a position in the class list.

    Most libraries compute a wrong training loss for label -1 or K without an error: 0 with one-hot
    targets, the loss of the last class with an index from the end, or NaN with a finite gradient.

    Args:
      splits: name → split.
      classes: K names.
    """
    for name, split in splits.items():
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
