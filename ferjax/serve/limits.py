"""Limits of one request, of one address, and of all requests together."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ferjax.config.serve_config import ServeConfig

# Addresses whose requests are counted; beyond this number the longest silent one is forgotten.
_MOST_ADDRESSES = 10_000


class Refused(Exception):
    """The refusal of a request, with its HTTP status and its reason.

    Attributes:
      status: HTTP status.
      message: the reason, for the sender.
      retry_after: seconds after which to try again; None if another try does not help.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        """Makes the refusal."""
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after

    def headers(self) -> dict[str, str]:
        """Returns the header that says when to try again."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


@dataclass(frozen=True)
class Limits:
    """Limits of a request; see the flags of the same names in `ServeConfig`.

    Attributes:
      upload_bytes: bytes of one body.
      all_bytes: bytes of the bodies of all requests in progress.
      pixels: pixels of one picture or frame.
      pictures: pictures of one request.
      faces: faces of one picture.
      frames: frames of one video.
      requests: requests in progress at the same time.
      seconds: seconds for the transfer of a body, and again for the work on it.
    """

    upload_bytes: int
    all_bytes: int
    pixels: int
    pictures: int
    faces: int
    frames: int
    requests: int
    seconds: float


# Number of bodies of the largest size that fit in memory together.
_LARGEST_TOGETHER = 8


def limits_of(config: ServeConfig) -> Limits:
    """Returns the limits of the flags."""
    upload = config.max_upload_mb * 1_000_000
    return Limits(
        upload,
        _LARGEST_TOGETHER * upload,
        config.max_pixels,
        config.max_pictures,
        config.max_faces,
        config.max_frames,
        config.max_requests,
        float(config.max_seconds),
    )


class RequestRate:
    """Limits the requests a minute of each address with a token bucket.

    A bucket holds `per_minute` requests and refills steadily: an address may send a minute's
    requests at once. Addresses are kept in memory only, 10,000 of them at most.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begins with full buckets.

        Args:
          per_minute: requests a minute of one address; 0 for any number.
          clock: returns seconds.
        """
        self._per_minute, self._clock = per_minute, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, address: str) -> int:
        """Counts a request; returns 0, or the seconds until the address may send another one."""
        if not self._per_minute:
            return 0
        now, key = self._clock(), _sender_key(address)
        tokens, last_time = self._buckets.pop(key, (float(self._per_minute), now))
        tokens = min(self._per_minute, tokens + (now - last_time) * self._per_minute / 60)
        wait = 0 if tokens >= 1 else int((1 - tokens) * 60 / self._per_minute) + 1
        self._buckets[key] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return wait


def _sender_key(address: str) -> str:
    """Returns the key of a sender: an IPv4 address, or the first 64 bits of an IPv6 address.

    These 64 bits are usually the network of one household.
    """
    if ":" not in address:
        return address
    try:
        number = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(number.ipv4_mapped or int(number) >> 64)
