"""Report of the scaling suite: bench.md and .html, .json, .png, and the terminal's tables."""

import dataclasses
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ferjax.bench.reporting.report_files import aligned
from ferjax.bench.reporting.suite_report import environment, write_suite_report
from ferjax.bench.scaling import predict_step_time
from ferjax.bench.scaling.cluster_hardware import CLUSTERS, Cluster
from ferjax.bench.scaling.efficiency_figure import draw_efficiency
from ferjax.bench.scaling.efficient_device_counts import (
    DEVICES,
    KEPT,
    LARGEST_BATCH,
    most_devices,
    strong_efficiency,
    weak_efficiency,
)
from ferjax.bench.scaling.hlo_collectives import wire_bytes
from ferjax.bench.scaling.predict_step_time import DEFAULT, OVERLAPPED, predict
from ferjax.bench.scaling.scaling_results import Counted, Measured, ScalingResult
from ferjax.bench.scaling.step_costs import StepCosts
from ferjax.report.pages.markdown_tables import table

_MEASURED = """\
The training step of a run, on a batch that is on the devices already, in processes that take
turns. *Speed-up* is images per second over those of one device, the median of the rounds' ratios.
**The devices are simulated and share the cores of this machine**: the table shows what the
distribution costs (1: nothing) and nothing of real interconnects. No prediction below uses it."""
_COUNTED = """\
Every collective operation of the optimized program, those in loops as often as they run. *Sent* is
what each device sends in a ring of n: 2(n-1)/n of the payload of an all-reduce, (n-1)/n of others.
*Expected* is 4 bytes for each trained parameter and for each mean and variance of a batch norm, to
which a step only adds a few scalars: the predictions rest on it. *Split* is `--shard_params`."""
_PREDICTED = """\
```
{formula}
```

Assumed, in seconds and bytes: {assumed}. Not modelled: memory, stragglers, congestion, input."""
_EFFICIENCY = """\
Percent of the speed of a single device that each of 8, 64 and 1,024 devices keeps, with the
recipe's batch on each device (weak scaling) and no overlap of gradients with the backward pass."""
_DEVICES = f"""\
The most devices, up to {DEVICES[-1]:,}, that each keep {100 * KEPT:.0f} % of the speed of a single
device: with the recipe's batch on each; the same, if all sums of gradients could overlap with the
backward pass; and if the devices share {LARGEST_BATCH:,} images per step or the whole training
split (strong scaling), as far as large batches are known to be harmless."""


def write_scaling(folder: Path, result: ScalingResult, seconds: float) -> None:
    """Writes bench.json, bench.md, bench.html and bench.png.

    Args:
      folder: the folder to write to.
      result: the results of the suite.
      seconds: wall time.

    Raises:
      UserError: a file cannot be written.
    """
    title = "Predicted efficiency of training, float32, nothing overlapped"
    draw_efficiency(result.networks, folder / "bench.png", title)
    record, parts = _to_json(result), _parts(result)
    write_suite_report(folder, environment(seconds), record, "Scaling of ferjax", parts)


def scaling_table(result: ScalingResult) -> str:
    """Returns the measurements and the efficient numbers of devices as columns of text."""
    counts = _network_cells(result.networks, _most_devices_cell)
    counts[0][0] = f"devices that keep {100 * KEPT:.0f} %: weak / overlapped / strong scaling"
    tables = (_measured_cells(result.measured), counts)
    return "\n\n".join(aligned(cells) for cells in tables if len(cells) > 1)


def _to_json(result: ScalingResult) -> dict[str, Any]:
    return {
        "measured": [line for measured in result.measured for line in measured.to_json()],
        "counted": [dataclasses.asdict(counted) for counted in result.counted],
        "assumed": dataclasses.asdict(DEFAULT),
        "interconnects": [dataclasses.asdict(cluster) for cluster in CLUSTERS],
        "networks": [dataclasses.asdict(costs) for costs in result.networks],
        "predicted": [_prediction(costs, c) for costs in result.networks for c in CLUSTERS],
    }


def _prediction(costs: StepCosts, cluster: Cluster) -> dict[str, Any]:
    steps = {n: predict(costs, cluster, n) for n in (1, 2, 4, *DEVICES)}
    return {
        "network": costs.model,
        "interconnect": cluster.name,
        "steps": {
            str(n): {
                **dataclasses.asdict(step),
                "efficiency": step.efficiency,
                "images per second": n * costs.batch / step.seconds,
            }
            for n, step in steps.items()
        },
        **_most_devices(costs, cluster),
    }


