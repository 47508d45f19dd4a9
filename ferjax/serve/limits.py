"""What one request, one address and all of them together may ask for."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ferjax.config.serve_config import ServeConfig

# Addresses that are remembered; the one that was away longest is forgotten first.
_MOST_ADDRESSES = 10_000


class Refused(Exception):
    """A request that is not answered as asked: its status, and why.

    Attributes:
      status: of HTTP.
      message: for the sender.
      retry_after: seconds after which to try again, or None: trying again does not help.
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
      upload_bytes: of one body.
      all_bytes: of the bodies of all requests that are under way.
      pixels: of one picture or frame.
      pictures: of one request.
      faces: of one picture.
      frames: of one video.
      requests: that are under way together.
      seconds: of a body's way, and of the work on it.
    """

    upload_bytes: int
    all_bytes: int
    pixels: int
    pictures: int
    faces: int
    frames: int
    requests: int
    seconds: float


# Bodies of the largest size that are in memory together.
_LARGEST_TOGETHER = 8


def limits_of(config: ServeConfig) -> Limits:
    """Returns the limits that the flags ask for."""
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
    """Counts the requests of each address: a minute's worth at once, then as many as allowed.

    The count is a bucket that holds `per_minute` requests and fills up again steadily. Addresses
    are kept in memory alone, and only while they send.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begins to count.

        Args:
          per_minute: requests of one address; 0: any number.
          clock: seconds.
        """
        self._per_minute, self._clock = per_minute, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, address: str) -> int:
        """Counts a request; returns 0, or after how many seconds the address may ask again."""
        if not self._per_minute:
            return 0
        now, key = self._clock(), _network_of(address)
        left, seen = self._buckets.pop(key, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - seen) * self._per_minute / 60)
        wait = 0 if left >= 1 else int((1 - left) * 60 / self._per_minute) + 1
        self._buckets[key] = (left if wait else left - 1, now)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return wait


def _network_of(address: str) -> str:
    """Returns what counts as one sender: of IPv6 the network of a household, 64 bits."""
    if ":" not in address:
        return address
    try:
        number = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(number.ipv4_mapped or int(number) >> 64)
