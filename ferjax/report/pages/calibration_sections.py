"""Sections of `report.md`: headline scores with intervals, calibration, sets, FER+'s votes."""

from collections.abc import Iterator, Mapping
from typing import Any

from ferjax.report.headline import HEADLINE
from ferjax.report.pages.markdown_tables import (
    bold,
    decimal,
    escape,
    interval,
    percentage,
    table,
)

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]
# Scores that are not shares of images.
_DECIMALS = ("cohen_kappa", "roc_auc", "negative_log_likelihood", "brier_score")
# Columns of the calibration of each emotion, and what they mean.
CALIBRATION_HEADER = ["classwise calibration error", "of its answers", "answers"]
CALIBRATION_NOTE = (
    "The classwise calibration error of an emotion is the distance, on average over all images,"
    " between its probability and its share among the images of similar probability (Kull et al.,"
    " 2019): small for an emotion that is rare. That of its answers is of the images alone that are"
    " predicted as the emotion (Gupta and Ramdas, 2022); it is above 0 by chance where answers are"
    " few."
)
_CALIBRATION = ("negative_log_likelihood", "brier_score", "expected_calibration_error")


def headline_number(name: str, value: float | None) -> str:
    """Returns a score of `HEADLINE` as a percentage, or as a number where it is not a share."""
    return decimal(value) if name in _DECIMALS else percentage(value)


def headline_cell(
    name: str, value: float | None, bounds: tuple[float, float] | list[float] | None
) -> str:
    """Returns a score of `HEADLINE` with its interval, such as `68.20 % (66.66 to 69.71)`."""
    low, high = bounds or (None, None)
    digits = (4, 1) if name in _DECIMALS else (2, 100)
    return headline_number(name, value) + interval(low, high, *digits)


def headline_spread(name: str, mean: float | None, deviation: float | None) -> str:
    """Returns a score of `HEADLINE` over several runs, such as `68.20 % ± 0.51`."""
    if deviation is None:
        return headline_number(name, mean)
    return f"{headline_number(name, mean)} ± {headline_number(name, deviation).removesuffix(' %')}"


def scores_over_runs(results: Results) -> Iterator[str]:
    """Yields the headline scores of several seeds or folds, as a table.

    Args:
      results: split → weights → `mean` and `deviation`, each score → number or None.
    """
    columns = [(split, kind, kinds[kind]) for split, kinds in results.items() for kind in kinds]
    if not columns:
        return
    rows = [
        [
            escape(text),
            *(
                headline_spread(name, spread["mean"][name], spread["deviation"][name])
                for *_, spread in columns
            ),
        ]
        for name, text in HEADLINE.items()
    ]
    yield "## All scores, mean ± sample standard deviation"
    yield table(["score", *(escape(f"{split}, {kind}") for split, kind, _ in columns)], rows)


def certainty(results: Results) -> Iterator[str]:
    """Yields the headline scores of each split with their intervals, as a table.

    Args:
      results: split → weights → scores; those without `intervals` have no column.
    """
    columns = list(_scores_with("intervals", results))
    if not columns:
        return
    # If all columns have the same weights, only the heading names them.
    kinds = {kind for _, kind, _ in columns}
    header = [
        "score",
        *(split if len(kinds) == 1 else f"{split}, {kind}" for split, kind, _ in columns),
    ]
    rows = [
        [
            escape(text),
            *(
                headline_cell(name, scores["headline"][name], scores["intervals"][name])
                for _, _, scores in columns
            ),
        ]
        for name, text in HEADLINE.items()
    ]
    weights = f", {escape(next(iter(kinds)))} weights" if len(kinds) == 1 else ""
    yield f"## Scores with 95 % intervals{weights}"
    yield table(list(map(escape, header)), rows)


def calibration(results: Results) -> Iterator[str]:
    """Yields the calibration before and after temperature scaling, by emotion, and prediction sets.

    Args:
      results: split → weights → scores. The rows are the scores with `calibrated` or, where none
        has it, those with `calibration`.
    """
    header = ["split", "weights", "probabilities", "temperature"]
    header += ["negative log-likelihood", "Brier score", "calibration error"]
    rows, emotions, sets = [], [], []
    with_fit = [each for each in _scores_with("calibrated", results) if each[2]["calibrated"]]
    for split, kind, scores in with_fit or list(_scores_with("calibration", results)):
        name = [escape(split), escape(kind)]
        plain = [headline_number(key, scores["calibration"][key]) for key in _CALIBRATION]
        rows.append([*name, "as the network gives them", "–", *plain])
        # The table of predictions holds these probabilities. Earlier reports lack this entry.
        for row in scores["calibration"].get("by_class", ()):
            errors = (row["classwise_error"], row["top_label_error"])
            cells = [escape(row["class"]), *map(percentage, errors), f"{row['predicted']:,}"]
            emotions.append([*name, *cells])
        if not (calibrated := scores.get("calibrated")):
            continue
        fitted_on = escape(calibrated["fitted_on"])
        calibrated_cells = [headline_number(key, calibrated[key]) for key in _CALIBRATION]
        rows.append(
            [
                *name,
                f"temperature of {fitted_on}",
                decimal(calibrated["temperature"], 3),
                *calibrated_cells,
            ]
        )
        if coverage := calibrated["sets"]:
            low, high = coverage["interval"]
            cells = [percentage(coverage["asked"], 0), percentage(coverage["coverage"])]
            cells[1] += interval(low, high, 2, 100)
            sets.append([*name, fitted_on, *cells, decimal(coverage["mean_set_size"], 2)])
    if rows:
        yield "## Calibration"
        yield table(header, rows, numbers_from=3)
    if emotions:
        yield "By emotion, of the probabilities as the network gives them:"
        yield table(["split", "weights", "emotion", *CALIBRATION_HEADER], emotions, numbers_from=3)
        yield CALIBRATION_NOTE
    if sets:
        yield (
            "Prediction sets hold as many of the most probable emotions as it takes to hold the"
            " true one as often as asked."
        )
        header = ["split", "weights", "fitted on", "asked"]
        header += ["true emotion in the set", "emotions a set"]
        yield table(header, sets, numbers_from=3)


def votes(results: Results) -> Iterator[str]:
    """Yields a table of the agreement of each result, and of one annotator, with the votes.

    Args:
      results: split → weights → scores; those without `votes` have no row.
    """
    header = ["split", "weights", "KL(votes, network)", "cross-entropy"]
    header += ["network with majority of all", "network with majority of the others"]
    header += ["one annotator with majority of the others", "images"]
    rows = []
    for split, kind, scores in _scores_with("votes", results):
        agreement = scores["votes"]
        cells = [escape(split), escape(kind)]
        cells += [decimal(agreement[name]) for name in ("kl_divergence", "cross_entropy")]
        cells += [
            percentage(agreement[name])
            for name in (
                "network_with_majority",
                "network_with_majority_of_others",
                "annotator_with_majority_of_others",
            )
        ]
        cells.append(f"{agreement['images']}")
        rows.append(bold(cells) if kind == "selected" else cells)
    if rows:
        yield "## Agreement with the votes"
        yield table(header, rows, numbers_from=2)


def _scores_with(key: str, results: Results) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yields (split, weights, scores) of all scores that have a key."""
    for split, kinds in results.items():
        for kind, scores in kinds.items():
            if key in scores:
                yield split, kind, scores
