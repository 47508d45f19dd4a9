"""Report sections on cost: parameters and FLOPs, time breakdown, throughput, memory."""

from collections.abc import Iterator, Mapping
from typing import Any

from ferjax.report.pages.markdown_tables import collapsed, escape, key_value_table, table

# Part of the training time → its name in the report.
_PARTS = {
    "step": "steps",
    "data": "waiting for data",
    "compile": "compiling the step, measuring the machine",
    "evaluate": "evaluating",
    "save": "waiting for saving",
}


def network(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yields the size of the network, and a collapsed table of its parameters by module.

    Args:
      facts: from `ferjax.evaluation.network_costs.describe_network`.
    """
    total = facts["parameters"]
    text = f"{total:,} parameters"
    if "forward_flops" in facts:
        text += f"; {with_prefix(facts['forward_flops'], 'FLOP')} an image in the forward pass"
    yield "## Network"
    yield text + "."
    rows = [
        [escape(name), f"{count:,}", f"{100 * count / total:.1f} %"]
        for name, count in facts["modules"].items()
    ]
    yield collapsed("Parameters by module", table(["module", "parameters", "share"], rows))


def speed(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yields the breakdown of the wall time, throughput, utilisation and memory.

    Args:
      facts: from `ferjax.evaluation.network_costs.describe_costs`.
    """
    seconds = facts["seconds"]
    total = sum(seconds.values())
    rows = [
        [_PARTS.get(part, part), f"{value:.1f}", f"{100 * value / max(total, 1e-9):.1f} %"]
        for part, value in seconds.items()
    ]
    yield "## Time and memory"
    yield table(["part of training", "seconds", "share"], rows)
    pairs = {}
    if "images_per_second" in facts:
        pairs["images a second, median epoch"] = f"{facts['images_per_second']:,.1f}"
    if "step_flops" in facts:
        pairs["one step"] = with_prefix(facts["step_flops"], "FLOP")
    if "flop_utilisation" in facts and "ceiling" in facts:
        ceiling = with_prefix(facts["ceiling"], "FLOP/s")
        share = 100 * facts["flop_utilisation"]
        pairs["utilisation"] = f"{share:.1f} % of {ceiling}, the rate measured in matrix products"
    if "activation_bytes" in facts:
        pairs["activations of a step, per image"] = with_prefix(facts["activation_bytes"], "B")
    for memory, peak in facts.get("peak_bytes", {}).items():
        pairs[f"peak memory, {memory}"] = with_prefix(peak, "B")
    if pairs:
        yield key_value_table(pairs, ("measured", "this run"))


def with_prefix(value: float, unit: str) -> str:
    """Returns a number with three digits, an SI prefix and its unit, such as 1.23 GB."""
    for prefix in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.3g} P{unit}"
