"""The parts of a report that an engineer reads: the network's size, and where the time went."""

from collections.abc import Iterator, Mapping
from typing import Any

from ferjax.report.pages.markdown_tables import closed, escape, key_value_table, table

_KINDS = {
    "step": "steps",
    "data": "waiting for data",
    "compile": "compiling the step, measuring the machine",
    "evaluate": "evaluating",
    "save": "held up by saving",
}


def network(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yields the size of the network, and its parameters by module, closed until clicked.

    Args:
      facts: from `ferjax.evaluation.network_costs.describe_network`.
    """
    total = facts["parameters"]
    words = f"{total:,} parameters"
    if "forward_flops" in facts:
        words += f"; {si(facts['forward_flops'], 'FLOP')} an image, forward"
    yield "## Network"
    yield words + "."
    rows = [
        [escape(name), f"{count:,}", f"{100 * count / total:.1f} %"]
        for name, count in facts["modules"].items()
    ]
    yield closed("Parameters by module", table(["module", "parameters", "share"], rows))


def speed(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yields where the wall time went, throughput, utilisation and memory.

    Args:
      facts: from `ferjax.evaluation.network_costs.describe_costs`.
    """
    seconds = facts["seconds"]
    total = sum(seconds.values())
    rows = [
        [_KINDS.get(kind, kind), f"{value:.1f}", f"{100 * value / max(total, 1e-9):.1f} %"]
        for kind, value in seconds.items()
    ]
    yield "## Time and memory"
    yield table(["training went to", "seconds", "share"], rows)
    pairs = {}
    if "images_per_second" in facts:
        pairs["images a second, median epoch"] = f"{facts['images_per_second']:,.1f}"
    if "step_flops" in facts:
        pairs["a step"] = si(facts["step_flops"], "FLOP")
    if "flop_utilisation" in facts and "ceiling" in facts:
        ceiling = si(facts["ceiling"], "FLOP/s")
        share = 100 * facts["flop_utilisation"]
        pairs["utilisation"] = f"{share:.1f} % of {ceiling}, measured in matrix products"
    if "activation_bytes" in facts:
        pairs["activations, an image of a step"] = si(facts["activation_bytes"], "B")
    for where, taken in facts.get("peak_bytes", {}).items():
        pairs[f"peak memory, {where}"] = si(taken, "B")
    if pairs:
        yield key_value_table(pairs, ("measured", "this run"))


def si(value: float, unit: str) -> str:
    """Returns a number with three digits and a decimal prefix: 1.23 GB."""
    for prefix in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.3g} P{unit}"
