"""What the tools around training take: one flag for each field."""

from dataclasses import dataclass

from ferjax.config.fields import check_fields, config_field


@dataclass(frozen=True)
class ConvertConfig:
    """What `launch.convert` converts. One flag for each field."""

    model: str = config_field("", "Network; see --list.")
    source: str = config_field(
        "",
        "File of torchvision, timm, transformers or Keras weights, a URL, or a name of --list;"
        " with --to: a run, or converted weights.",
    )
    out: str | None = config_field(
        None, "New folder for the converted weights; with --to: new .safetensors file."
    )
    kind: str | None = config_field(
        None, "Whose names the file's keys are, where the file does not tell (timm or timm_tf)."
    )
    to: str | None = config_field(None, "The way back.", choices=("torchvision",))
    dry_run: bool = config_field(False, "Show the mapping and write nothing.")
    verify: bool = config_field(False, "Compare logits with the source's own library.")
    offline: bool = config_field(False, "Download nothing.")
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class PrepareConfig:
    """What `launch.prepare` does with a data set. One flag for each field."""

    dataset: str = config_field("", "Data set; see launch.train --list.")
    data_dir: str | None = config_field(
        None,
        "Data set's folder (or csv file). Default: $FERJAX_DATA/<dataset>, then data/<dataset>;"
        " of --crops: any folder of images.",
    )
    out: str | None = config_field(None, "New folder. Default: prepared/<dataset>-<what>.")
    audit: bool = config_field(
        False, "Counts, sizes, unreadable files, duplicates within and across splits."
    )
    crops: bool = config_field(False, "Cut faces out: Viola-Jones, a contact sheet per class.")
    cache: bool = config_field(False, "Decode once into a memory-mapped store.")
    preview: bool = config_field(False, "A sheet of what the network sees in training.")
    margin: int = config_field(20, "Of --crops: pixels around the face's box.", low=0)
    rule: str = config_field(
        "largest", "Of --crops: which of several faces.", choices=("largest", "centre")
    )
    align: bool = config_field(False, "Of --crops: turn the eyes level.")
    no_face: str = config_field(
        "drop", "Of --crops: an image without a face.", choices=("drop", "keep")
    )
    image_size: int = config_field(64, "Side at which images of differing sizes are kept.", low=1)
    augment: str = config_field("standard", "Of --preview: the preset.")
    on_bad_image: str = config_field(
        "error", "An unreadable image: error, or skip and count it.", choices=("error", "skip")
    )
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class SearchConfig:
    """How `launch.search` searches, beside the settings of every trial. One flag for each field."""

    trials: int = config_field(
        20, "Trials of the study in all, those of earlier commands included.", low=1, free=True
    )
    space: str | None = config_field(
        None,
        "What varies: field=low:high, field=log:low:high, field=a|b|c, separated by commas."
        " Default: learning rate, weight decay, label smoothing, augmentation and optimizer, where"
        " no flag gives them.",
    )
    sampler: str = config_field(
        "tpe",
        "tpe: tree-structured Parzen estimator, random for the first ten trials; random.",
        choices=("tpe", "random"),
    )
    pruner: str = config_field(
        "median",
        "median: end a trial whose best val accuracy so far is below the median of the finished"
        " ones' at the same epoch, after five trials and a quarter of the epochs; none.",
        choices=("median", "none"),
    )
    search_seed: int = config_field(0, "Seed of what is drawn, apart from --seed.", low=0)
    workers: int = config_field(
        1, "Processes on this machine that share the study.", low=1, free=True
    )
    out: str | None = config_field(
        None, "The study's folder. Default: runs/search-<model>-<dataset>.", free=True
    )

    def __post_init__(self) -> None:
        check_fields(self)
