"""Labels and soft labels must be those of the class list: losses take others without a word."""

from collections.abc import Mapping, Sequence

from ferjax.data.splits.split import Split
from ferjax.errors import UserError


def check_labels(splits: Mapping[str, Split], classes: Sequence[str]) -> None:
    """Raises `UserError` where a split has a label that is no position in the class list.

    A training loss on label -1 or K is wrong and finite in most libraries: 0 for one-hot targets,
    that of the last class by an index from the end, or NaN with a finite gradient.

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
