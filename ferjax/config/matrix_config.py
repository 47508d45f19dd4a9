"""Config (flags) of launch.matrix."""

from dataclasses import dataclass

from ferjax.config.fields import check_fields, config_field, expand_home
from ferjax.config.train_config import TTA
from ferjax.errors import UserError


@dataclass(frozen=True)
class MatrixConfig:
    """Settings of `launch.matrix`, one flag for each field."""

    workdir: tuple[str, ...] = config_field((), "Run directories, comma-separated: a row each.")
    weights: tuple[str, ...] = config_field(
        (),
        "Recognisers that come with ferjax (fernet-ferplus, fernet-fer2013) and weights files of"
        " launch.export, comma-separated: a row each.",
    )
    data: tuple[str, ...] = config_field(
        (),
        "Data sets, comma-separated, a column each: NAME:PATH:SPLIT such as"
        " fer2013:faces/fer2013.csv:test. Without PATH they are found as elsewhere. Without SPLIT:"
        " test, else val; all images where a data set has no official splits.",
    )
    out: str = config_field(
        "matrix",
        "Folder for the report and for an evaluation of each cell; finished cells are taken from"
        " it.",
    )
    tta: str = config_field("none", "Test-time augmentation.", choices=TTA)
    checkpoint: str = config_field(
        "selected", "Which checkpoint's parameters to use.", choices=("selected", "last")
    )
    on_bad_image: str = config_field(
        "error",
        "What to do with an unreadable image: error, or skip and count it.",
        choices=("error", "skip"),
    )
    progress: bool = config_field(True, "Progress bars on a terminal.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        for flag in ("workdir", "weights", "data"):
            if "" in getattr(self, flag):
                raise UserError(f"--{flag}: a name between the commas is empty.")
        if not (self.workdir or self.weights):
            raise UserError(
                "no networks given: --workdir=RUN,RUN or --weights=fernet-ferplus, or both."
            )
        if not self.data:
            raise UserError("--data is missing: fer2013:PATH,ckplus:PATH, a column each.")
        if self.weights and self.checkpoint != "selected":
            raise UserError(
                f"--checkpoint={self.checkpoint} is about runs, and --weights are none. Leave one"
                " of the two out."
            )
