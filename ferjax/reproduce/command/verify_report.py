"""--verify: a page of a paper or of a study, written again from the results inside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax.config.reproduce_config import PAPERS
from ferjax.errors import UserError
from ferjax.reproduce.papers.find_paper import find_paper
from ferjax.reproduce.reporting.build_report import build_report
from ferjax.reproduce.reporting.embedded_results import results_from_json
from ferjax.reproduce.reporting.page import render_report
from ferjax.reproduce.reporting.verify_page import verify_page
from ferjax.reproduce.stand_ins import with_stand_ins
from ferjax.reproduce.studies.study_report import study_page_again


def verify_report(path: Path) -> tuple[list[str], int]:
    """Returns what differs, one line for each, and how many cells were compared.

    Args:
      path: a report.html of launch.reproduce.

    Raises:
      UserError: it is none, or its results are damaged.
    """
    return verify_page(path, {"paper": _paper_page, "study": study_page_again})


def _paper_page(block: Mapping[str, Any], pictures: Mapping[str, list[dict[str, Any]]]) -> str:
    name, lacks = block["paper"], block["lacks"]
    if name not in PAPERS:
        raise UserError(f"it is about {name!r:.60}, which is no paper that is reproduced.")
    paper, _ = with_stand_ins(find_paper(name), lambda one: lacks.get(one.name))
    results = results_from_json(block["results"])
    report = build_report(paper, results, block["missing"], block["settings"])
    shown = {one["name"]: pictures.get(one["name"], []) for one in report["figures"]}
    return render_report(report, shown, {})
