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
    """The images to judge, and where they come from.

    Attributes:
      dataset: name of the data set.
      is_own: whether it lies where the run's data lay.
      place: name of the folder or file that was given, if it is not the run's own, else empty.
      bundle: the data set.
      split: the images; its name is a split's or `all`.
      source: where they come from, in words.
      warnings: what is not as the run recorded it.
    """

    dataset: str
    is_own: bool
    place: str
    bundle: DatasetBundle
    split: Split
    source: str
    warnings: list[str]


def load_evaluated_data(
    config: EvalConfig, own: TrainConfig, image_size: int, record: SplitRecord | None
) -> EvaluatedData:
    """Returns the images that a config asks for.

    The run's own data set is cut as the run cut it; its default is test, or val where there is no
    test. Of other data no val is cut; their default is `all`. A split that the run cut is found
    again, by name and content, also where its images lie elsewhere now.

    Args:
      config: of the evaluation.
      own: the run's config.
      image_size: side to which images are resized if they differ in size.
      record: the images that the run began with, or None where it recorded nothing.

    Raises:
      UserError: no such data or split, or images without labels.
    """
    name = config.dataset or own.dataset
    is_own = name == own.dataset and (
        # A weights file does not say where its data lay; a published data set is one everywhere.
        name in DATASETS and name != "folder"
        if config.weights
        else _same_place(name, config.data_dir, own.data_dir)
    )
    # How labels are made is kept wherever the images lie.
    kept = ("num_classes", "labels", "angles") if name == own.dataset else ()
    kept += ("val_fraction", "folds", "fold", "protocol", "on_bad_image") if is_own else ()
    options = {"val_fraction": 0, **{option: getattr(own, option) for option in kept}}
    if config.on_bad_image:
        options["on_bad_image"] = config.on_bad_image
    data_dir = config.data_dir if config.weights or not is_own else own.data_dir
    try:
        bundle = load_dataset(
            name, data_dir, image_size=image_size, split_seed=own.split_seed, **options
        )
    except UserError:
        place = data_path(name, data_dir)
        if place is None or not (why := why_without_labels(place)):
            raise
        run = config.workdir.partition(",")[0]
        network = f"--weights={config.weights}" if config.weights else f"--workdir={run}"
        raise predict_instead(place, why, network) from None
    default = ALL if not is_own else "test" if "test" in bundle.splits else "val"
    wanted = config.split or default
    warnings: list[str] = []
    if not config.weights:
        bundle, warnings = split_to_judge(record, bundle, wanted, is_own=is_own)
    if own.limit:
        note = f"the run's own --limit={own.limit} is not applied here: every image is judged"
        bundle = replace(bundle, notes=(*bundle.notes, note))
    split, source = _named_split(name, bundle, wanted, is_own)
    place = "" if is_own or data_dir is None else _name_of(Path(data_dir))
    return EvaluatedData(name, is_own, place, bundle, split, source, warnings)


def _same_place(name: str, given: str | None, own: str | None) -> bool:
    """Returns whether `--data_dir` is where the run's images lay."""
    if given is None or given == own:
        return True
    try:
        place = data_path(name, own)
    except UserError:
        return False  # the run's folder is gone
    return place is not None and Path(given).resolve() == place.resolve()


def _named_split(
    dataset: str, bundle: DatasetBundle, wanted: str, is_own: bool
) -> tuple[Split, str]:
    """Returns a split of a bundle, or all of them as one, and its source in words."""
    if wanted == ALL:
        parts = [f"{name} {len(split):,}" for name, split in bundle.splits.items()]
        return join_splits(list(bundle.splits.values()), ALL), f"all images ({', '.join(parts)})"
    if wanted in bundle.splits:
        return bundle.splits[wanted], bundle.sources[wanted]
    if wanted in ("train", "test"):
        default = "val" if is_own else "all images"
        raise UserError(
            f"--split={wanted}: {dataset} has no {wanted} split there, only"
            f" {', '.join(bundle.splits)}. Leave the flag out to judge {default}."
        )
    if wanted == "val" and not is_own:
        raise UserError(
            f"--split=val: {dataset} has no val there, only {', '.join(bundle.splits)}, and none is"
            " cut from data that are only judged. Leave the flag out to judge all images."
        )
    raise unknown_name(f"--split of {dataset}", wanted, [*bundle.splits, ALL])


def _name_of(place: Path) -> str:
    """Returns the name of a folder or file as part of a folder's name."""
    return re.sub(r"[^\w.-]+", "_", place.resolve().name)[:80]
