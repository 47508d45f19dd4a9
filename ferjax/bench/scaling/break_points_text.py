"""Where each network's scaling breaks, in words and tables."""

from collections.abc import Sequence
from dataclasses import replace

from ferjax.bench.scaling.break_points import (
    CHECKPOINT_SHARE,
    DEVICES,
    KEPT,
    LARGEST_BATCH,
    checkpoint_seconds,
    host_input,
    largest_batch,
    largest_by_batch,
    largest_by_checkpoint,
    largest_efficient,
    largest_sharing,
)
from ferjax.bench.scaling.hardware_numbers import CACHED_BYTES, FABRICS, IMAGES, STORAGES, Fabric
from ferjax.bench.scaling.network_facts import Facts
from ferjax.bench.scaling.predict_step_time import OVERLAPPED, Step, batch_for, predict
from ferjax.report.pages.markdown_tables import table

_MOST = DEVICES[-1]

_KEEP = f"{100 * KEPT:.0f} %"

_EFFICIENCY = f"""\
The most devices, up to {_MOST:,}, each of which keeps {_KEEP} of a lone one's speed; 1 means that
not even two do. *Alone*: the recipe's batch on each device, nothing overlapped. *Hidden*: the
same, where gradients are summed during the whole backward pass. *Shared*: {LARGEST_BATCH:,} images
a step in all, no more than the data set has, which is as far as large batches are known to be
harmless. *Batch*: the images a device, a power of two, that keep {_KEEP} on 8 and on {_MOST:,}
devices; small where a step's launches take longer than its arithmetic. *Gradients* and *norms* are
the shares of a step on {_MOST:,} devices, the recipe's batch on each, that pass in their sums: a
batch norm has to wait for two small ones before the step can go on."""
_BATCH = f"""\
With the recipe's batch on each device, the global batch exceeds {LARGEST_BATCH:,} (Goyal et al.
2017) or the whole data set beyond so many devices; *steps an epoch* is what {_MOST:,} devices
take, 0 where the data set has no whole batch for them."""
_INPUT = f"""\
What one host delivers to 8 devices ({FABRICS[0].accelerator.name}) that never wait, as uint8 of
the data set's own size: an upper bound, whatever joins them. *Of the cache* is the share of
{CACHED_BYTES / 1e9:.1f} GB/s, which a host of 2 cores was measured to read from ferjax's store;
above 1 such a host is the limit. *Cores to decode* is how many of those cores would decode the
files anew at every epoch, without `--cache_dir`; FER2013 has no files."""
_DENSE = """\
The largest array of each network, its share of what is summed, and the bytes of state that a
device holds, with `--shard_params` at best a share of them. Beside it the efficiency of 8 and 64
devices on {fabric}, with the recipe's batch: whole; with the state split, where a device sends
{wire:.2f} times as much (the most that was counted above); and without that array's gradient. What
a wide dense layer costs is seen in awei: its gradient is summed at every step, however few images
there are."""
_CHECKPOINT = f"""\
Seconds that the bytes of a checkpoint take (parameters, statistics, slots), without what Orbax
adds. *Steps* is how many steps of 8 devices on {FABRICS[0].name} that is. *Devices*, of the same
and with the recipe's batch: up to so many a checkpoint an epoch takes at most {
    100
    * CHECKPOINT_SHARE:.0f} % of the epoch; beyond, give `--eval_every` more than 1. Of a replicated
state one host writes all bytes, however many devices there are; of a split one each host writes
its share."""


def sections(networks: Sequence[Facts], wire: float) -> list[str]:
    """Returns the parts of the page.

    Args:
      networks: one row each.
      wire: bytes that a device sends with a split state over those with a whole one.
    """
    dense = _DENSE.format(fabric=FABRICS[0].name, wire=wire)
    return [
        "## Where it breaks: efficiency",
        _EFFICIENCY,
        *(
            part
            for fabric in FABRICS
            for part in (f"**{fabric.name}**", _efficiency(networks, fabric))
        ),
        "## Where it breaks: batch size",
        _BATCH,
        table(
            [
                "network",
                "data set",
                "images",
                "batch",
                f"beyond {LARGEST_BATCH:,}",
                "beyond the data",
                f"steps an epoch on {_MOST:,}",
            ],
            [_batch_row(facts) for facts in networks],
            2,
        ),
        "## Where it breaks: input",
        _INPUT,
        table(
            [
                "network",
                "data set",
                "images/s a host",
                "MB/s a host",
                "of the cache",
                "cores to decode",
            ],
            [_input_row(facts) for facts in networks],
            2,
        ),
        "## Where it breaks: the dense layer",
        dense,
        table(
            [
                "network",
                "largest array",
                "MB",
                "share",
                "state, MB",
                "split over 8",
                "over 64",
                "on 8",
                "split",
                "without",
                "on 64",
                "split",
                "without",
            ],
            [_dense_row(facts, wire) for facts in networks],
            2,
        ),
        "## Where it breaks: checkpoints",
        _CHECKPOINT,
        table(
            [
                "network",
                "MB",
                *(f"{s.name}: {w}" for s in STORAGES for w in ("s", "steps", "devices")),
                f"split, 128 hosts, {STORAGES[-1].name}: s",
            ],
            [_checkpoint_row(facts) for facts in networks],
        ),
    ]


