"""Results of the suite `growth`: costs by the number of images, and whether they stay linear."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# A larger share of fixed cost would hide that the rest grows.
_FIXED_SHARE = 0.1
# Ratios within this of 1 are flat.
TOLERANCE = 0.1
FLAT, GROWS, FALLS, UNEVEN, FIXED = "flat", "grows", "falls", "uneven", "mostly fixed"


@dataclass(frozen=True)
class Trend:
    """How a cost for each image changes with the number of images.

    Attributes:
      base: index of the smallest number whose cost is not mostly fixed; None if there is none.
      ratios: of the cost for each image to that at the base, from the base on.
      word: `FLAT` if all ratios are within 10 % of 1; `GROWS` or `FALLS` if that of the largest
        number is not; `UNEVEN` if only others are not; `FIXED` if no number is above the base.
    """

    base: int | None
    ratios: tuple[float, ...]
    word: str


def trend(images: Sequence[int], costs: Sequence[float]) -> Trend:
    """Returns the trend of a cost.

    The fixed part is where the line through the two smallest numbers meets zero images. The base is
    the smallest number at which it is at most a tenth of the cost.

    Args:
      images: two or more numbers of images, ascending.
      costs: the cost at each, seconds or bytes.
    """
    slope = (costs[1] - costs[0]) / (images[1] - images[0])
    fixed = max(0.0, costs[0] - slope * images[0])
    settled = (i for i, cost in enumerate(costs) if fixed <= _FIXED_SHARE * cost and cost > 0)
    base = next(settled, None)
    if base is None or base == len(costs) - 1:
        return Trend(base, (), FIXED)
    each = [cost / count for cost, count in zip(costs, images, strict=True)][base:]
    ratios = tuple(cost / each[0] for cost in each)
    if abs(ratios[-1] - 1) > TOLERANCE:
        return Trend(base, ratios, GROWS if ratios[-1] > 1 else FALLS)
    flat = all(abs(ratio - 1) <= TOLERANCE for ratio in ratios)
    return Trend(base, ratios, FLAT if flat else UNEVEN)


@dataclass(frozen=True)
class Growth:
    """A part of a run, measured on data sets of different sizes.

    Attributes:
      part: its name.
      devices: number of simulated devices.
      data_sets: number of images of each data set, ascending.
      images: how many of them the part handles.
      seconds: for each data set the seconds of a run, one for each round.
      peaks: for each data set the memory that a run takes at most, bytes; None where the platform
        does not report it.
    """

    part: str
    devices: int
    data_sets: tuple[int, ...]
    images: tuple[int, ...]
    seconds: tuple[tuple[float, ...], ...]
    peaks: tuple[int | None, ...]

    @property
    def medians(self) -> list[float]:
        """Returns the median seconds for each number of images."""
        return [statistics.median(values) for values in self.seconds]

    @property
    def time_trend(self) -> Trend:
        """Returns the trend of the time."""
        return trend(self.images, self.medians)

    @property
    def memory_trend(self) -> Trend | None:
        """Returns the trend of the memory, or None where it is not reported."""
        known = [peak for peak in self.peaks if peak is not None]
        return trend(self.images, known) if len(known) == len(self.images) else None

    def to_json(self) -> dict[str, Any]:
        """Returns the measurements as JSON values."""
        columns = (self.data_sets, self.images, self.seconds, self.medians, self.peaks)
        memory = self.memory_trend
        return {
            "part": self.part,
            "devices": self.devices,
            "sizes": [
                {
                    "data set": data_set,
                    "images": count,
                    "seconds": list(values),
                    "median seconds": median,
                    "microseconds for each image": 1e6 * median / count,
                    "peak bytes": peak,
                    "bytes for each image": None if peak is None else peak / count,
                }
                for data_set, count, values, median, peak in zip(*columns, strict=True)
            ],
            "time": _trend_json(self.time_trend, self.data_sets),
            "memory": None if memory is None else _trend_json(memory, self.data_sets),
        }


def _trend_json(found: Trend, data_sets: Sequence[int]) -> dict[str, Any]:
    base = None if found.base is None else data_sets[found.base]
    return {"compared with images": base, "ratios": list(found.ratios), "trend": found.word}
