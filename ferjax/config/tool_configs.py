"""Configs (flags) of launch.evaluate, convert, prepare, search and bench."""

from dataclasses import dataclass

from ferjax.config.fields import check_fields, config_field, expand_home
from ferjax.config.train_config import TTA


@dataclass(frozen=True)
class EvalConfig:
    """Settings of `launch.evaluate`, one flag for each field.

    Without data set, folder, split and augmentation, and with the selected checkpoint, the report
    of the run itself is written again.
    """

    workdir: str = config_field(
        "",
        "Run directory to evaluate; of several, comma-separated, the probabilities are averaged.",
    )
    dataset: str | None = config_field(None, "Data set. Default: that of the run.")
    data_dir: str | None = config_field(
        None, "Folder (or csv file) of the data set. Default: that of the run."
    )
    split: str | None = config_field(
        None,
        "Split; all: every image. Default: of the run's own data test, or val where there is no"
        " test; of another data set or folder all, and no val is cut from it.",
        choices=("train", "val", "test", "all"),
    )
    on_bad_image: str | None = config_field(
        None,
        "What to do with an unreadable image: error, or skip and count it. Default: for the run's"
        " own data as in the run, else error.",
        choices=("error", "skip"),
    )
    tta: str = config_field("none", "Test-time augmentation.", choices=TTA)
    checkpoint: str = config_field(
        "selected", "Which checkpoint's parameters to use.", choices=("selected", "last")
    )
    out: str | None = config_field(
        None,
        "Folder for the report. Default: RUN/evaluations/, or evaluations/<weights or runs>/, and a"
        " name of data, split, augmentation and checkpoint; for the run's own report RUN.",
    )
    progress: bool = config_field(True, "Progress bars on a terminal.")
    weights: str | None = config_field(
        None,
        "Instead of a run: a recogniser that comes with ferjax (fernet-ferplus, fernet-fer2013), or"
        " a weights file of launch.export.",
    )

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)


@dataclass(frozen=True)
class ConvertConfig:
    """Settings of `launch.convert`, one flag for each field."""

    model: str = config_field("", "Network; see --list.")
    source: str = config_field(
        "",
        "Weights file of torchvision, timm, transformers or Keras, also as ONNX, a URL, or a name"
        " of --list; with --to: a run directory, or converted weights.",
    )
    out: str | None = config_field(
        None, "New folder for the converted weights; with --to: new .safetensors file."
    )
    kind: str | None = config_field(
        None, "Library of the file, if its keys do not tell it, such as timm, timm_tf or keras."
    )
    to: str | None = config_field(
        None, "Export to this library instead of converting.", choices=("torchvision",)
    )
    overwrite: bool = config_field(
        False, "Move what --out names to OUT.old-1, .old-2 and so on, if ferjax wrote it."
    )
    dry_run: bool = config_field(False, "Show the mapping and write nothing.")
    verify: bool = config_field(False, "Compare logits with those of the source library.")
    offline: bool = config_field(False, "Download nothing.")
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)


@dataclass(frozen=True)
class PrepareConfig:
    """Settings of `launch.prepare`, one flag for each field."""

    dataset: str = config_field("", "Data set; see launch.train --list.")
    data_dir: str | None = config_field(
        None,
        "Folder (or csv file) of the data set. Default: $FERJAX_DATA/<dataset>, then"
        " data/<dataset>. For --crops: any folder of images.",
    )
    out: str | None = config_field(None, "New folder. Default: prepared/<dataset>-<task>.")
    overwrite: bool = config_field(
        False,
        "Move what --out names to OUT.old-1, .old-2 and so on, if ferjax wrote it.",
    )
    audit: bool = config_field(
        False, "Report counts, sizes, unreadable files, duplicates within and across splits."
    )
    crops: bool = config_field(
        False, "Crop the faces that --detector finds, with a contact sheet for each class."
    )
    cache: bool = config_field(False, "Decode all images once into memory-mapped files.")
    preview: bool = config_field(
        False, "Draw training images as the network gets them, with augmentation."
    )
    detector: str = config_field(
        "mtcnn",
        "For --crops: the face detector: mtcnn, haar (Viola-Jones), or a network in an ONNX file,"
        " yunet:FILE or centerface:FILE.",
    )
    margin: int | None = config_field(
        None,
        "For --crops: pixels around the detector's box. Default: the square about the box.",
        low=0,
    )
    rule: str = config_field(
        "largest",
        "For --crops: which face to take if there are several.",
        choices=("largest", "centre"),
    )
    align: bool = config_field(True, "For --crops: rotate the face until the eyes are level.")
    no_face: str = config_field(
        "drop", "For --crops: what to do with an image without a face.", choices=("drop", "keep")
    )
    image_size: int = config_field(
        64, "Side in pixels to which images are resized if their sizes differ.", low=1
    )
    augment: str = config_field("standard", "For --preview: the augmentation preset.")
    on_bad_image: str = config_field(
        "error",
        "What to do with an unreadable image: error, or skip and count it.",
        choices=("error", "skip"),
    )
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)


