"""The report of the suite: bench.md, bench.json, bench.png, and a table for the terminal."""

import dataclasses
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferjax.bench.reporting.report_files import aligned, environment, environment_table
from ferjax.bench.scaling import break_points_text, predict_step_time
from ferjax.bench.scaling.break_points import DEVICES
from ferjax.bench.scaling.efficiency_figure import draw_efficiency
from ferjax.bench.scaling.hardware_numbers import FABRICS, Fabric
from ferjax.bench.scaling.measured_results import Counted, Measured, Outcome
from ferjax.bench.scaling.network_facts import Facts
from ferjax.bench.scaling.predict_step_time import DEFAULT, predict
from ferjax.bench.scaling.results_json import record
from ferjax.report.pages.markdown_tables import escape, table
from ferjax.runtime.atomic_files import write_atomically

# Bytes of loss, weight, hits and count, and room for as many again.
_SCALARS = 32

_MEASURED = """\
The training step of a run, from a batch on the devices to the updated state, in processes of their
own, which take turns. *Speed-up* is images a second over those of one device, the median of the
rounds' ratios. **The devices are simulated and share the same cores: they cannot be faster than
the cores are.** What is seen is what sharing costs. 1 means nothing; less, thinner slices,
exchanges through memory, and between processes through Gloo and the loopback network; more, that
one device left cores idle. It says nothing of real interconnects, and no prediction below rests on
it."""
_COUNTED = """\
Every all-reduce, all-gather, reduce-scatter, all-to-all and permute in the optimized program,
those in loops as often as they run. *Payload* is what is summed, gathered or passed on; *sent* is
what each device puts on its wire in a ring: of n devices 2(n-1)/n of an all-reduce, (n-1)/n of the
others. *From shapes* is 4 bytes for each trained parameter, and for each mean and variance of a
batch norm: what the predictions take for networks that are not compiled here. With
`--shard_params` XLA decides what is gathered and what is summed: a device holds less, and may send
more where gradients are still summed whole and parameters gathered beside. (XLA for GPUs can make
a reduce-scatter of a sum of which a share is used; that was not compiled here.)"""
_MORE = """\
**More than gradients and statistics: {names}.** A data-parallel step has nothing else to exchange
but a few scalars: an operation's form on this platform does not keep the rows of a batch where
they are, or sums over the devices inside a loop."""
_PREDICTED = """\
```
{formula}
```

{assumed}

A faster device makes exchanges look worse, so that a share of the peak that is assumed too high is
on the careful side: depthwise convolutions (efficientnet) wait for memory and reach less. XLA
joins sums of norms that do not wait for one another, as beside a shortcut (resnet18: 34 for 20
norms): the model joins none. Not modelled: the memory of a device, stragglers, congestion, the
exchange of scalars, reading ahead."""


def write_scaling(folder: Path, outcome: Outcome, seconds: float) -> None:
    """Writes bench.json, bench.md and bench.png.

    Args:
      folder: where to.
      outcome: what was found.
      seconds: wall time.

    Raises:
      UserError: a file cannot be written.
    """
    stamp = environment(seconds)
    values = {"environment": stamp, **record(outcome)}
    write_atomically(folder / "bench.json", (json.dumps(values, indent=1) + "\n").encode())
    write_atomically(folder / "bench.md", _page(outcome, stamp).encode())
    title = "Predicted efficiency of training, float32, nothing overlapped"
    draw_efficiency(outcome.networks, folder / "bench.png", title)


def scaling_table(outcome: Outcome) -> str:
    """Returns what was measured, and where each network breaks, as columns of text."""
    parts = [
        aligned([header, *rows])
        for header, rows in (
            _measured_cells(outcome.measured),
            break_points_text.summary_cells(outcome.networks),
        )
        if rows
    ]
    return "\n\n".join(parts)


def _page(outcome: Outcome, stamp: dict[str, Any]) -> str:
    parts = ["# Scaling of ferjax", f"`{stamp['command line']}`"]
    parts += ["![Predicted efficiency against devices](bench.png)"]
    if outcome.measured:
        parts += ["## Measured on this machine", _MEASURED]
        parts += [table(*_measured_cells(outcome.measured), 2)]
    if outcome.counted:
        parts += ["## Bytes that a step moves, counted", _COUNTED, _counted_table(outcome.counted)]
        names = [str(found.workload) for found in outcome.counted if found.excess > _SCALARS]
        parts += [_MORE.format(names=", ".join(names))] if names else []
    if outcome.networks:
        parts += ["## The model", _model_text(), _fabric_table(), "## Predicted"]
        parts += [_network_table(outcome.networks)]
        for fabric in FABRICS:
            parts += [f"### {fabric.name}", _predicted_table(outcome.networks, fabric)]
        parts += break_points_text.sections(outcome.networks, outcome.split_wire)
    parts += ["## Environment", environment_table(stamp)]
    return "\n\n".join(parts) + "\n"


