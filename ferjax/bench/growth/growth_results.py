"""Results of the suite `growth`: costs by the number of images, and whether they stay linear."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# A larger share of fixed cost would hide the growth of the remaining cost.
_FIXED_SHARE = 0.1
# Ratios within this of 1 are flat.
TOLERANCE = 0.1
FLAT, GROWS, FALLS, UNEVEN, FIXED = "flat", "grows", "falls", "uneven", "mostly fixed"


@dataclass(frozen=True)
class Trend:
    """How a cost for each image changes with the number of images.

    Attributes:
      base: index of the smallest number of images whose cost is not mostly fixed; None if there is
        none.
      ratios: the cost for each image, divided by the cost for each image at the base; one ratio for
        the base and for each larger number of images.
      word: `FLAT` if all ratios are within 10 % of 1; `GROWS` or `FALLS` if the last ratio is not;
        `UNEVEN` if only earlier ratios are not; `FIXED` if no number of images is above the base.
    """

    base: int | None
    ratios: tuple[float, ...]
    word: str


def trend(images: Sequence[int], costs: Sequence[float]) -> Trend:
    """Returns the trend of a cost.

    A line runs through the costs of the two smallest numbers of images; its value at zero images is
    the fixed part. The base is the smallest number of images at which the fixed part is at most a
    tenth of the cost.

    Args:
      images: two or more numbers of images, ascending.
      costs: the cost at each number of images, seconds or bytes.
    """
    slope = (costs[1] - costs[0]) / (images[1] - images[0])
    fixed = max(0.0, costs[0] - slope * images[0])
    bases = (i for i, cost in enumerate(costs) if fixed <= _FIXED_SHARE * cost and cost > 0)
    base = next(bases, None)
    if base is None or base == len(costs) - 1:
        return Trend(base, (), FIXED)
    image_costs = [cost / count for cost, count in zip(costs, images, strict=True)][base:]
    ratios = tuple(cost / image_costs[0] for cost in image_costs)
    if abs(ratios[-1] - 1) > TOLERANCE:
        return Trend(base, ratios, GROWS if ratios[-1] > 1 else FALLS)
    flat = all(abs(ratio - 1) <= TOLERANCE for ratio in ratios)
    return Trend(base, ratios, FLAT if flat else UNEVEN)


@dataclass(frozen=True)
class Growth:
    """A part of a run, measured on data sets of different sizes.

    Attributes:
      part: name of the part.
      devices: number of simulated devices.
      data_sets: number of images of each data set, ascending.
      images: for each data set the number of images that the part handles.
      seconds: for each data set the seconds of a run, one number for each round.
      peaks: for each data set the peak memory of a run, bytes; None where the platform does not
        report it.
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
        peaks = [peak for peak in self.peaks if peak is not None]
        return trend(self.images, peaks) if len(peaks) == len(self.images) else None

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


def _trend_json(cost_trend: Trend, data_sets: Sequence[int]) -> dict[str, Any]:
    base = None if cost_trend.base is None else data_sets[cost_trend.base]
    ratios = list(cost_trend.ratios)
    return {"compared with images": base, "ratios": ratios, "trend": cost_trend.word}