@dataclass(frozen=True)
class SearchConfig:
    """Settings of `launch.search` itself, one flag for each field; trials use a `TrainConfig`."""

    trials: int | None = config_field(
        None,
        "Total number of trials, including those of earlier commands. Default: 20; with"
        " --sampler=grid all combinations.",
        low=1,
        free=True,
    )
    space: str | None = config_field(
        None,
        "Search space: field=low:high, field=log:low:high, field=a|b|c, separated by commas."
        " Default: learning rate, weight decay, label smoothing, augmentation and optimizer, except"
        " those given as flags.",
    )
    sampler: str = config_field(
        "tpe",
        "tpe: tree-structured Parzen estimator, random for the first ten trials; random: random"
        " search; grid: every combination of choices once.",
        choices=("tpe", "random", "grid"),
    )
    pruner: str = config_field(
        "median",
        "median: stop a trial whose best val accuracy so far is below the median of the finished"
        " trials at the same epoch, after five trials and a quarter of the epochs; none: never.",
        choices=("median", "none"),
    )
    search_seed: int = config_field(
        0, "Seed of the sampler; --seed is the seed of training.", low=0
    )
    workers: int = config_field(
        1, "Number of processes on this machine that share the study.", low=1, free=True
    )
    out: str | None = config_field(
        None,
        "Folder of the study. Default: runs/search-<model>-<dataset>; runs/search-models-<dataset>"
        " if the model varies.",
        free=True,
    )

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)


@dataclass(frozen=True)
class RecognisersConfig:
    """Settings of `launch.bench --suite=recognisers`, one flag for each field."""

    peers: str | None = config_field(
        None,
        "recognisers: folder that holds other projects' packages; how to fetch them:"
        " docs/results/recognisers.md.",
    )
    data_dir: str | None = config_field(
        None,
        "recognisers: folder (or csv file) of fer2013 or of ferplus; several, comma-separated, are"
        " all scored. Default: that of fer2013. speedrun: folder (or csv file) of fer2013.",
    )
    runs: str | None = config_field(
        None,
        "recognisers: run directories to judge beside what ferjax ships, comma-separated.",
    )
    split: str = config_field(
        "val", "recognisers: split to score.", choices=("train", "val", "test")
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class GpuBenchConfig:
    """Settings of `launch.bench --suite=gpu`, one flag for each field."""

    predict: bool = config_field(
        False,
        "gpu: only predict the times of training steps on H100 and H200, on any machine; nothing"
        " is measured.",
    )


@dataclass(frozen=True)
class PredictBenchConfig:
    """Settings of `launch.bench --suite=predict`, one flag for each field."""

    photos: str | None = config_field(
        None,
        "predict: folder that holds packages of pip with photographs; how to fetch them:"
        " docs/results/prediction.md.",
    )
    detectors: str = config_field(
        "mtcnn,haar",
        "predict: face detectors to compare on the photographs, comma-separated; also yunet:FILE"
        " and centerface:FILE.",
    )

    def __post_init__(self) -> None:
        check_fields(self)
