"""Config (flags) of launch.explain."""

from dataclasses import dataclass, fields

from ferjax.config.field_combinations import check_one_network
from ferjax.config.fields import check_fields, config_field, expand_home
from ferjax.config.predict_and_export import DETECTOR_HELP, FACES_HELP, WEIGHTS_HELP
from ferjax.errors import UserError

_EXPLAIN_METHODS = (
    "gradcam",
    "gradcam++",
    "layercam",
    "smoothgrad",
    "integrated_gradients",
    "occlusion",
)


@dataclass(frozen=True)
class ExplainConfig:
    """Settings of `launch.explain`, one flag for each field."""

    workdir: str | None = config_field(None, "Run directory of a network that you trained.")
    weights: str | None = config_field(None, WEIGHTS_HELP)
    out: str = config_field("", "New folder for the pictures and the page.")
    method: str = config_field(
        "layercam",
        "How the maps are made; docs/explain.md says what each of them shows.",
        choices=_EXPLAIN_METHODS,
    )
    layer: str | None = config_field(
        None,
        "For gradcam, gradcam++ and layercam: the layer to explain, such as stage1_block0. Default:"
        " the last of the outermost layers with a map of 6x6 or more, for layercam of 12x12.",
    )
    emotion: str | None = config_field(
        None, "The emotion to explain. Default: the most probable one of each face."
    )
    split: str | None = config_field(
        None,
        "Instead of files: a split of the run's data set. Adds mean maps of each emotion, the most"
        " certain faces, deletion and insertion curves, and the check with randomised weights.",
        choices=("train", "val", "test", "all"),
    )
    dataset: str | None = config_field(
        None, "With --split: another data set. Default: that of the run."
    )
    data_dir: str | None = config_field(
        None, "With --split: folder (or csv file) of the data set. Default: that of the run."
    )
    images: int = config_field(
        500,
        "With --split: how many faces, drawn at random, the curves and the mean of each emotion are"
        " made of, at most. All faces of the split are read and predicted first.",
        low=2,
    )
    faces: str = config_field(
        "auto",
        FACES_HELP,
        choices=("auto", "whole", "crop"),
    )
    detector: str = config_field("mtcnn", DETECTOR_HELP)
    on_bad_image: str = config_field(
        "skip",
        "What to do with an unreadable image: skip it and say so, or error.",
        choices=("error", "skip"),
    )
    checkpoint: str = config_field(
        "selected", "Which checkpoint's parameters to use.", choices=("selected", "last")
    )
    batch_size: int = config_field(64, "Images per forward pass.", low=1)
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        check_one_network(self)
        if not self.out:
            raise UserError("--out is missing: a new folder for the pictures.")
        if self.emotion is not None and self.split:
            raise UserError(
                f"--emotion={self.emotion} with --split: every emotion has a row of its own there."
                " Leave the flag out."
            )
        changed = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        for flag in ("dataset", "data_dir", "images"):
            if flag in changed and not self.split:
                raise UserError(
                    f"--{flag}={changed[flag]} belongs to --split. Name a split too, such as"
                    " --split=val, or leave the flag out and name files after the flags."
                )
        for flag in ("faces", "detector", "on_bad_image"):
            if flag in changed and self.split:
                raise UserError(
                    f"--{flag}={changed[flag]} belongs to files, and --split={self.split} reads the"
                    " faces of a data set. Leave one of the two flags out."
                )
