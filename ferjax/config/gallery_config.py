"""Config (flags) of launch.gallery."""

from dataclasses import dataclass

from ferjax.config.fields import check_fields, config_field, expand_home
from ferjax.errors import UserError


@dataclass(frozen=True)
class GalleryConfig:
    """Settings of `launch.gallery`, one flag for each field."""

    out: str = config_field(
        "gallery.html", "Page to write. An earlier gallery of this name is written anew."
    )
    progress: bool = config_field(True, "Progress bar on a terminal.")

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        if not self.out.endswith(".html"):
            raise UserError(f"--out={self.out}: the name of a page, .html, is expected.")
