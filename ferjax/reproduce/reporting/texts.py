"""Numbers of a report as texts: estimates with their intervals, differences, slopes."""

from collections.abc import Sequence
from typing import Any

from ferjax.reproduce.judging.estimates import Estimate
from ferjax.reproduce.judging.ledger import Row
from ferjax.reproduce.judging.metrics import METRICS, Metric
from ferjax.reproduce.judging.verdicts import NOT_TESTED


def number(metric: Metric, value: float) -> str:
    """Returns a value: `51.2 %`, or `1.234` where it is no rate."""
    if metric.is_rate:
        return f"{100 * value:.1f} %"
    return f"{value:.4g}"


def _bound(metric: Metric, value: float) -> str:
    return f"{100 * value:.1f}" if metric.is_rate else f"{value:.4g}"


def interval(metric: Metric, found: Estimate) -> str:
    """Returns ` (49.8 to 52.6)`, or an empty text where nothing is known."""
    if found.low is None or found.high is None:
        return ""
    low, high = found.low, found.high
    if metric.is_rate:
        low, high = max(low, 0.0), min(high, 1.0)
    return f" ({_bound(metric, low)} to {_bound(metric, high)})"


def estimate_text(metric: Metric, found: Estimate) -> str:
    """Returns `51.2 % (49.8 to 52.6)`."""
    return number(metric, found.mean) + interval(metric, found)


def count_text(found: Estimate) -> str:
    """Returns `3 seeds, 4,710 images of val; interval over seeds and images`."""
    seeds = f"{found.seeds} seed{'s' * (found.seeds != 1)}" if found.draws else "no seed"
    text = f"{seeds}, {found.images:,} images of {found.split}"
    return text if found.low is None else f"{text}; interval over {found.allows_for}"


def difference_text(metric: Metric, found: Estimate, sides: Sequence[Estimate]) -> str:
    """Returns `+1.2 points (0.3 to 2.1): 52.0 % against 50.8 %`; of losses how much is lower."""
    one, other = (number(metric, side.mean) for side in sides)
    if metric.is_rate:
        text = f"{100 * found.mean:+.1f} points"
    else:
        text = f"{found.mean:.4g} {'lower' if metric.lower_is_better else 'higher'}"
    return f"{text}{_open_interval(metric, found)}: {one} against {other}"


def trend_text(metric: Metric, row: Row) -> str:
    """Returns the slope a step, every value, and Kendall's tau."""
    assert row.ours
    unit = f"{100 * row.ours.mean:+.1f} points" if metric.is_rate else f"{row.ours.mean:+.4g}"
    values = ", ".join(number(metric, side.mean) for side in row.sides)
    tau = "" if row.tau is None else f"; Kendall's tau {row.tau:.2f}"
    return f"{unit} a step{_open_interval(metric, row.ours)}: {values}{tau}"


def _open_interval(metric: Metric, found: Estimate) -> str:
    if found.low is None or found.high is None:
        return ""
    return f" ({_bound(metric, found.low)} to {_bound(metric, found.high)})"


def ours_text(row: Row) -> str:
    """Returns our side of a row of the ledger."""
    if row.count is not None:
        return f"{row.count:,}"
    if row.ours is None or row.claim.measure is None:
        return ""
    metric = METRICS[row.claim.measure.metric]
    if row.claim.kind == "better":
        return difference_text(metric, row.ours, row.sides)
    if row.claim.kind == "trend":
        return trend_text(metric, row)
    return estimate_text(metric, row.ours)


def honest_text(row: Row) -> str:
    """Returns the same by the honest protocol, whose row measures what the claim calls honest."""
    return ours_text(row.honest) if row.honest else ""


def verdict_text(row: Row) -> str:
    """Returns the verdict, that ours is better, and that it is one by proxy."""
    verdict = row.verdict
    by_proxy = bool(verdict.proxy) and verdict.word != NOT_TESTED
    return verdict.word + ", exceeded" * verdict.exceeded + ", by proxy" * by_proxy


def estimate_json(found: Estimate | None) -> dict[str, Any] | None:
    """Returns an estimate for the JSON twin."""
    if found is None:
        return None
    return {
        "mean": found.mean,
        "interval": None if found.low is None else [found.low, found.high],
        "allows_for": found.allows_for,
        "by_seed": list(found.by_seed),
        "seeds": found.seeds,
        "images": found.images,
        "split": found.split,
    }
