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


def interval(metric: Metric, estimate: Estimate) -> str:
    """Returns ` (49.8 to 52.6)`, within 0 and 100 for rates; empty if there is no interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    low, high = estimate.low, estimate.high
    if metric.is_rate:
        low, high = max(low, 0.0), min(high, 1.0)
    return f" ({_bound(metric, low)} to {_bound(metric, high)})"


def estimate_text(metric: Metric, estimate: Estimate) -> str:
    """Returns `51.2 % (49.8 to 52.6)`."""
    return number(metric, estimate.mean) + interval(metric, estimate)


def count_text(estimate: Estimate) -> str:
    """Returns `3 seeds, 4,710 images of val; interval over seeds and images`."""
    seeds = f"{estimate.seeds} seed{'s' * (estimate.seeds != 1)}" if estimate.draws else "no seed"
    text = f"{seeds}, {estimate.images:,} images of {estimate.split}"
    return text if estimate.low is None else f"{text}; interval over {estimate.allows_for}"


def difference_text(metric: Metric, estimate: Estimate, sides: Sequence[Estimate]) -> str:
    """Returns `+1.2 points (0.3 to 2.1): 52.0 % against 50.8 %`; a loss is `0.1 lower`."""
    first_side, second_side = (number(metric, side.mean) for side in sides)
    if metric.is_rate:
        text = f"{100 * estimate.mean:+.1f} points"
    else:
        text = f"{estimate.mean:.4g} {'lower' if metric.lower_is_better else 'higher'}"
    return f"{text}{_difference_interval(metric, estimate)}: {first_side} against {second_side}"


def trend_text(metric: Metric, row: Row) -> str:
    """Returns the slope per step, every value, and Kendall's tau."""
    assert row.ours
    unit = f"{100 * row.ours.mean:+.1f} points" if metric.is_rate else f"{row.ours.mean:+.4g}"
    values = ", ".join(number(metric, side.mean) for side in row.sides)
    tau = "" if row.tau is None else f"; Kendall's tau {row.tau:.2f}"
    return f"{unit} a step{_difference_interval(metric, row.ours)}: {values}{tau}"


def _difference_interval(metric: Metric, estimate: Estimate) -> str:
    """Returns the interval of a difference, which may be below 0."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f" ({_bound(metric, estimate.low)} to {_bound(metric, estimate.high)})"


def ours_text(row: Row) -> str:
    """Returns our number in a row of the ledger."""
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
    """Returns our number by the honest protocol, or why there is none; empty without protocol."""
    if row.honest is None:
        return ""
    return ours_text(row.honest) or row.honest.verdict.reason


def verdict_text(row: Row) -> str:
    """Returns the verdict, with `exceeded` if ours is better, and `by proxy` if it is one."""
    verdict = row.verdict
    by_proxy = bool(verdict.proxy) and verdict.word != NOT_TESTED
    return verdict.word + ", exceeded" * verdict.exceeded + ", by proxy" * by_proxy


def estimate_json(estimate: Estimate | None) -> dict[str, Any] | None:
    """Returns an estimate as JSON values for report.json."""
    if estimate is None:
        return None
    return {
        "mean": estimate.mean,
        "interval": None if estimate.low is None else [estimate.low, estimate.high],
        "allows_for": estimate.allows_for,
        "by_seed": list(estimate.by_seed),
        "seeds": estimate.seeds,
        "draws": estimate.draws,
        "images": estimate.images,
        "split": estimate.split,
    }
