"""Sections of `report.md`: interval and calibration of each result, agreement with FER+'s votes."""

from collections.abc import Iterator, Mapping
from typing import Any

from ferjax.report.pages.markdown_tables import bold, decimal, escape, percentage, table

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]


def certainty(results: Results) -> Iterator[str]:
    """Yields the interval of each accuracy and the calibration of its probabilities, as a table.

    Args:
      results: split → weights → scores; those without `calibration` have no row.
    """
    header = ["split", "weights", "accuracy", "95 % interval"]
    header += ["negative log-likelihood", "Brier score", "calibration error"]
    rows = []
    for split, kind, scores in _with("calibration", results):
        low, high = map(percentage, scores["accuracy_interval"])
        found = scores["calibration"]
        cells = [escape(split), escape(kind), percentage(scores["accuracy"]), f"{low} to {high}"]
        cells += [decimal(found[name]) for name in ("negative_log_likelihood", "brier_score")]
        cells.append(percentage(found["expected_calibration_error"]))
        rows.append(bold(cells) if kind == "selected" else cells)
    if rows:
        yield "## Interval and calibration"
        yield table(header, rows, numbers_from=2)


def votes(results: Results) -> Iterator[str]:
    """Yields the agreement of each result, and of one annotator, with the votes, as a table.

    Args:
      results: split → weights → scores; those without `votes` have no row.
    """
    header = ["split", "weights", "KL(votes, network)", "cross-entropy"]
    header += ["network with majority of all", "network with majority of the others"]
    header += ["one annotator with majority of the others", "images"]
    rows = []
    for split, kind, scores in _with("votes", results):
        found = scores["votes"]
        cells = [escape(split), escape(kind)]
        cells += [decimal(found[name]) for name in ("kl_divergence", "cross_entropy")]
        cells += [
            percentage(found[name])
            for name in (
                "network_with_majority",
                "network_with_majority_of_others",
                "annotator_with_majority_of_others",
            )
        ]
        cells.append(f"{found['images']}")
        rows.append(bold(cells) if kind == "selected" else cells)
    if rows:
        yield "## Agreement with the votes"
        yield table(header, rows, numbers_from=2)


def _with(key: str, results: Results) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for split, kinds in results.items():
        for kind, scores in kinds.items():
            if key in scores:
                yield split, kind, scores
