"""Report of the suite `growth`: bench.md and .html, bench.json, and the terminal's tables."""

from collections.abc import Sequence
from pathlib import Path

from ferjax.bench.growth.growth_results import FIXED, TOLERANCE, Growth, Trend
from ferjax.bench.growth.parts import PARTS
from ferjax.bench.reporting.report_files import aligned
from ferjax.bench.reporting.suite_report import environment, write_suite_report
from ferjax.report.pages.markdown_tables import table

_TIME = f"""\
Microseconds for each image that a part handles, on data sets of these sizes: the median of the
rounds, in which the data sets take turns, each in a process of its own. *Base* is the smallest
number of images at which the fixed part is at most a tenth of the time; the fixed part is where the
line through the two smallest numbers meets zero images. *Largest* is the time for each image of the
largest data set over that at the base. *Flat* means that every ratio is within
{100 * TOLERANCE:.0f} % of 1, *uneven* that only those between are not."""
_MEMORY = """\
The most memory that a part takes beyond what the process held before it, and the same for each
image of the largest data set. Pages of the stores do not count: they are files that processes share
and that the system drops when it needs the memory. *Base*, *largest* and *trend* as for the time,
for each image."""
_DEVICES = """\
**The devices are simulated and share the cores of this machine.** A part that uses none of them is
measured once. Each batch of an evaluation is awaited where simulated devices are several."""


def write_growth(folder: Path, results: Sequence[Growth], seconds: float) -> None:
    """Writes bench.json, bench.md and bench.html.

    Args:
      folder: the folder to write to.
      results: the results of the suite so far.
      seconds: wall time so far.

    Raises:
      UserError: a file cannot be written.
    """
    record = {"parts": [result.to_json() for result in results]}
    rows = [[name, PARTS[name].what] for name in dict.fromkeys(each.part for each in results)]
    parts = [_DEVICES, table(["part", "what is done"], rows, 2)]
    for title, explanation, cells in (
        ("## Time", _TIME, _time_cells(results)),
        ("## Memory", _MEMORY, _memory_cells(results)),
    ):
        parts += [title, explanation, table(cells[0], cells[1:], 2)]
    title = "Growth of the data in ferjax"
    write_suite_report(folder, environment(seconds), record, title, parts)


def growth_tables(results: Sequence[Growth]) -> str:
    """Returns times and memory as columns of text."""
    return "\n\n".join(aligned(cells(results)) for cells in (_time_cells, _memory_cells))


def _time_cells(results: Sequence[Growth]) -> list[list[str]]:
    header = ["µs an image", "devices", *_sizes(results), "base", "largest", "trend"]
    rows = []
    for result in results:
        microseconds = [1e6 * s / n for s, n in zip(result.medians, result.images, strict=True)]
        costs = [f"{cost:,.0f}" if cost >= 100 else f"{cost:.3g}" for cost in microseconds]
        rows.append(
            [result.part, f"{result.devices}", *costs, *_trend_cells(result, result.time_trend)]
        )
    return [header, *rows]


def _memory_cells(results: Sequence[Growth]) -> list[list[str]]:
    sizes = [f"MB, {size}" for size in _sizes(results)]
    header = ["memory", "devices", *sizes, "bytes an image", "base", "largest", "trend"]
    rows = []
    for result in results:
        peaks = ["–" if peak is None else f"{peak / 1e6:.1f}" for peak in result.peaks]
        largest = result.peaks[-1]
        image_bytes = "–" if largest is None else f"{largest / result.images[-1]:,.0f}"
        cells = _trend_cells(result, result.memory_trend)
        rows.append([result.part, f"{result.devices}", *peaks, image_bytes, *cells])
    return [header, *rows]


def _sizes(results: Sequence[Growth]) -> list[str]:
    return [f"{count:,}" for count in results[0].data_sets]


def _trend_cells(result: Growth, trend: Trend | None) -> list[str]:
    if trend is None:
        return ["–", "–", "–"]
    if trend.word == FIXED or trend.base is None:
        return ["–", "–", FIXED]
    return [f"{result.data_sets[trend.base]:,}", f"{trend.ratios[-1]:.2f}x", trend.word]
