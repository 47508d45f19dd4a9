"""Builds the report as JSON from tables and stored results alone, so that it can be verified."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ferjax.data.splits.protocols.registry import PROTOCOLS
from ferjax.reproduce.claim_table import Measure
from ferjax.reproduce.judging.departures_of_claim import missing_test_notes
from ferjax.reproduce.judging.estimates import NotMeasured, Results, estimate
from ferjax.reproduce.judging.ledger import Row, judge_claims
from ferjax.reproduce.judging.metrics import METRICS
from ferjax.reproduce.judging.verdicts import RULES
from ferjax.reproduce.paper_table import OpenPoint, Paper
from ferjax.reproduce.reporting import texts
from ferjax.reproduce.reporting.draw_figures import what_is_shown
from ferjax.reproduce.reporting.run_tables import costs_of, data_of, experiments_of
from ferjax.reproduce.reporting.summary import counts_of, has_one_seed, sentences_of
from ferjax.reproduce.run_result import RunResult


def build_report(
    paper: Paper, results: Results, missing: Mapping[str, str], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the report of a paper as JSON values; docs/reproduce.md explains its verdicts.

    Args:
      paper: the paper, with stand-ins in place of experiments that cannot be run.
      results: experiment → its finished runs, by seed.
      missing: experiment → why it was not run, or was not run yet.
      settings: JSON values: `smoke`, `commands`, `environment`, `written`, `ferjax`.
    """
    rows = judge_claims(paper.claims, results, missing, smoke=settings["smoke"])
    open_points = [_open_point(point, results, missing) for point in paper.open_points]
    return {
        "format": 1,
        "paper": paper.name,
        "title": paper.title,
        "settings": dict(settings),
        "summary": {
            "counts": counts_of(rows),
            "sentences": sentences_of(rows, open_points, smoke=settings["smoke"]),
        },
        "ledger": [_ledger_row(row) for row in rows],
        "figures": [
            {
                "name": one.name,
                "caption": one.caption,
                "where": one.where,
                "shown": what_is_shown(one, results, missing),
            }
            for one in paper.figures
        ],
        "open_points": open_points,
        "tried_once": any(map(has_one_seed, open_points)),
        "protocols": _protocol_rows(results),
        "experiments": experiments_of(paper, results, missing),
        "costs": costs_of(results),
        "data": data_of(results),
        "rules": list(RULES),
    }


def _ledger_row(row: Row) -> dict[str, Any]:
    claim, honest = row.claim, row.honest
    return {
        "name": claim.name,
        "kind": claim.kind,
        "claim": claim.text,
        "where": claim.where,
        "printed": claim.printed,
        "paper": claim.paper,
        "verdict": row.verdict.word,
        "reason": row.verdict.reason,
        "exceeded": row.verdict.exceeded,
        "proxy": list(row.verdict.proxy),
        "ours": texts.estimate_json(row.ours),
        "sides": [texts.estimate_json(side) for side in row.sides],
        "tau": row.tau,
        "count": row.count,
        "honest": texts.estimate_json(honest.ours) if honest else None,
        "honest_verdict": honest.verdict.word if honest else None,
        "honest_proxy": list(honest.verdict.proxy) if honest else [],
        "figure": claim.figure,
        "texts": {
            "ours": texts.ours_text(row),
            "n": texts.count_text(row.ours) if row.ours else "",
            "honest": texts.honest_text(row),
            "honest_n": texts.count_text(honest.ours) if honest and honest.ours else "",
            "verdict": texts.verdict_text(row),
        },
    }


def _open_point(point: OpenPoint, results: Results, missing: Mapping[str, str]) -> dict[str, Any]:
    tried, means = [], []
    metric = METRICS[point.metric]
    for value, experiment in point.tried:
        measure = Measure(experiment, point.metric, point.split, point.epoch)
        try:
            ours = estimate(results, measure)
        except NotMeasured as error:
            why = str(error) if results.get(experiment) else missing.get(experiment, str(error))
            tried.append({"value": value, "experiment": experiment, "text": "", "why": why})
            continue
        means.append(ours.mean)
        tried.append(
            {
                "value": value,
                "experiment": experiment,
                "ours": texts.estimate_json(ours),
                "text": texts.estimate_text(metric, ours),
                "why": texts.count_text(ours),
            }
        )
    moves = max(means) - min(means) if len(means) > 1 and metric.is_rate else None
    return {
        "name": point.name,
        "text": point.text,
        "reading": point.reading,
        "metric": metric.words,
        "tried": tried,
        "moves": moves,
        "moves_text": "" if moves is None else f"{100 * moves:.1f} points",
    }


def _protocol_rows(results: Results) -> list[dict[str, Any]]:
    """Returns every protocol that was used, with its breach and the experiments that used it.

    Experiments without a protocol have a row for each different use of ferjax's splits.
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for experiment, (run, *_) in results.items():
        name = run.facts["config"].get("protocol")
        breach = _own_splits(run) if name is None else PROTOCOLS[name].breach
        notes = missing_test_notes(run.facts)
        row = rows.setdefault(
            (name, breach, *notes),
            {
                "name": name or "none",
                "breach": breach,
                "is_breach": name is not None and PROTOCOLS[name].is_breach,
                "notes": notes,
                "experiments": [],
            },
        )
        row["experiments"].append(experiment)
    return list(rows.values())


def _own_splits(run: RunResult) -> str:
    """Returns how a run without a protocol uses ferjax's splits, in words."""
    evaluated_epochs = sum(line["split"] == "val" for line in run.curves)
    if evaluated_epochs > 1:
        selection = "val selects the epoch"
    elif evaluated_epochs:
        selection = "the last epoch alone is evaluated, so that nothing selects it"
    else:
        selection = "there are no epochs to select from"
    test = "test is read once" if "test" in run.splits else "there is no test split"
    return f"ferjax's own splits: {selection}, {test}"


def with_departures(
    results: Mapping[str, Sequence[Any]], departures: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Returns results with the departures of their experiments among their facts.

    Args:
      results: experiment → its runs.
      departures: experiment → `departs` and `other_data`.
    """
    return {
        name: [replace(run, facts={**run.facts, **departures.get(name, {})}) for run in runs]
        for name, runs in results.items()
    }
