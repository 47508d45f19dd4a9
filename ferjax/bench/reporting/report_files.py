"""Benchmark report: bench.md, bench.html, bench.json, and aligned tables for the terminal."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from ferjax.bench.measuring.case import OURS, TORCH
from ferjax.bench.measuring.case_result import (
    CaseResult,
    median,
    memory_ratio,
    over_floor,
    peers_of,
    speedup,
    to_json,
)
from ferjax.bench.measuring.interleaved_timing import spread
from ferjax.bench.measuring.machine_ceilings import Ceilings
from ferjax.bench.reporting.speedup_chart import draw_speedups
from ferjax.bench.reporting.suite_report import environment, write_suite_report
from ferjax.report.pages.markdown_tables import escape, table

_EXPLANATION = """\
Every number is float32, unless the case names another precision, forward and backward but for
*forward*. A speedup above 1 means that ferjax is faster; it is the median of the ratios of all
rounds, in which the sides run one after the other, each after a run of its own that is not
measured (but for runs of 3 s and more). A time is the median of its rounds; ± is half of
(longest - shortest) over the median. *Plain XLA* is the same written with `lax` under `jax.jit`;
*PyTorch* runs the fastest of the settings below. The *floor* is the longer of two times: the least
FLOPs over the measured rate of matrix products, and the bytes of arguments and results over the
measured memory bandwidth; *vs floor* is ferjax's time over it. Memory is the peak of a run beyond
its inputs, parameters and program, in a process of its own; a peer's column is its memory over that
of ferjax. The suite *input* runs on the host and counts images: *bare loop* only reads the same
images into arrays, with as many threads; PyTorch's side is a DataLoader; its memory includes
opening the store. In the suite *guide* the peers are steps of ferjax, too: *computed* runs the
forward pass of the frozen branch, *no guide* has no frozen branch, *trained whole* freezes nothing.
The suite *forward* goes from uint8 faces to probabilities, forward only; PyTorch runs in inference
mode, and *onnxruntime* runs the file that ferjax exports."""

# Results → Markdown of one more section of the report, and values for bench.json.
Section = Callable[[Sequence[CaseResult]], tuple[str, dict[str, Any]]]


def no_section(results: Sequence[CaseResult]) -> tuple[str, dict[str, Any]]:
    """Returns an empty section."""
    del results
    return "", {}


def write_report(
    folder: Path,
    results: Sequence[CaseResult],
    ceilings: Ceilings,
    note: str | None,
    seconds: float,
    section: Section = no_section,
) -> None:
    """Writes bench.json, bench.md, bench.html and bench.png.

    Args:
      folder: the folder to write to.
      results: in the order of the tables.
      ceilings: measured rates of the machine.
      note: why a side is missing, or None.
      seconds: wall time so far.
      section: returns one more section of the page, and values for bench.json.

    Raises:
      UserError: a file cannot be written.
    """
    environment_values, (text, values) = environment(seconds), section(results)
    record = {
        "ceilings": {"flops per second": ceilings.flops, "bytes per second": ceilings.bytes},
        "note": note,
        "cases": [to_json(result) for result in results],
        **values,
    }
    draw_speedups(results, folder / "bench.png", f"Speed of ferjax, {_machine(environment_values)}")
    parts = _parts(results, ceilings, note, text)
    write_suite_report(folder, environment_values, record, "Benchmarks of ferjax", parts)


def terminal_table(results: Sequence[CaseResult]) -> str:
    """Returns the results as aligned columns of text, one table per suite."""
    return "\n\n".join(
        aligned(_rows(suite_results)) for suite_results in _by_suite(results).values()
    )


def _by_suite(results: Sequence[CaseResult]) -> dict[str, list[CaseResult]]:
    suites: dict[str, list[CaseResult]] = {}
    for result in results:
        suites.setdefault(result.suite, []).append(result)
    return suites


def aligned(cells: list[list[str]]) -> str:
    """Returns header and rows as columns of text, all but the first aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for name, *numbers in cells:
        padded = [n.rjust(w) for n, w in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded]))
    lines.insert(1, "─" * len(lines[0]))
    return "\n".join(lines)


def _rows(results: Sequence[CaseResult]) -> list[list[str]]:
    """Returns header and rows, with a column for each peer in any of the results."""
    peers = peers_of(results)
    with_memory = [peer for peer in peers if any(peer in result.peak_bytes for result in results)]
    header = ["case", *(f"vs {peer}" for peer in peers), "vs floor", OURS, *peers]
    rows = [header + [f"memory of {peer}" for peer in with_memory]]
    for result in results:
        ratios = [*(speedup(result, peer) for peer in peers), over_floor(result)]
        times = [_time_text(median(result, label)) for label in (OURS, *peers)]
        memory = [_ratio_text(memory_ratio(result, peer)) for peer in with_memory]
        rows.append([result.name, *map(_ratio_text, ratios), *times, *memory])
    return rows


def _parts(
    results: Sequence[CaseResult], ceilings: Ceilings, note: str | None, section: str
) -> list[str]:
    """Returns the Markdown between the command line and the environment."""
    parts = [f"> {escape(note)}."] if note else []
    parts += ["![Speedups over the peers](bench.png)", _EXPLANATION, *filter(None, [section])]
    for suite, suite_results in _by_suite(results).items():
        parts += [f"## Suite {suite}", _ratio_table(suite_results), _side_table(suite_results)]
    rows = [
        [
            *map(
                escape,
                (result.name, setting, value if isinstance(value, str) else _time_text(value)),
            )
        ]
        for result in results
        for setting, value in result.trials.items()
    ]
    if rows:
        parts += [
            "## Settings of PyTorch that were tried",
            table(["case", "setting", "time"], rows, 2),
        ]
    rates = [
        ["float32 matrix products", f"{ceilings.flops / 1e9:.0f} GFLOP/s"],
        ["memory, read and written", f"{ceilings.bytes / 1e9:.1f} GB/s"],
    ]
    return [*parts, "## Ceilings of this machine", table(["measured", "rate"], rates)]


def _ratio_table(results: Sequence[CaseResult]) -> str:
    header, *rows = _rows(results)
    return table(header, [[escape(name), *cells] for name, *cells in rows])


def _side_table(results: Sequence[CaseResult]) -> str:
    rows = []
    for result in results:
        for label, values in result.seconds.items():
            median_seconds, peak = statistics.median(values), result.peak_bytes.get(label)
            setting = f" ({result.setting})" if label == TORCH else ""
            rows.append(
                [
                    escape(result.name),
                    escape(result.shape),
                    escape(label + setting),
                    f"{_time_text(median_seconds)} ± {50 * spread(values):.0f} %",
                    f"{len(values)}",
                    f"{result.images / median_seconds:.1f}" if result.images else "–",
                    _megabytes(peak),
                ]
            )
    return table(["case", "shape", "side", "time", "rounds", "images/s", "memory"], rows, 3)


def _machine(values: dict[str, Any]) -> str:
    return values["processor"] if jax.default_backend() == "cpu" else values["devices"]


def _time_text(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.3g} ms"


def _ratio_text(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.3g}x" if ratio < 100 else f"{ratio:.0f}x"


def _megabytes(count: int | None) -> str:
    return "–" if count is None else f"{count / 1e6:.0f} MB"
