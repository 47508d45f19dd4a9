"""Configs (flags) of launch.predict and launch.export."""

from dataclasses import dataclass

from ferjax.config.field_combinations import check_one_network
from ferjax.config.fields import check_fields, config_field, expand_home
from ferjax.config.train_config import TTA
from ferjax.errors import UserError, unknown_name

# Help of flags that several commands have.
WEIGHTS_HELP = (
    "Instead of a run: a recogniser that comes with ferjax (fernet-ferplus, fernet-fer2013), or"
    " a weights file of launch.export. Default: fernet-ferplus."
)
FACES_HELP = (
    "whole: every picture is a face; crop: the faces in it are searched and cut out; auto: crop"
    " for pictures larger than 256 pixels, whole for others."
)
DETECTOR_HELP = (
    "The face detector: mtcnn, haar (Viola-Jones), or a network in an ONNX file, yunet:FILE or"
    " centerface:FILE."
)


@dataclass(frozen=True)
class PredictConfig:
    """Settings of `launch.predict`, one flag for each field."""

    workdir: tuple[str, ...] = config_field(
        (),
        "Run directory of a network that you trained; several, comma-separated, are averaged.",
    )
    weights: str | None = config_field(None, WEIGHTS_HELP)
    out: str | None = config_field(
        None,
        "Table to write: .csv, .jsonl or .parquet. A command that was killed goes on where it was."
        " Default: csv on standard output.",
    )
    part: str | None = config_field(
        None,
        "Only a part of the inputs, K/N, such as 1/4: for several processes or machines, each with"
        " a table of its own.",
    )
    faces: str = config_field(
        "auto",
        FACES_HELP,
        choices=("auto", "whole", "crop"),
    )
    detector: str = config_field("mtcnn", DETECTOR_HELP)
    sets: float | None = config_field(
        None,
        "Add a column with the emotions of each image's prediction set, which holds the true one"
        " with this probability, such as 0.9.",
    )
    annotate: str | None = config_field(
        None,
        "Folder for copies of the pictures with a box and the emotion of each face; for a video the"
        " name of its copy.",
    )
    summary: str | None = config_field(
        None, "A page about the table, .html: shares of the emotions, timelines, examples."
    )
    every: int = config_field(
        5, "For a video: faces are searched in every so many frames, followed in between.", low=1
    )
    smooth: float = config_field(
        0.5, "For a video: seconds over which probabilities are smoothed; 0: not at all.", low=0
    )
    on_bad_image: str = config_field(
        "skip",
        "What to do with an unreadable image: skip, its row says why, or error.",
        choices=("error", "skip"),
    )
    checkpoint: str = config_field(
        "selected", "Which checkpoint's parameters to use.", choices=("selected", "last")
    )
    tta: str = config_field("none", "Test-time augmentation.", choices=TTA)
    batch_size: int = config_field(64, "Images per forward pass.", low=1)
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        check_one_network(self)


@dataclass(frozen=True)
class LiveConfig:
    """Settings of `launch.live`, one flag for each field."""

    source: str = config_field("0", "Number of a camera from 0, or a video file.")
    workdir: str | None = config_field(None, "Run directory of a network that you trained.")
    weights: str | None = config_field(None, WEIGHTS_HELP)
    out: str | None = config_field(
        None, "csv file for a row of each person in each frame, written as they come."
    )
    display: bool = config_field(True, "Show the frames in a window, where there is a display.")
    detector: str = config_field("mtcnn", DETECTOR_HELP)
    every: int = config_field(
        5, "Faces are searched in every so many frames, followed in between.", low=1
    )
    smooth: float = config_field(
        0.5, "Seconds over which probabilities are smoothed; 0: not at all.", low=0
    )
    checkpoint: str = config_field(
        "selected", "Which checkpoint's parameters to use.", choices=("selected", "last")
    )

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        check_one_network(self)


# Formats of launch.export, as in ferjax/export/formats.py, which imports them all.
EXPORT_FORMATS = ("safetensors", "stablehlo", "pytorch", "torchvision")
EXPORT_FORMATS += ("onnx", "openvino", "tflite", "browser")


@dataclass(frozen=True)
class ExportConfig:
    """Settings of `launch.export`, one flag for each field."""

    workdir: str = config_field("", "Run directory to export; it is calibrated on val.")
    out: str = config_field("", "Folder for the files.")
    format: tuple[str, ...] = config_field(
        ("safetensors",),
        "Formats, comma-separated: safetensors (weights in half precision, which ferjax reads) and"
        f" what needs no ferjax: {', '.join(EXPORT_FORMATS[1:])}. Default: safetensors.",
    )
    weights: str | None = config_field(
        None,
        "Instead of a run: a recogniser that comes with ferjax (fernet-ferplus, fernet-fer2013), or"
        " a weights file of launch.export.",
    )
    name: str | None = config_field(
        None, "Name of the files. Default: that of the run directory's folder, or of the weights."
    )
    checkpoint: str = config_field(
        "selected", "Which checkpoint's parameters to use.", choices=("selected", "last")
    )
    data_dir: str | None = config_field(
        None,
        "Folder (or csv file) of the run's data set, whose val calibrates and checks. Default:"
        " where it was; for --weights drawn faces check where it is not.",
    )
    bench: str | None = config_field(
        None,
        "bench.json of launch.bench --suite=recognisers --runs=RUN, whose speeds the card states.",
    )
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        check_one_network(self)
        if not self.workdir and not self.weights:
            raise UserError(
                "--workdir is missing: the folder of a ferjax run; or --weights: a recogniser that"
                " comes with ferjax (fernet-ferplus, fernet-fer2013), or a weights file."
            )
        if not self.out:
            raise UserError("--out is missing: a folder for the exported files.")
        for flag, default in (("checkpoint", "selected"), ("bench", None)):
            if self.weights and getattr(self, flag) != default:
                raise UserError(f"--{flag} is about a run, and --weights is none. Leave it out.")
        for name in self.format or ("",):
            if name not in EXPORT_FORMATS:
                raise unknown_name("--format", name, EXPORT_FORMATS)
        if self.name == "model" or (self.name and "/" in self.name):
            raise UserError(f"--name={self.name}: a file name, and not model, is expected.")