def _parts(result: ScalingResult) -> list[str]:
    """Returns the Markdown between the command line and the environment."""
    parts = ["![Predicted efficiency against devices](bench.png)"]
    if result.measured:
        parts += ["## Measured on this machine", _MEASURED]
        parts += [_markdown(_measured_cells(result.measured), 2)]
    if result.counted:
        parts += ["## Bytes per step, counted", _COUNTED]
        parts += [_markdown(_counted_cells(result.counted), 4)]
    if result.networks:
        # The formula is the module's own docstring, so that the two cannot differ.
        formula = textwrap.dedent((predict_step_time.__doc__ or "").split("\n\n")[1])
        assumed = ", ".join(f"*{k}* {v:g}" for k, v in dataclasses.asdict(DEFAULT).items())
        parts += ["## Predicted", _PREDICTED.format(formula=formula, assumed=assumed)]
        parts += ["\n".join(map(_describe_cluster, CLUSTERS))]
        for title, explanation, cell in (
            ("### Efficiency", _EFFICIENCY, _efficiencies),
            (f"### Devices that keep {100 * KEPT:.0f} %", _DEVICES, _most_devices_cell),
        ):
            parts += [title, explanation, _markdown(_network_cells(result.networks, cell))]
    return parts


def _markdown(cells: list[list[str]], numbers_from: int = 1) -> str:
    return table(cells[0], cells[1:], numbers_from)


def _measured_cells(measured: Sequence[Measured]) -> list[list[str]]:
    header = ["step", "on", "images a step", "ms a step", "images/s", "speed-up", "MB sent"]
    rows = [
        [
            line["step"],
            line["on"],
            str(line["images a step"]),
            f"{1000 * line['median seconds']:.1f}",
            f"{line['images per second']:.0f}",
            f"{line['speed-up over one device']:.2f}x",
            f"{sum(entry['wire'] for entry in line['traffic']) / 1e6:.2f}",
        ]
        for entries in measured
        for line in entries.to_json()
    ]
    return [header, *rows]


def _counted_cells(counted: Sequence[Counted]) -> list[list[str]]:
    header = ["step", "devices", "state", "collectives", "payload", "expected", "sent"]
    rows = [
        [
            str(entry.workload),
            f"{entry.devices}",
            state,
            ", ".join(f"{part.count} {part.kind}" for part in traffic),
            f"{sum(part.payload for part in traffic):,}",
            f"{entry.expected:,}",
            f"{wire_bytes(traffic):,.0f}",
        ]
        for entry in counted
        for state, traffic in (("replicated", entry.replicated), ("split", entry.split))
    ]
    return [header, *rows]


def _describe_cluster(cluster: Cluster) -> str:
    chip, between = cluster.accelerator, ""
    if cluster.between:
        between = f", {cluster.between.bandwidth / 1e9:.3g} GB/s between nodes"
    return (
        f"- {cluster.name}: {cluster.node} devices a node ({chip.name}, {chip.flops / 1e12:.0f}"
        f" TFLOP/s), each with {cluster.inside.bandwidth / 1e9:.3g} GB/s inside it{between}"
    )


def _network_cells(
    networks: Sequence[StepCosts], cell: Callable[[StepCosts, Cluster], str]
) -> list[list[str]]:
    """Returns a header and a row per network, with one cell per cluster."""
    header = ["network", "batch a device", "gradients, MB", *(c.name for c in CLUSTERS)]
    rows = [
        [
            f"{costs.model}, {costs.image_size} px",
            f"{costs.batch}",
            f"{costs.gradient_bytes / 1e6:.1f}",
            *(cell(costs, cluster) for cluster in CLUSTERS),
        ]
        for costs in networks
    ]
    return [header, *rows]


def _efficiencies(costs: StepCosts, cluster: Cluster) -> str:
    return ", ".join(f"{100 * weak_efficiency(costs, cluster, n):.0f}" for n in (8, 64, 1024))


def _most_devices(costs: StepCosts, cluster: Cluster) -> dict[str, int]:
    return {
        "devices that keep 80 %": most_devices(weak_efficiency, costs, cluster),
        "the same, overlapped": most_devices(weak_efficiency, costs, cluster, OVERLAPPED),
        "the same, sharing the largest batch": most_devices(strong_efficiency, costs, cluster),
    }


def _most_devices_cell(costs: StepCosts, cluster: Cluster) -> str:
    return " / ".join(f"{count:,}" for count in _most_devices(costs, cluster).values())
