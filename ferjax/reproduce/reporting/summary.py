"""The executive summary: counts of verdicts and three sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ferjax.reproduce.judging.ledger import SMOKE_REASON, Row
from ferjax.reproduce.judging.metrics import METRICS
from ferjax.reproduce.judging.verdicts import NOT_REPRODUCED, NOT_TESTED, REDRAWN, REPRODUCED
from ferjax.reproduce.reporting.texts import number

# Kinds of claims that hold a printed number against ours.
_WITH_PRINTED_NUMBER = ("number", "at_least", "at_most", "count")


def counts_of(rows: Sequence[Row]) -> dict[str, int]:
    """Returns how many rows have each verdict, and how many of them are by proxy or exceeded."""
    verdict_counts = Counter(row.verdict.word for row in rows)
    decided = [row for row in rows if row.verdict.word in (REPRODUCED, NOT_REPRODUCED)]
    by_proxy = Counter(row.verdict.word for row in decided if row.verdict.proxy)
    return {
        "claims": len(rows) - verdict_counts[REDRAWN],
        REPRODUCED: verdict_counts[REPRODUCED],
        f"{REPRODUCED} by proxy": by_proxy[REPRODUCED],
        NOT_REPRODUCED: verdict_counts[NOT_REPRODUCED],
        f"{NOT_REPRODUCED} by proxy": by_proxy[NOT_REPRODUCED],
        "exceeded": sum(row.verdict.exceeded for row in rows),
        NOT_TESTED: verdict_counts[NOT_TESTED],
        REDRAWN: verdict_counts[REDRAWN],
    }


def sentences_of(
    rows: Sequence[Row], open_points: Sequence[Mapping[str, Any]], *, smoke: bool
) -> list[str]:
    """Returns three sentences: the verdicts, the largest disagreement, the effect of a reading.

    Args:
      rows: the rows of the ledger.
      open_points: the open points of the report.
      smoke: whether the runs are those of `--smoke`, which do not decide any claim.
    """
    effect = _largest_effect([] if smoke else open_points)
    return [_verdicts(rows, smoke=smoke), _disagreement(rows), effect]


def _verdicts(rows: Sequence[Row], *, smoke: bool) -> str:
    if smoke:
        return f"Nothing is decided here: {SMOKE_REASON}."
    counts = counts_of(rows)

    def phrase(word: str, *more: str) -> str:
        count, by_proxy = counts[word], counts[f"{word} by proxy"]
        notes = [*more, *[f"{by_proxy} by proxy"] * bool(by_proxy)]
        verb = "was" if count == 1 else "were"
        return f"{count} {verb} {word}" + (f" ({', '.join(notes)})" if notes else "")

    exceeded = [f"{counts['exceeded']} because ours is better"] * bool(counts["exceeded"])
    figures = "1 figure was" if counts[REDRAWN] == 1 else f"{counts[REDRAWN]} figures were"
    return (
        f"Of {counts['claims']} claims {phrase(REPRODUCED)}, {phrase(NOT_REPRODUCED, *exceeded)},"
        f" and {counts[NOT_TESTED]} {NOT_TESTED}; {figures} redrawn."
    )


def _disagreement(rows: Sequence[Row]) -> str:
    """Returns a sentence about the printed rate, of those judged, that is furthest from ours."""
    decided = [row for row in rows if row.verdict.word in (REPRODUCED, NOT_REPRODUCED)]
    distances = [
        (abs(row.ours.mean - row.claim.paper), row)
        for row in decided
        if row.claim.kind == "number"
        and row.ours is not None
        and row.claim.paper is not None
        and row.claim.measure is not None
        and METRICS[row.claim.measure.metric].is_rate
    ]
    if not distances and any(row.claim.kind in _WITH_PRINTED_NUMBER for row in decided):
        return (
            "No printed rate was judged as a number; bounds, counts and other numbers stand in the"
            " ledger."
        )
    if not distances:
        return "No printed number could be held against ours."
    _, row = max(distances, key=lambda pair: pair[0])
    assert row.ours
    assert row.claim.measure
    ours = number(METRICS[row.claim.measure.metric], row.ours.mean)
    by_proxy = ", by proxy" * bool(row.verdict.proxy)
    return (
        f"Furthest from print is {row.claim.name.replace('_', ' ')}: the paper has"
        f" {row.claim.printed}, our runs {ours}{by_proxy}."
    )


def _largest_effect(open_points: Sequence[Mapping[str, Any]]) -> str:
    """Returns a sentence about the open point whose reading changes the metric most."""
    tried = [point for point in open_points if point["moves"] is not None]
    if not tried:
        return "What the paper leaves open was not varied, or not with numbers that count."
    largest = max(tried, key=lambda point: point["moves"])
    values = "; ".join(f"{one['value']}: {one['text']}" for one in largest["tried"] if one["text"])
    chance = " Some of these have one seed: part of it may be chance." * has_one_seed(largest)
    return (
        f"Of what the paper leaves open, {largest['name'].replace('_', ' ')} moves most,"
        f" {100 * largest['moves']:.1f} points ({values}).{chance}"
    )


def has_one_seed(open_point: Mapping[str, Any]) -> bool:
    """Returns whether a value of an open point, of those that draw, was tried with one seed."""
    measured = [one["ours"] for one in open_point["tried"] if one.get("ours")]
    return any(ours.get("draws", True) and ours["seeds"] < 2 for ours in measured)
