"""Config (flags) of the suite `speedrun` of launch.bench."""

from dataclasses import dataclass

from ferjax.config.fields import check_fields, config_field, expand_home


@dataclass(frozen=True)
class SpeedrunConfig:
    """Settings of `launch.bench --suite=speedrun`, one flag for each field."""

    data_dir: str | None = config_field(
        None, "speedrun: folder (or csv file) of fer2013. Default: $FERJAX_DATA/fer2013."
    )
    target: float = config_field(
        0.60, "speedrun: the accuracy on PublicTest to reach.", above=0, high=1
    )
    repeats: int = config_field(5, "speedrun: number of seeds, from 0; intervals need two.", low=1)
    recipe: str = config_field("whitened", "speedrun: the recipe of ferjax's side.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