def _measured_cells(measured: Sequence[Measured]) -> tuple[list[str], list[list[str]]]:
    header = ["step", "on", "images a step", "ms a step", "images/s", "speed-up", "MB sent"]
    rows = [
        [
            str(found.scaling),
            str(layout),
            str(found.scaling.batch_on(layout)),
            f"{1000 * found.median(layout):.1f}",
            f"{found.rate(layout):.0f}",
            f"{found.speedup(layout):.2f}x",
            f"{sum(entry.wire for entry in found.traffic[layout]) / 1e6:.2f}",
        ]
        for found in measured
        for layout in found.scaling.layouts
    ]
    return header, rows


def _counted_table(counted: Sequence[Counted]) -> str:
    rows = [
        [
            str(found.workload),
            f"{found.devices}",
            state,
            entry.kind,
            f"{entry.count}",
            f"{entry.payload:,}",
            f"{found.facts.payload:,}" if entry is found.replicated[0] else "",
            f"{entry.wire:,.0f}",
        ]
        for found in counted
        for state, entries in (("replicated", found.replicated), ("split", found.split))
        for entry in entries
    ]
    header = ["step", "devices", "state", "exchange", "count", "payload", "from shapes", "sent"]
    return table(header, rows, 4)


def _model_text() -> str:
    # The module's own text is the formula: it cannot differ from what the report says.
    formula = textwrap.dedent((predict_step_time.__doc__ or "").split("\n\n")[1])
    values = dataclasses.asdict(DEFAULT)
    assumed = ", ".join(f"*{name}* {value:g}" for name, value in values.items())
    return _PREDICTED.format(formula=formula, assumed=f"Assumed: {assumed}; seconds and bytes.")


def _fabric_table() -> str:
    rows = []
    for fabric in FABRICS:
        links = [fabric.inside, *([fabric.between] if fabric.between else [])]
        rows.append(
            [
                fabric.name,
                f"{fabric.accelerator.name}, {fabric.accelerator.flops / 1e12:.0f} TFLOP/s",
                f"{fabric.node}",
                " / ".join(f"{link.bandwidth / 1e9:.3g}" for link in links),
                " / ".join(f"{1e6 * link.hop:.3g}" for link in links),
                f"{1e6 * links[-1].level:.3g}" if links[-1].level else "–",
            ]
        )
    header = ["interconnect", "device", "a node", "GB/s a device inside / between"]
    return table([*header, "hop, µs", "level, µs"], rows, 2)


def _network_table(networks: Sequence[Facts]) -> str:
    rows = [
        [
            facts.model,
            escape(facts.recipe),
            f"{facts.image_size}",
            f"{facts.batch}",
            f"{facts.flops / 1e9:.2f}",
            f"{facts.gradient_bytes / 1e6:.1f}",
            f"{2 * len(facts.norm_channels)}",
            f"{facts.state_bytes / 1e6:.0f}",
        ]
        for facts in networks
    ]
    header = ["network", "recipe", "px", "batch a device", "GFLOP an image", "gradient, MB"]
    return table([*header, "sums for batch norms", "state, MB"], rows, 2)


def _predicted_table(networks: Sequence[Facts], fabric: Fabric) -> str:
    header = [
        "network",
        "step on one, ms",
        *(f"{n:,}" for n in DEVICES),
        "images/s on 8",
        "on 1,024",
    ]
    rows = []
    for facts in networks:
        steps = {n: predict(facts, fabric, n) for n in (1, *DEVICES)}
        kept = [
            f"{1000 * steps[n].seconds:.2f} ms, {100 * steps[n].efficiency:.0f} %" for n in DEVICES
        ]
        rates = [f"{n * facts.batch / steps[n].seconds:,.0f}" for n in (8, 1024)]
        rows.append([facts.model, f"{1000 * steps[1].seconds:.2f}", *kept, *rates])
    return table(header, rows)
