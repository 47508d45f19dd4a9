"""Writes report.html and report.json of the study, and writes a page again from its results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

import ferjax
from ferjax.errors import UserError
from ferjax.report.html.page_templates import render_page
from ferjax.reproduce.judging.estimates import Results
from ferjax.reproduce.reporting.embedded_results import results_from_json, results_to_json
from ferjax.reproduce.reporting.page import check_size, json_in_page, small_pictures
from ferjax.reproduce.reporting.verify_page import PAGE_FORMAT, settings_of_page
from ferjax.reproduce.run_result import accuracy_other_than_curve, epochs_other_than_curves
from ferjax.reproduce.studies.answers import AllAnswers
from ferjax.reproduce.studies.build_study import NAMES, build_study
from ferjax.reproduce.studies.draw_prices import draw_prices
from ferjax.reproduce.studies.embedded_answers import answers_from_json, answers_to_json
from ferjax.runtime.atomic_files import write_atomically

_FIGURE = "prices"
_CONTENTS = (
    ("summary", "Summary"),
    ("prices", "Prices"),
    ("meanings", "What each number compares"),
    ("limits", "What this does not show"),
    ("runs", "Runs"),
    ("protocols", "Protocols"),
    ("environment", "Environment and commands"),
    ("check", "Check this page"),
)


def write_study_report(
    answers: AllAnswers, results: Results, facts: Mapping[str, Any], out: Path
) -> dict[str, Any]:
    """Writes report.html, report.json and the picture; returns the report with `path`.

    Args:
      answers: experiment → seed → the answers of its run.
      results: experiment → its finished runs.
      facts: as `build_study` takes them.
      out: the folder.

    Raises:
      UserError: a file cannot be written, or the page would be too large.
    """
    report, prices = build_study(answers, results, facts)
    pictures = {}
    if prices:
        draw_prices(prices, NAMES, out / f"{_FIGURE}.png", report["title"])
        pictures = small_pictures({_FIGURE: [out / f"{_FIGURE}.png"]})
    block = {
        "page_format": PAGE_FORMAT,
        "study": report["study"],
        "facts": dict(facts),
        "pictures": {
            name: [picture["sha256"] for picture in figure] for name, figure in pictures.items()
        },
        # Numbers come from the answers; of the runs only curves and facts are kept.
        "results": results_to_json(
            {name: [replace(run, predictions={}) for run in runs] for name, runs in results.items()}
        ),
        "answers": answers_to_json(answers),
    }
    page = _render(report, pictures, block)
    check_size(page)
    twin = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(out / "report.json", twin)
    return {**report, "path": str(write_atomically(out / "report.html", page))}


def study_page_again(
    block: Mapping[str, Any], pictures: Mapping[str, Sequence[Mapping[str, Any]]]
) -> tuple[str, list[str]]:
    """Returns the page that the results inside a page give, and their contradictions in words.

    Args:
      block: the results inside the page.
      pictures: figure → its pictures on the page.

    Raises:
      UserError: the results are damaged.
    """
    if block["study"] != "protocols":
        raise UserError(f"it is about {block['study']!r:.60}, which is no study of this version.")
    answers, results = answers_from_json(block["answers"]), results_from_json(block["results"])
    contradictions = _contradictions(answers, results)
    facts = block["facts"]
    settings = settings_of_page(facts["settings"], results)
    report, _ = build_study(answers, results, {**facts, "settings": settings})
    return _render(report, pictures, {}), contradictions


def _contradictions(answers: AllAnswers, results: Results) -> list[str]:
    """Returns how answers and epochs contradict the curves of their runs, in words.

    Raises:
      UserError: answers without a run, or on other images than those of their run.
    """
    runs = {(run.experiment, run.seed): run for group in results.values() for run in group}
    texts = [text for run in runs.values() for text in epochs_other_than_curves(run)]
    for experiment, seeds in answers.items():
        for seed, run_answers in seeds.items():
            place = f"{experiment}, seed {seed}"
            run = runs.get((experiment, seed))
            if run is None:
                raise UserError(
                    f"the data inside the page are damaged (answers without a run: {place})."
                )
            for split in [name for name in ("val", "test") if name in run_answers]:
                stored, part = run_answers[split], run.splits.get(split, {})
                images = part.get("images"), part.get("digest")
                if (len(stored.labels), stored.digest) != images:
                    raise UserError(
                        "the data inside the page are damaged (answers on other images than those"
                        f" of {place}, {split})."
                    )
                epoch = run.epochs["selected"]
                texts += accuracy_other_than_curve(run, split, epoch, stored.correct)
    return texts


def _render(
    report: Mapping[str, Any],
    pictures: Mapping[str, Sequence[Mapping[str, Any]]],
    block: Mapping[str, Any],
) -> str:
    settings = report["settings"]
    meanings = {one["breach"]: one["meaning"] for one in report["prices"]}
    return render_page(
        "protocol_study.html",
        title=report["title"],
        report=report,
        names=NAMES,
        figure=_FIGURE,
        pictures=pictures.get(_FIGURE, ()),
        meanings=list(meanings.items()),
        contents=_CONTENTS,
        subtitle=f"Measured by ferjax. {settings['written']}",
        commands=settings["commands"],
        environment=list(settings["environment"].items()),
        version=ferjax.__version__,
        block=Markup(json_in_page(block)),
    )
