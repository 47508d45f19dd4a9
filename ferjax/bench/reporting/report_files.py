"""Benchmark report: bench.md, bench.html, bench.json, and aligned tables for the terminal."""

import contextlib
import importlib.metadata
import json
import os
import platform
import re
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
from ferjax.report.environment import describe_environment
from ferjax.report.html.markdown_page import write_markdown_page
from ferjax.report.pages.markdown_tables import escape, table
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.sharding import dropped_options

_EXPLANATION = """\
Every number is float32, unless the case names another precision, forward and backward but for
*forward*. A speedup above 1 means that ferjax is faster; it is the median of the ratios of all
rounds, in which the sides run one after the other. A time is the median of its rounds; ± is half of
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
        "environment": environment_values,
        "ceilings": {"flops per second": ceilings.flops, "bytes per second": ceilings.bytes},
        "note": note,
        "cases": [to_json(result) for result in results],
        **values,
    }
    write_atomically(folder / "bench.json", (json.dumps(record, indent=1) + "\n").encode())
    draw_speedups(results, folder / "bench.png", f"Speed of ferjax, {_machine(environment_values)}")
    page = _page(results, ceilings, note, environment_values, text)
    write_markdown_page(folder / "bench.md", page)


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


def _page(
    results: Sequence[CaseResult],
    ceilings: Ceilings,
    note: str | None,
    environment_values: dict[str, Any],
    section: str,
) -> str:
    parts = ["# Benchmarks of ferjax", f"`{environment_values['command line']}`"]
    if note:
        parts.append(f"> {escape(note)}.")
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
    parts += ["## Ceilings of this machine", table(["measured", "rate"], rates)]
    parts += ["## Environment", environment_table(environment_values)]
    return "\n\n".join(parts) + "\n"


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


def environment(seconds: float) -> dict[str, Any]:
    """Returns machine, versions, command line and wall time as JSON values."""
    values = describe_environment(list(jax.devices()[:1]), seconds)
    values["wall time, minutes"] = values.pop("training wall time, minutes")
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        values["versions"]["torch"] = importlib.metadata.version("torch")
    values["processor"] = f"{_processor()}, {os.cpu_count()} cores"
    # Without these options jaxlib uses another library, which has another speed.
    dropped = dropped_options(jax.default_backend())
    values["compiler options dropped"] = "; ".join(dropped) or "none"
    return values


def environment_table(values: dict[str, Any]) -> str:
    """Returns `environment`'s values as a Markdown table."""
    rows = [[escape(key), escape(_value_text(value))] for key, value in values.items()]
    return table(["what", "value"], rows, 2)


def _machine(values: dict[str, Any]) -> str:
    return values["processor"] if jax.default_backend() == "cpu" else values["devices"]


def _processor() -> str:
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if match := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


def _value_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value)


def _time_text(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.3g} ms"


def _ratio_text(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.3g}x" if ratio < 100 else f"{ratio:.0f}x"


def _megabytes(count: int | None) -> str:
    return "–" if count is None else f"{count / 1e6:.0f} MB"
