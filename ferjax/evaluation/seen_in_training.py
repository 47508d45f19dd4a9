"""Counts the judged images that a run was trained on, and chooses the split to judge."""

from ferjax.data.dataset_table import have_same_faces
from ferjax.data.splits.recorded_bundle import recorded_split
from ferjax.data.splits.split import DatasetBundle, Split
from ferjax.data.splits.split_record import SplitRecord, count_trained_on
from ferjax.runs.recorded_splits import NOT_RECORDED


def split_to_judge(
    record: SplitRecord | None, bundle: DatasetBundle, name: str, *, is_own: bool
) -> tuple[DatasetBundle, list[str]]:
    """Returns the bundle, with the split as the run recorded it where needed, and warnings.

    `recorded_split` states when the recorded split replaces the one in the bundle.
    """
    if record is None:
        return bundle, [NOT_RECORDED]
    bundle, warnings = recorded_split(record, bundle, name, is_own=is_own)
    return bundle, list(warnings)


_ON_TRAIN = "the training split is judged: how well it was learned, not how well other faces are"


def describe_seen(
    record: SplitRecord | None, split: Split, dataset: str, *, is_own: bool
) -> tuple[str, list[str]]:
    """Returns how many images of a split the run was trained on, in words, and warnings.

    Args:
      record: the record of the run's splits, or None where it has none.
      split: the images that are judged.
      dataset: name of their data set.
      is_own: whether they are at the path of the run's data.
    """
    if record is None:
        return "not recorded by the run", []
    count = count_trained_on(record, split, dataset, is_own=is_own)
    text = f"{count:,} of the {len(split):,} images judged"
    if not count:
        return text, []
    if split.name == "train":
        return text, [f"{_ON_TRAIN} ({text})"]
    return text, [f"the run was trained on {text}: these scores are too good"]


def describe_seen_by_weights(trained_on: str, split: Split, dataset: str) -> tuple[str, list[str]]:
    """Returns a text on the training images of a weights file, which lists none, and warnings.

    Args:
      trained_on: name of a data set: its train trained the weights, its val calibrated them.
      split: the images that are judged.
      dataset: name of their data set.
    """
    text = f"not listed in the weights, which learned from train of {trained_on}"
    if not have_same_faces(dataset, trained_on):
        return text, []
    if split.name == "val":
        return f"{text}; val chose the temperature of their probabilities", []
    if split.name == "test":
        return text, []
    return text, [f"the weights learned from train of {trained_on}: these scores are too good"]
