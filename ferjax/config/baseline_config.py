"""Config (flags) of launch.baseline."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from ferjax.config.fields import check_fields, config_field, expand_home
from ferjax.config.format_versions import FORMAT, KEY
from ferjax.errors import UserError, unknown_name

# The keys of ferjax/baselines/feature_extraction.py, which imports scipy.
FEATURES = ("lpq", "phog")
# The field of config.json that only baselines have, and runs of networks do not.
MARK = "features"


@dataclass(frozen=True)
class BaselineConfig:
    """Settings of `launch.baseline`, one flag for each field."""

    features: str = config_field(
        "",
        "Features of an image: lpq (local phase quantisation) or phog (pyramid histogram of"
        " oriented gradients).",
    )
    dataset: str = config_field("", "Data set; see launch.train --list.")
    data_dir: str | None = config_field(
        None,
        "Folder (or csv file) of the data set. Default: $FERJAX_DATA/<dataset>, then"
        " data/<dataset>.",
        free=True,
    )
    workdir: str | None = config_field(
        None,
        "New folder for report and predictions. Default: runs/<features>_svm-<dataset>-s<seed> and"
        " what differs from the defaults.",
        free=True,
    )
    kernel: str = config_field(
        "rbf",
        "Kernel of the support vector machine; rbf keeps the distances of all pairs of training"
        " images in memory, linear takes more images.",
        choices=("rbf", "linear"),
    )
    limit: int | None = config_field(
        None,
        "Train on at most so many images, drawn from train by class; the other splits are judged"
        " whole.",
        low=2,
    )
    cross_validation: int = config_field(
        5, "Parts of train by which the machine's C and gamma are chosen.", low=2
    )
    seed: int = config_field(0, "Seed of these parts, of --limit and of the machine.", low=0)
    image_size: int = config_field(
        120,
        "Side in pixels to which images are resized if they differ in size, and at which synthetic"
        " faces are drawn.",
        low=8,
    )
    lpq_window: int = config_field(
        7, "lpq: side in pixels of the window that is transformed, odd.", low=3
    )
    lpq_cells: int = config_field(
        4, "lpq: the image is divided into so many cells in each direction.", low=1
    )
    lpq_decorrelate: bool = config_field(
        True, "lpq: make the coefficients uncorrelated before their signs are taken."
    )
    phog_bins: int = config_field(8, "phog: bins of orientation.", low=1)
    phog_degrees: int = config_field(
        360, "phog: range of the orientations; 180: opposite ones are one.", choices=(180, 360)
    )
    phog_levels: int = config_field(
        3, "phog: levels of 4, 16, 64, ... cells below the whole image.", low=0, high=6
    )
    num_classes: int | None = config_field(
        None, "Number of classes, for data sets that offer several, such as ckplus: 6, 7 or 8."
    )
    folds: int | None = config_field(
        None, "Cut all images into so many folds, by subject where subjects are known.", low=2
    )
    fold: int | None = config_field(None, "Which fold is test, from 1. Default: 1.", low=1)
    val_fraction: float = config_field(
        0.1, "Share of train held out as val where the data set has none.", above=0, high=0.9
    )
    split_seed: int = config_field(0, "Seed of that cut and of the folds.", low=0)
    on_bad_image: str = config_field(
        "error",
        "What to do with an unreadable image: error, or skip and count it.",
        choices=("error", "skip"),
    )
    progress: bool = config_field(True, "Progress bars on a terminal.", free=True)

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        if self.features not in FEATURES:
            if not self.features:
                raise UserError(f"--features is missing: {' or '.join(FEATURES)}.")
            raise unknown_name("--features", self.features, FEATURES)
        if not self.dataset:
            raise UserError("--dataset is missing; launch.train --list names the data sets.")
        if self.fold and not self.folds:
            raise UserError(f"--fold={self.fold} needs --folds, the number of folds.")
        if self.lpq_window % 2 == 0:
            raise UserError(f"--lpq_window={self.lpq_window}: an odd number is expected.")

    @property
    def model(self) -> str:
        """Returns the name of features and classifier, such as `lpq_svm`."""
        return f"{self.features}_svm"

    @property
    def folder(self) -> str:
        """Returns `workdir`, or its default."""
        return self.workdir or f"runs/{self.model}-{self.dataset}-s{self.seed}{self._changes()}"

    def _changes(self) -> str:
        """Returns the fields whose values are not the defaults, as a part of a folder name."""
        default = BaselineConfig(self.features, self.dataset)
        always_named = ("features", "dataset", "seed")
        changed = [
            f"-{field.name}_{getattr(self, field.name)}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != getattr(default, field.name)
            and not field.metadata["free"]
            and field.name not in always_named
        ]
        return "".join(changed)


def baseline_to_json(config: BaselineConfig) -> str:
    """Returns the text of a baseline's config.json; `model` names features and classifier."""
    values = {KEY: FORMAT, "model": config.model, **dataclasses.asdict(config)}
    return json.dumps(values, indent=1) + "\n"


def differences(old: dict[str, Any], new: BaselineConfig) -> list[str]:
    """Returns the fields that differ, as `field: old → new`; `free` fields may differ.

    Args:
      old: JSON values of a config.json.
      new: the config of the new run.
    """
    values = dataclasses.asdict(new)
    return [
        f"{field.name}: {old.get(field.name)} → {values[field.name]}"
        for field in dataclasses.fields(new)
        if old.get(field.name) != values[field.name] and not field.metadata["free"]
    ]