def summary_cells(networks: Sequence[Facts]) -> tuple[list[str], list[list[str]]]:
    """Returns header and rows: the most devices that keep `KEPT`, sharing the largest batch."""
    header = [f"devices that keep {_KEEP}", *(fabric.name for fabric in FABRICS)]
    rows = [
        [
            f"{facts.model}, {largest_batch(facts):,} images a step",
            *(_count(largest_sharing(facts, fabric)) for fabric in FABRICS),
        ]
        for facts in networks
    ]
    return header, rows


def _efficiency(networks: Sequence[Facts], fabric: Fabric) -> str:
    rows = [
        [
            facts.model,
            f"{facts.batch}",
            _count(largest_efficient(facts, fabric)),
            _count(largest_efficient(facts, fabric, OVERLAPPED)),
            _count(largest_sharing(facts, fabric)),
            *(f"{batch_for(facts, fabric, n, KEPT):,}" for n in (8, _MOST)),
            *_waits(predict(facts, fabric, _MOST)),
        ]
        for facts in networks
    ]
    header = ["network", "the recipe's batch", "alone", "hidden", "shared", "batch for 8"]
    return table([*header, f"batch for {_MOST:,}", "gradients", "norms"], rows)


def _waits(step: Step) -> list[str]:
    """Returns the shares of a step that pass in sums of gradients and of batch norms."""
    return [f"{100 * part / step.seconds:.0f} %" for part in (step.gradient, step.norms)]


def _batch_row(facts: Facts) -> list[str]:
    practice, data = largest_by_batch(facts)
    count = IMAGES[facts.dataset].count
    steps = count // (_MOST * facts.batch)
    return [
        facts.model,
        facts.dataset,
        f"{count:,}",
        f"{facts.batch}",
        f"{practice:,}",
        f"{data:,}",
        f"{steps}",
    ]


def _input_row(facts: Facts) -> list[str]:
    found = host_input(facts, FABRICS[0])
    cores = "–" if found.cores is None else f"{found.cores:,.0f}"
    return [
        facts.model,
        facts.dataset,
        f"{found.images:,.0f}",
        f"{found.bytes / 1e6:,.0f}",
        f"{found.share:.2f}",
        cores,
    ]


def _dense_row(facts: Facts, wire: float) -> list[str]:
    without = replace(facts, gradient_bytes=facts.gradient_bytes - facts.largest_bytes)
    kept = [
        f"{100 * predict(of, FABRICS[0], n, wire=w).efficiency:.0f} %"
        for n in (8, 64)
        for of, w in ((facts, 1.0), (facts, wire), (without, 1.0))
    ]
    state = facts.state_bytes / 1e6
    return [
        facts.model,
        facts.largest,
        f"{facts.largest_bytes / 1e6:.1f}",
        f"{100 * facts.largest_bytes / facts.gradient_bytes:.0f} %",
        *(f"{state / n:.1f}" for n in (1, 8, 64)),
        *kept,
    ]


def _checkpoint_row(facts: Facts) -> list[str]:
    step = predict(facts, FABRICS[0], 8).seconds
    cells = []
    for storage in STORAGES:
        seconds = checkpoint_seconds(facts, storage, 1, split=False)
        most = largest_by_checkpoint(facts, FABRICS[0], storage)
        cells += [f"{seconds:.3f}", f"{seconds / step:,.0f}", _count(most)]
    split = checkpoint_seconds(facts, STORAGES[-1], 128, split=True)
    return [facts.model, f"{facts.state_bytes / 1e6:.0f}", *cells, f"{split:.3f}"]


def _count(devices: int) -> str:
    return f"{devices:,}" if devices < _MOST else f"{_MOST:,} or more"
