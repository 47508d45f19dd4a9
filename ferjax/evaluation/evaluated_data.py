"""The images that `launch.evaluate` judges: the run's own data set, or other data as a whole."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ferjax.config.tool_configs import EvalConfig
from ferjax.config.train_config import TrainConfig
from ferjax.data.registry import DATASETS, data_path, load_dataset
from ferjax.data.splits.split import DatasetBundle, Split, join_splits
from ferjax.data.splits.split_record import SplitRecord
from ferjax.errors import UserError, unknown_name
from ferjax.evaluation.seen_in_training import split_to_judge
from ferjax.evaluation.unlabelled_data import predict_instead, why_without_labels

# The name of all splits together.
ALL = "all"


@dataclass(frozen=True)
class EvaluatedData:
    """The images to judge, and their origin.

    Attributes:
      dataset: name of the data set.
      is_own: whether it is the run's own data set, at the path of the run's data.
      place: name of the folder or file that `--data_dir` names, for other data than the run's; else
        empty.
      bundle: the data set.
      split: the images; its name is a split's or `all`.
      source: origin of the images, in words.
      warnings: differences from the record of the run's images, or that there is no record.
    """

    dataset: str
    is_own: bool
    place: str
    bundle: DatasetBundle
    split: Split
    source: str
    warnings: list[str]


def load_evaluated_data(
    config: EvalConfig, run_config: TrainConfig, image_size: int, record: SplitRecord | None
) -> EvaluatedData:
    """Returns the images that a config requests.

    The run's own data set is divided into splits as in the run; its default split is test, or val
    if there is no test. No val is held out from other data; their default is `all`. The images of
    a split that the run cut itself are recognised by name and content, also at another path.

    Args:
      config: the config of the evaluation.
      run_config: the run's config.
      image_size: side to which images are resized if they differ in size.
      record: the record of the run's splits, or None where it has none.

    Raises:
      UserError: the data or the split do not exist, or the images have no labels.
    """
    name = config.dataset or run_config.dataset
    is_own = name == run_config.dataset and (
        # A weights file does not record the path of its data; published data are equal everywhere.
        name in DATASETS and name != "folder"
        if config.weights
        else is_same_place(name, config.data_dir, run_config.data_dir)
    )
    # Options that decide the labels apply to this data set at any path.
    inherited = ("num_classes", "labels", "angles") if name == run_config.dataset else ()
    inherited += ("val_fraction", "folds", "fold", "protocol", "on_bad_image") if is_own else ()
    options = {
        "val_fraction": 0,
        **{option: getattr(run_config, option) for option in inherited},
    }
    if config.on_bad_image:
        options["on_bad_image"] = config.on_bad_image
    data_dir = config.data_dir if config.weights or not is_own else run_config.data_dir
    try:
        bundle = load_dataset(
            name, data_dir, image_size=image_size, split_seed=run_config.split_seed, **options
        )
    except UserError:
        path = data_path(name, data_dir)
        if path is None or not (reason := why_without_labels(path)):
            raise
        run = config.workdir.partition(",")[0]
        network = f"--weights={config.weights}" if config.weights else f"--workdir={run}"
        raise predict_instead(path, reason, network) from None
    default = ALL if not is_own else "test" if "test" in bundle.splits else "val"
    split_name = config.split or default
    warnings: list[str] = []
    if not config.weights:
        bundle, warnings = split_to_judge(record, bundle, split_name, is_own=is_own)
    if run_config.limit:
        note = (
            f"the run's own --limit={run_config.limit} is not applied here: every image is judged"
        )
        bundle = replace(bundle, notes=(*bundle.notes, note))
    split, source = _named_split(name, bundle, split_name, is_own)
    place = "" if is_own or data_dir is None else _name_of(Path(data_dir))
    return EvaluatedData(name, is_own, place, bundle, split, source, warnings)


def is_same_place(name: str, data_dir: str | None, run_data_dir: str | None) -> bool:
    """Returns whether `--data_dir` is the path of a run's images, for a data set by its name."""
    if data_dir is None or data_dir == run_data_dir:
        return True
    try:
        run_path = data_path(name, run_data_dir)
    except UserError:
        return False  # the folder of the run's data is gone
    return run_path is not None and Path(data_dir).resolve() == run_path.resolve()


def _named_split(
    dataset: str, bundle: DatasetBundle, split_name: str, is_own: bool
) -> tuple[Split, str]:
    """Returns the split of that name, or all splits joined, and its source in words."""
    if split_name == ALL:
        parts = [f"{name} {len(split):,}" for name, split in bundle.splits.items()]
        return join_splits(list(bundle.splits.values()), ALL), f"all images ({', '.join(parts)})"
    if split_name in bundle.splits:
        return bundle.splits[split_name], bundle.sources[split_name]
    if split_name in ("train", "test"):
        default = "val" if is_own else "all images"
        raise UserError(
            f"--split={split_name}: {dataset} has no {split_name} split there, only"
            f" {', '.join(bundle.splits)}. Leave the flag out to judge {default}."
        )
    if split_name == "val" and not is_own:
        raise UserError(
            f"--split=val: {dataset} has no val there, only {', '.join(bundle.splits)}, and none is"
            " cut from data that are only judged. Leave the flag out to judge all images."
        )
    raise unknown_name(f"--split of {dataset}", split_name, [*bundle.splits, ALL])


def _name_of(place: Path) -> str:
    """Returns the name of a folder or file in characters that suit a folder's name."""
    return re.sub(r"[^\w.-]+", "_", place.resolve().name)[:80]
