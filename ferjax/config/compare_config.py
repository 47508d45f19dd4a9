"""Config (flags) of launch.compare."""

from dataclasses import dataclass

from ferjax.config.fields import check_fields, config_field, expand_home


@dataclass(frozen=True)
class CompareConfig:
    """Settings of `launch.compare`, one flag for each field."""

    out: str | None = config_field(
        None, "New folder for the report. Default: comparisons/ and the names of the runs."
    )
    split: str | None = config_field(
        None,
        "The split whose predictions are compared. Default: the first of test, val, all and train"
        " that every run has.",
        choices=("train", "val", "test", "all"),
    )
    shared: bool = config_field(
        False,
        "Compare runs of different images on those that all of them have. Without it such runs are"
        " refused.",
    )

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
