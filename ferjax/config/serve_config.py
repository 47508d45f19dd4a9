"""Config (flags) of launch.serve."""

import ipaddress
import re
from dataclasses import dataclass

from ferjax.config.field_combinations import check_one_network
from ferjax.config.fields import check_fields, config_field, expand_home
from ferjax.config.predict_and_export import DETECTOR_HELP, WEIGHTS_HELP
from ferjax.errors import UserError

# A Host header without its port, as browsers send it: names in other scripts are `xn--...`.
_HOST_NAME = re.compile(r"[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class ServeConfig:
    """Settings of `launch.serve`, one flag for each field."""

    workdir: str | None = config_field(None, "Run directory of a network that you trained.")
    weights: str | None = config_field(None, WEIGHTS_HELP)
    checkpoint: str = config_field(
        "selected", "Which checkpoint's parameters to use.", choices=("selected", "last")
    )
    detector: str = config_field("mtcnn", DETECTOR_HELP)
    sets: float = config_field(
        0.9,
        "Prediction sets hold the true emotion with this probability. A run without a calibration"
        " has none.",
        above=0,
    )
    host: str = config_field(
        "127.0.0.1",
        "Address to listen at. 127.0.0.1: this machine alone; 0.0.0.0: everyone who can reach it.",
    )
    port: int = config_field(8000, "Port to listen at; 0: a free one.", low=0, high=65535)
    allowed_hosts: tuple[str, ...] = config_field(
        (),
        "Names by which browsers may reach the server, comma-separated. localhost and addresses in"
        " numbers always work.",
    )
    trusted_proxy: str | None = config_field(
        None,
        "Address or network, in numbers, of a proxy whose X-Forwarded-For and X-Forwarded-Proto are"
        " believed.",
    )
    batch_size: int = config_field(64, "Faces a forward pass, at most.", low=1)
    wait_ms: float = config_field(
        1.0, "Milliseconds that a face waits for others of the same batch, at most.", low=0
    )
    max_upload_mb: int = config_field(64, "Megabytes of one request, at most.", low=1)
    max_pixels: int = config_field(
        25_000_000, "Pixels of one picture or video frame, at most.", low=1
    )
    max_pictures: int = config_field(256, "Pictures of one request, at most.", low=1)
    max_faces: int = config_field(256, "Faces of one picture that get an emotion, at most.", low=1)
    max_frames: int = config_field(1500, "Frames of one video, at most.", low=1)
    max_requests: int = config_field(64, "Requests that are under way together, at most.", low=1)
    max_seconds: int = config_field(
        120, "Seconds that a request's body, and the work on it, may take.", low=1
    )
    rate: int = config_field(
        1200, "Requests a minute from one address, at most; 0: any number.", low=0
    )
    threads: int | None = config_field(
        None, "Threads that decode pictures and find faces. Default: one for each core.", low=1
    )

    def __post_init__(self) -> None:
        expand_home(self)
        check_fields(self)
        check_one_network(self)
        for name in self.allowed_hosts:
            if not _HOST_NAME.fullmatch(name):
                raise UserError(
                    f"--allowed_hosts={name}: is not a name of a host. Give the name alone, without"
                    " https://, port and path, such as faces.example.org."
                )
        if self.trusted_proxy is not None and not _is_address(self.trusted_proxy):
            raise UserError(
                f"--trusted_proxy={self.trusted_proxy}: is not an address in numbers. Give one such"
                " as 127.0.0.1, or a network such as 172.17.0.0/16."
            )


def _is_address(text: str) -> bool:
    """Returns whether a text is an address, or a network, of IPv4 or IPv6."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
